"""How does a port of this node answer for the addresses of a virtual server that is on it?

Three things: a proxy entry per address, so that the port answers ARP and
neighbour solicitations; a routing table of the server's own for the subnet, and
a rule per address, so that replies leave by the same port; and frames that
tell the subnet. The addresses stay in the server's namespace, moving them to
another port breaks no session. Where no port of the subnet is good, a host route on another one
takes the place of proxy entries and frames (`hostroute`).

`vip` and the node daemon, which notices a dead port first, call the same functions. What is
about to be done is written down first (`Record`), so that it can be undone
after any interruption.
"""

from __future__ import annotations

from vsctl.agents import names, node, paths, rtnetlink
from vsctl.agents import system as os
from vsctl.agents.netlink import Netlink
from vsctl.agents.ocf import Failure
from vsctl.agents.rtnetlink import Route, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from types import TracebackType

    from vsctl.agents.addresses import Address
    from vsctl.agents.hostroute import Via
    from vsctl.agents.rtnetlink import Link

    Repeat = Callable[[Iterable[float], Callable[[], bool], int], None]
    """Calls a function, which needs an open file, after each pause, until it says False: `background.repeat` or the
    daemon's own."""
    Choose = Callable[[Sequence[str], Sequence[str]], str | None]

ANNOUNCED, DETOUR, PARTING, LINGERING = "announced", "detours", "parting", "lingering"
"""Directories of records: what is announced here, what `reroute` does for a server that is here, what of
that is being undone, and what it still does for a moment where it has ceased to announce."""

