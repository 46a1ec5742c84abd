"""How does a port of this node answer for the addresses of a virtual server that is on it?

Three things: a proxy entry per address, so that the port answers ARP and
neighbour solicitations; a routing table of the server's own for the subnet, and
a rule per address, so that replies leave by the same port; and frames that
tell the subnet. The addresses stay in the server's namespace, moving them to
another port breaks no session.

`vip` and the node daemon, which notices a dead port first, call the same functions. What is
about to be done is written down first (`Record`), so that it can be undone
after any interruption.
"""

from __future__ import annotations

import os

from vsctl.agents import names, node, paths, rtnetlink
from vsctl.agents.netlink import Netlink
from vsctl.agents.ocf import Failure
from vsctl.agents.rtnetlink import Route, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from vsctl.agents.addresses import Address
    from vsctl.agents.rtnetlink import Link

    Repeat = Callable[[Iterable[float], Callable[[], bool]], None]
    """Calls a function after each pause, until it says False: `background.repeat` or the daemon's own."""
    Choose = Callable[[Sequence[str], Sequence[str]], str | None]

BURST = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses, in seconds, between the repetitions of an announcement: switches and hosts miss single frames."""


class locked:  # noqa: N801 - reads as a word: `with locked("vs1", "lan-a"):`
    """Be the only one who announces or withdraws a server's addresses on a subnet here.

    BlockingIOError if somebody else does and `wait` is not said.
    """

    def __init__(self, server: str, subnet: str, *, wait: bool = True) -> None:
        self._path = f"{paths.run(server)}/announced/.{subnet}.lock"
        self._wait = wait

    def __enter__(self) -> None:
        import fcntl

        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | (0 if self._wait else fcntl.LOCK_NB))
        except OSError:
            os.close(self._file)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


class Record:
    """What was begun for one server on one subnet: the ports made ready, the addresses announced.

    With the gateways it is all that is needed to announce them elsewhere. A
    complete one has the ports best first.
    """

    def __init__(self, server: str, subnet: str) -> None:
        self._directory = f"{paths.run(server)}/announced"
        self._path = f"{self._directory}/{subnet}"
        self.ports: list[str] = []
        self.addresses: list[str] = []
        self.gateways: list[str] = []
        kinds = {"port": self.ports, "address": self.addresses, "gateway": self.gateways}
        for line in node.read_lines(self._path):
            kind, value = line.split()
            kinds[kind].append(value)

    def __bool__(self) -> bool:
        return bool(self.ports or self.addresses)

    def write(self, ports: Iterable[str], addresses: Iterable[str], gateways: Iterable[str] = ()) -> None:
        """Remember exactly these; no ports and no addresses forget the record."""
        self.ports, self.addresses, self.gateways = list(ports), list(addresses), list(gateways)
        if self:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
        lines = (
            *(f"port {each}" for each in self.ports),
            *(f"address {each}" for each in self.addresses),
            *(f"gateway {each}" for each in self.gateways),
        )
        node.write_lines(self._path, list(lines) if self else [])


def recorded(server: str) -> list[str]:
    """Return the subnets on which something of a server is or may be announced here."""
    try:
        names_of = os.listdir(f"{paths.run(server)}/announced")
        return [each for each in names_of if not (each.endswith(".new") or each.startswith("."))]
    except FileNotFoundError:
        return []


def announce(
    server: str,
    subnet: str,
    port: str,
    ports: Sequence[str],
    addresses: Sequence[Address],
    gateways: Sequence[Address],
) -> None:
    """Announce a server's addresses of one subnet on one port, and on no other.

    `ports` are all that may take over later, made ready now. What was
    announced before and is not wanted any more is withdrawn last: moving
    interrupts nothing. Failure if the port does not exist.
    """
    from vsctl.agents import background

    with locked(server, subnet):
        _announce(server, subnet, port, ports, addresses, gateways, background.repeat)


def move(server: str, subnet: str, choose: Choose, repeat: Repeat) -> str | None:
    """Announce on another port what is announced here; return which, None if nothing moved.

    `choose` gets the ports that may announce, best first, and those that do
    now. BlockingIOError while an agent announces or withdraws. What an agent
    has withdrawn stays withdrawn.
    """
    from vsctl.agents.addresses import parse

    if not Record(server, subnet):
        return None
    with locked(server, subnet, wait=False):
        record = Record(server, subnet)
        addresses = [parse(each) for each in record.addresses]
        netlink = Netlink()
        ready = (rtnetlink.link(netlink, each) for each in record.ports)
        links = [each for each in ready if each is not None]
        port = choose(record.ports, port_of(netlink, links, addresses)) if record else None
        if port is not None:
            gateways = [parse(each) for each in record.gateways]
            _announce(server, subnet, port, record.ports, addresses, gateways, repeat)
        return port


def _announce(
    server: str,
    subnet: str,
    port: str,
    ports: Sequence[str],
    addresses: Sequence[Address],
    gateways: Sequence[Address],
    repeat: Repeat,
) -> None:
    from vsctl.agents import forwarding

    netlink = Netlink()
    link = rtnetlink.link(netlink, port)
    if link is None:
        raise Failure(f"this node has no port {port}")
    record = Record(server, subnet)
    old_ports, old_addresses = record.ports, record.addresses
    present = [each for each in ports if rtnetlink.link(netlink, each)]
    through = [each.ip for each in gateways]
    record.write(_merged(old_ports, present), _merged(old_addresses, map(str, addresses)), through)
    if new := [each for each in present if each not in old_ports]:
        forwarding.open_ports(f"{server}/{subnet}", new)
    _route(netlink, server, subnet, link, addresses, gateways)
    for address in addresses:
        rtnetlink.add_proxy(netlink, link.index, address.family, address.packed)
    _tell(link, addresses, repeat)
    _tidy(netlink, record, server, subnet, port, present, addresses, through)


def withdraw(server: str, subnet: str) -> None:
    """Announce nothing of a server on a subnet any more, and undo all that was done for it."""
    if not os.path.exists(paths.run(server)):
        _withdraw(server, subnet)
        return
    with locked(server, subnet):
        _withdraw(server, subnet)


def _withdraw(server: str, subnet: str) -> None:
    netlink = Netlink()
    record = Record(server, subnet)
    _tidy(netlink, record, server, subnet, None, (), ())
    for family in rtnetlink.FAMILIES:
        for rule in _rules(netlink, family, names.table(server, subnet)):
            rtnetlink.remove_rule(netlink, rule)
        for route in rtnetlink.routes(netlink, family, names.table(server, subnet)):
            rtnetlink.remove_route(netlink, route)


def port_of(netlink: Netlink, links: Iterable[Link], addresses: Sequence[Address]) -> list[str]:
    """Return the ports, of those given, on which at least one of the addresses is announced."""
    answering = rtnetlink.proxies(netlink)
    return [
        link.name for link in links if any((link.index, address.packed) in answering for address in addresses)
    ]


def problem(
    netlink: Netlink,
    server: str,
    subnet: str,
    link: Link,
    addresses: Sequence[Address],
    gateways: Sequence[Address],
) -> str | None:
    """Say in a sentence what is wrong with an announcement on a port, None if all is right."""
    answering = rtnetlink.proxies(netlink)
    for address in addresses:
        if (link.index, address.packed) not in answering:
            return f"{address.ip} is not announced on {link.name}"
    wanted_rules = _wanted_rules(server, subnet, addresses)
    wanted_routes = _wanted_routes(server, subnet, link, addresses, gateways)
    table = names.table(server, subnet)
    for family in sorted({address.family for address in addresses}):
        rules = _rules(netlink, family, table)
        routes = rtnetlink.routes(netlink, family, table)
        for rule in wanted_rules:
            if rule.family == family and rule not in rules:
                return f"a routing rule of {server} for table {table} is missing"
        for route in wanted_routes:
            if route.family == family and route not in routes:
                return f"a route by {link.name} is missing in table {table}"
    return None


def traces(netlink: Netlink, server: str, subnet: str) -> bool:
    """Say whether anything is left of an announcement here, complete or not."""
    table = names.table(server, subnet)
    return bool(Record(server, subnet)) or any(
        _rules(netlink, family, table) for family in rtnetlink.FAMILIES
    )


def _route(
    netlink: Netlink,
    server: str,
    subnet: str,
    link: Link,
    addresses: Sequence[Address],
    gateways: Sequence[Address],
) -> None:
    """Let replies leave by the port; the routes are there before a rule leads to them."""
    table = names.table(server, subnet)
    wanted_routes = _wanted_routes(server, subnet, link, addresses, gateways)
    wanted_rules = _wanted_rules(server, subnet, addresses)
    for route in wanted_routes:
        rtnetlink.add_route(netlink, route)
    for family in rtnetlink.FAMILIES:
        for route in rtnetlink.routes(netlink, family, table):
            if route not in wanted_routes:
                rtnetlink.remove_route(netlink, route)
    for rule in wanted_rules:
        rtnetlink.add_rule(netlink, rule)
    for family in rtnetlink.FAMILIES:
        for rule in _rules(netlink, family, table):
            if rule not in wanted_rules:
                rtnetlink.remove_rule(netlink, rule)


def _wanted_rules(server: str, subnet: str, addresses: Sequence[Address]) -> list[Rule]:
    return [
        Rule(
            address.family,
            address.packed,
            names.interface(server),
            names.table(server, subnet),
            names.RULES,
            names.PROTOCOL,
        )
        for address in addresses
    ]


def _wanted_routes(
    server: str, subnet: str, link: Link, addresses: Sequence[Address], gateways: Sequence[Address]
) -> list[Route]:
    """The networks of the addresses on the port itself, the rest by the family's first gateway."""
    table = names.table(server, subnet)
    found = []
    for family in rtnetlink.FAMILIES:
        ours = [each for each in addresses if each.family == family]
        for prefix, network in dict.fromkeys((each.prefix, each.network) for each in ours):
            found.append(Route(family, link.index, network, prefix, table=table, protocol=names.PROTOCOL))
        gateway = next((each for each in gateways if each.family == family), None)
        if ours and gateway:
            found.append(
                Route(family, link.index, gateway=gateway.packed, table=table, protocol=names.PROTOCOL)
            )
    return found