BURST = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses, in seconds, between the repetitions of an announcement: switches and hosts miss single frames."""


class locked:  # noqa: N801 - reads as a word: `with locked("vs1", "lan-a"):`
    """Be the only one who announces or withdraws a server's addresses on a subnet here.

    BlockingIOError if somebody else does and `wait` is not said.
    """

    def __init__(self, server: str, subnet: str, *, wait: bool = True) -> None:
        self._server = server
        self._path = f"{paths.run(server)}/{ANNOUNCED}/.{subnet}.lock"
        self._wait = wait

    def __enter__(self) -> locked:
        import fcntl

        while True:
            try:
                os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # the last holder has forgotten the directory this moment
                continue
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | (0 if self._wait else fcntl.LOCK_NB))
                if self._is_the_file():
                    return self
            except OSError:
                os.close(self._file)
                raise
            os.close(self._file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def forget(self) -> None:
        """Leave no file behind, and no empty directory; who waits for them makes new ones."""
        os.unlink(self._path)
        run = paths.run(self._server)
        for directory in (f"{run}/{ANNOUNCED}", f"{run}/{LINGERING}", run):
            try:
                os.rmdir(directory)
            except OSError:  # it is not empty, or not there
                continue

    def _is_the_file(self) -> bool:
        """Say whether what is locked is still there: the last holder may have forgotten it meanwhile."""
        try:
            return os.stat(self._path).st_ino == os.fstat(self._file).st_ino
        except FileNotFoundError:
            return False


class Record:
    """What was begun for one server on one subnet: the ports made ready, the addresses announced.

    With the gateways it is all that is needed to announce them elsewhere. A
    complete one has the ports best first.

    `inward` are the ports by which this node reaches a server that is on
    another one; none for a server that is here. `vias` are ports of other
    subnets, made ready as well, for host routes (`hostroute.Via` as text).
    """

    def __init__(self, server: str, subnet: str, kind: str = ANNOUNCED) -> None:
        self._server = server
        self._subnet = subnet
        self._path = f"{paths.run(server)}/{kind}/{subnet}"
        self.ports: list[str] = []
        self.addresses: list[str] = []
        self.gateways: list[str] = []
        self.inward: list[str] = []
        self.vias: list[str] = []
        for line in node.read_lines(self._path):
            kind, value = line.split()
            self._fields()[kind].append(value)

    def __bool__(self) -> bool:
        return bool(self.ports or self.addresses or self.inward or self.vias)

    def _fields(self) -> dict[str, list[str]]:
        return {
            "port": self.ports,
            "address": self.addresses,
            "gateway": self.gateways,
            "inward": self.inward,
            "via": self.vias,
        }

    @property
    def ready(self) -> list[str]:
        """All ports that were made ready."""
        return [*self.ports, *(each.partition("=")[0] for each in self.vias)]

    def write(
        self,
        ports: Iterable[str],
        addresses: Iterable[str],
        gateways: Iterable[str] = (),
        inward: Iterable[str] = (),
        vias: Iterable[str] = (),
    ) -> None:
        """Remember exactly these; no ports, no addresses and no way inward forget the record."""
        self.ports, self.addresses = list(ports), list(addresses)
        self.gateways, self.inward, self.vias = list(gateways), list(inward), list(vias)
        lines = [f"{kind} {each}" for kind, values in self._fields().items() for each in values]
        while True:
            try:
                if self:
                    os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
                node.write_lines(self._path, lines if self else [])
            except FileNotFoundError:  # somebody has forgotten the empty directory this moment
                continue
            return

    def rename(self, kind: str) -> None:
        """Make it a record of another kind at one blow."""
        path = f"{paths.run(self._server)}/{kind}/{self._subnet}"
        while True:
            try:
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                os.rename(self._path, path)
            except FileNotFoundError:  # as above, or there is no record
                if os.path.exists(self._path):
                    continue
                raise
            return


def recorded(server: str, kind: str = ANNOUNCED) -> list[str]:
    """Return the subnets for which there is a record of a server here."""
    try:
        names_of = os.listdir(f"{paths.run(server)}/{kind}")
        return [each for each in names_of if not (each.endswith(".new") or each.startswith("."))]
    except FileNotFoundError:
        return []


def written(server: str) -> dict[str, float]:
    """Return when each record of what is announced was written last, in seconds since the epoch, by subnet."""
    found = {}
    for subnet in recorded(server):
        try:
            found[subnet] = os.stat(f"{paths.run(server)}/{ANNOUNCED}/{subnet}").st_mtime
        except FileNotFoundError:  # it went this moment
            continue
    return found


def announce(
    server: str,
    subnet: str,
    port: str,
    ports: Sequence[str],
    addresses: Sequence[Address],
    gateways: Sequence[Address],
    inward: Sequence[str] | None = None,
    vias: Sequence[Via] = (),
) -> None:
    """Announce a server's addresses of one subnet on one port, and on no other.

    `ports` are all that may take over later, made ready now. What was
    announced before and is not wanted any more is withdrawn last: moving
    interrupts nothing. `inward` are the ports by which the packets of a server
    on another node come (`reroute.lead`), as recorded if it is left out.
    On a port of `vias` they are announced by host route.
    Failure if the port does not exist.
    """
    from vsctl.agents import background

    with locked(server, subnet):
        _announce(server, subnet, port, ports, addresses, gateways, inward, vias, background.repeat)


def move(server: str, subnet: str, choose: Choose, repeat: Repeat, told: Collection[str] = ()) -> str | None:
    """Announce on another port what is announced here; return which, None if nothing moved.

    `choose` gets the ports that may announce, best first, and those that do
    now; where none of the subnet is chosen, those of other subnets by which
    routers are `told`. BlockingIOError while an agent announces or withdraws.
    What an agent has withdrawn stays withdrawn.
    """
    from vsctl.agents import hostroute
    from vsctl.agents.addresses import parse

    if not Record(server, subnet):
        return None
    with locked(server, subnet, wait=False):
        record = Record(server, subnet)
        addresses = [parse(each) for each in record.addresses]
        netlink = Netlink()
        ready = (rtnetlink.link(netlink, each) for each in record.ports)
        links = [each for each in ready if each is not None]
        here = port_of(netlink, links, addresses)
        vias = [hostroute.via(each) for each in record.vias]
        port = choose(record.ports, here) if record else None
        if port is None and vias:
            by = hostroute.port_of(netlink, server, subnet, addresses)
            port = choose([each.port for each in vias if each.port in told], [*here, *([by] if by else [])])
        if port is not None:
            gateways = [parse(each) for each in record.gateways]
            _announce(server, subnet, port, record.ports, addresses, gateways, None, vias, repeat)
        return port


def _announce(
    server: str,
    subnet: str,
    port: str,
    ports: Sequence[str],
    addresses: Sequence[Address],
    gateways: Sequence[Address],
    inward: Sequence[str] | None,
    vias: Sequence[Via],
    repeat: Repeat,
) -> None:
    from vsctl.agents import forwarding, hostroute

    netlink = Netlink()
    link = rtnetlink.link(netlink, port)
    if link is None:
        raise Failure(f"this node has no port {port}")
    record = Record(server, subnet)
    ready = record.ready
    inward = record.inward if inward is None else inward
    present = [each for each in ports if rtnetlink.link(netlink, each)]
    beside = [str(each) for each in vias if rtnetlink.link(netlink, each.port)]
    through = [each.ip for each in gateways]
    via = next((each for each in vias if each.port == port), None)
    record.write(
        merged(record.ports, present),
        merged(record.addresses, map(str, addresses)),
        through,
        inward,
        merged(record.vias, beside),
    )
    if new := [each for each in record.ready if each not in ready]:
        forwarding.open_ports(f"{server}/{subnet}", new)
    leaving_by = gateways if via is None else via.gateways
    _route(netlink, server, subnet, link, addresses, leaving_by, inward, via)
    if via is None:
        for address in addresses:
            rtnetlink.add_proxy(netlink, link.index, address.family, address.packed)
        tell(link, [(each.family, each.packed) for each in addresses], repeat)
    else:
        hostroute.announce(netlink, server, addresses, inward)
    _tidy(netlink, record, server, subnet, port, present, addresses, through, beside)


def withdraw(server: str, subnet: str) -> None:
    """Announce nothing of a server on a subnet any more, and undo all that was done for it."""
    if not os.path.exists(paths.run(server)):
        undo(server, subnet, Record(server, subnet))
        return
    with locked(server, subnet) as lock:
        undo(server, subnet, Record(server, subnet))
        lock.forget()


def undo(server: str, subnet: str, record: Record) -> None:
    """Withdraw what a record says, and what is there without one."""
    netlink = Netlink()
    if record.inward:
        from vsctl.agents import reroute

        reroute.undo(netlink, server, subnet, record)
    sources = record.addresses
    _tidy(netlink, record, server, subnet, None, (), ())
    for family in rtnetlink.FAMILIES:
        for rule in _rules(netlink, family, server, subnet, sources):
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
    inward: Sequence[str] = (),
    via: Via | None = None,
) -> str | None:
    """Say in a sentence what is wrong with an announcement on a port, None if all is right.

    `via` says that the port is on another subnet.
    """
    if via is not None:
        from vsctl.agents import hostroute

        told = hostroute.told(netlink, addresses)
        for address in addresses:
            if address not in told:
                return f"routers are not told of {address.ip}"
    else:
        answering = rtnetlink.proxies(netlink)
        for address in addresses:
            if (link.index, address.packed) not in answering:
                return f"{address.ip} is not announced on {link.name}"
    wanted_rules = _wanted_rules(server, subnet, addresses, inward)
    wanted_routes = _wanted_routes(
        server, subnet, link, addresses, gateways if via is None else via.gateways, via
    )
    table = names.table(server, subnet)
    for family in sorted({address.family for address in addresses}):
        rules = rtnetlink.rules(netlink, family, names.PROTOCOL)
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
        rule.table == table and not Record(server, subnet, LINGERING)
        for family in rtnetlink.FAMILIES
        for rule in rtnetlink.rules(netlink, family, names.PROTOCOL)
    )


def _route(
    netlink: Netlink,
    server: str,
    subnet: str,
    link: Link,
    addresses: Sequence[Address],
    gateways: Sequence[Address],
    inward: Sequence[str],
    via: Via | None,
) -> None:
    """Let replies leave by the port; the routes are there before a rule leads to them."""
    table = names.table(server, subnet)
    wanted_routes = _wanted_routes(server, subnet, link, addresses, gateways, via)
    wanted_rules = _wanted_rules(server, subnet, addresses, inward)
    sources = Record(server, subnet).addresses
    for route in wanted_routes:
        rtnetlink.add_route(netlink, route)
    for family in rtnetlink.FAMILIES:
        for route in rtnetlink.routes(netlink, family, table):
            if route not in wanted_routes:
                rtnetlink.remove_route(netlink, route)
    for rule in wanted_rules:
        rtnetlink.add_rule(netlink, rule)
    for family in rtnetlink.FAMILIES:
        for rule in _rules(netlink, family, server, subnet, sources):
            if rule not in wanted_rules:
                rtnetlink.remove_rule(netlink, rule)


def _wanted_rules(
    server: str, subnet: str, addresses: Sequence[Address], inward: Sequence[str]
) -> list[Rule]:
    """What comes from the addresses looks into their table; a server's that is here, then into the main one."""
    here = names.interface(server)
    looks = [(interface, names.table(server, subnet), names.RULES) for interface in inward or (here,)]
    looks += [] if inward else [(here, rtnetlink.MAIN, names.MAIN_RULES)]
    return [
        Rule(address.family, address.packed, interface, table, priority, names.PROTOCOL)
        for address in addresses
        for interface, table, priority in looks
    ]