def _rules(netlink: Netlink, family: int, table: int) -> list[Rule]:
    return [rule for rule in rtnetlink.rules(netlink, family, names.PROTOCOL) if rule.table == table]


def _tidy(
    netlink: Netlink,
    record: Record,
    server: str,
    subnet: str,
    port: str | None,
    ports: Sequence[str],
    addresses: Sequence[Address],
    gateways: Sequence[str] = (),
) -> None:
    """Leave the addresses on the one port and the ports ready; withdraw the rest of the record."""
    from vsctl.agents import forwarding
    from vsctl.agents.addresses import parse

    kept = [each.packed for each in addresses]
    known = [parse(each) for each in record.addresses]
    for each in record.ports:
        link = rtnetlink.link(netlink, each)
        for address in known:
            if link is not None and not (each == port and address.packed in kept):
                rtnetlink.remove_proxy(netlink, link.index, address.family, address.packed)
    if gone := [each for each in record.ports if each not in ports]:
        forwarding.close_ports(f"{server}/{subnet}", gone)
    record.write(ports, map(str, addresses), gateways)


def _tell(link: Link, addresses: Sequence[Address], repeat: Repeat) -> None:
    """Say on the wire where the addresses are, at once, and again while it is so."""
    from vsctl.agents import frames

    told = [
        (each, frame)
        for each in addresses
        for frame in frames.announcement(each.family, each.packed, link.hardware)
    ]
    try:
        frames.send(link.name, [frame for _, frame in told])
    except OSError:  # the port went down this moment; the next monitor moves on
        return

    def again() -> bool:
        answering = rtnetlink.proxies(Netlink())
        still = [frame for each, frame in told if (link.index, each.packed) in answering]
        frames.send(link.name, still)
        return bool(still)

    repeat(BURST, again)


def _merged(old: Iterable[str], new: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*old, *new)))