def _wanted_routes(
    server: str,
    subnet: str,
    link: Link,
    addresses: Sequence[Address],
    gateways: Sequence[Address],
    via: Via | None,
) -> list[Route]:
    """The networks of the addresses on the port itself, if they are there; the rest by the family's first gateway."""
    table = names.table(server, subnet)
    found = []
    for family in rtnetlink.FAMILIES:
        ours = [each for each in addresses if each.family == family]
        beside = ours if via is None else []
        for prefix, network in dict.fromkeys((each.prefix, each.network) for each in beside):
            found.append(Route(family, link.index, network, prefix, table=table, protocol=names.PROTOCOL))
        gateway = next((each for each in gateways if each.family == family), None)
        if ours and gateway:
            found.append(
                Route(family, link.index, gateway=gateway.packed, table=table, protocol=names.PROTOCOL)
            )
    return found


def _rules(netlink: Netlink, family: int, server: str, subnet: str, addresses: Sequence[str]) -> list[Rule]:
    """Return the rules of an announcement of these addresses."""
    from vsctl.agents.addresses import parse

    table = names.table(server, subnet)
    sources = {parse(each).packed for each in addresses}
    return [
        rule
        for rule in rtnetlink.rules(netlink, family, names.PROTOCOL)
        if rule.table == table or (rule.priority == names.MAIN_RULES and rule.source in sources)
    ]


def _tidy(
    netlink: Netlink,
    record: Record,
    server: str,
    subnet: str,
    port: str | None,
    ports: Sequence[str],
    addresses: Sequence[Address],
    gateways: Sequence[str] = (),
    vias: Sequence[str] = (),
) -> None:
    """Leave the addresses on the one port and the ports ready; withdraw the rest of the record."""
    from vsctl.agents import forwarding, hostroute
    from vsctl.agents.addresses import parse

    withdraw_proxies(netlink, record, () if port is None else (port,), addresses)
    beside = [each.partition("=")[0] for each in vias]
    if record.vias:
        known = [parse(each) for each in record.addresses]
        hostroute.withdraw(netlink, known, kept=addresses if port in beside else ())
    if gone := [each for each in record.ready if each not in (*ports, *beside)]:
        forwarding.close_ports(f"{server}/{subnet}", gone)
    record.write(ports, map(str, addresses), gateways, record.inward if addresses else (), vias)


def withdraw_proxies(netlink: Netlink, record: Record, ports: Sequence[str], kept: Sequence[Address]) -> None:
    """Let the ports of a record answer for none of its addresses, but `ports` for those kept."""
    from vsctl.agents.addresses import parse

    stay = [each.packed for each in kept]
    known = [parse(each) for each in record.addresses]
    for each in record.ports:
        link = rtnetlink.link(netlink, each)
        for address in known:
            if link is not None and not (each in ports and address.packed in stay):
                rtnetlink.remove_proxy(netlink, link.index, address.family, address.packed)


def tell(link: Link, addresses: Sequence[tuple[int, bytes]], repeat: Repeat) -> None:
    """Say on the wire where addresses are, by family and as on the wire, at once, and again while it is so."""
    from vsctl.agents import frames

    told = [
        (packed, frame)
        for family, packed in addresses
        for frame in frames.announcement(family, packed, link.hardware)
    ]
    try:
        wire = frames.Wire(link.name)
        wire.send(frame for _, frame in told)
    except OSError:  # the port went down this moment; the next monitor moves on
        return

    def again() -> bool:
        answering = rtnetlink.proxies(Netlink())
        still = [frame for packed, frame in told if (link.index, packed) in answering]
        wire.send(still)
        return bool(still)

    repeat(BURST, again, wire.fileno())


def merged(old: Iterable[str], new: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*old, *new)))
