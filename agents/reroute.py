"""How do a virtual server and a peer that announces its addresses find each other?

When a node has lost a subnet, a peer announces there and routes. The two meet
on any other subnet that both are on, by ARP and neighbour discovery alone, so
that neither needs to know who the other is, and a new one is found at once:

- The server's node answers for the server's addresses on its ports to other
  subnets (its detours). The peer's route to an address is simply such a port.
- The peer answers, on its own detours, for the meeting address of server and
  subnet (`names.meeting`). What the server says goes there, unless it is
  announced on its own node: that rule comes first.

`net` keeps the one side (`meet`, `settle`, `part`), `vip` the other (`lead`,
`end`). Nobody ever owns an address of the server but the server.
"""

from __future__ import annotations

from _socket import AF_INET

from vsctl.agents import announce, names, node, resident, rtnetlink
from vsctl.agents.netlink import Netlink
from vsctl.agents.ocf import Failure, log
from vsctl.agents.rtnetlink import Route, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vsctl.agents.addresses import Address
    from vsctl.agents.announce import Record
    from vsctl.agents.rtnetlink import Link

PATIENCE = 1.0
"""How many seconds somebody has to answer on a detour; on a healthy subnet it is a millisecond."""

LINGER = 3.0
"""How many seconds a peer goes on routing when it has ceased to announce: clients may not have heard yet."""

AGAIN = (0.05,) * 20 + (0.2,) * 10 + (0.5,) * 5
"""When, in seconds each after the other, the server's node looks for a peer that has just begun to announce."""

ANSWERING = 0.1
"""How many seconds it waits each time."""


class Detour:
    """Of one subnet of a server: its addresses, and the ports of this node to other subnets, best first."""

    __slots__ = ("addresses", "ports", "subnet")

    def __init__(self, subnet: str, addresses: Sequence[Address], ports: Sequence[str]) -> None:
        self.subnet = subnet
        self.addresses = addresses
        self.ports = ports


# The server's node


def meet_all(server: str, detours: Sequence[Detour]) -> None:
    """Let peers find a server here by all its detours, and by no others.

    What is wrong with a detour is only said: the server does not need it as
    long as its own node announces it.
    """
    for each in detours:
        try:
            meet(server, each)
        except (OSError, Failure) as problem:
            log(f"peers cannot route to {server} for {each.subnet}: {problem}")
    for subnet in announce.recorded(server, announce.DETOUR):
        if all(each.subnet != subnet for each in detours):
            _part(server, subnet)


def meet(server: str, detour: Detour) -> None:
    """Let peers find the server here, and the server answer through whichever announces for it."""
    from vsctl.agents import background, forwarding

    subnet, addresses = detour.subnet, detour.addresses
    netlink = Netlink()
    links = _present(netlink, detour.ports)
    ports = [link.name for link in links]
    record = announce.Record(server, subnet, announce.DETOUR)
    old = announce.Record(server, subnet, announce.DETOUR)
    record.write(
        announce.merged(old.ports, ports),
        announce.merged(old.addresses, map(str, addresses)),
    )
    if new := [each for each in ports if each not in old.ports]:
        forwarding.open_ports(_holder(server, subnet), new)
    settle(server, detour)
    for rule in _rules(server, detour):
        rtnetlink.add_rule(netlink, rule)
    _tidy_rules(netlink, server, detour)
    for link in links:
        for address in addresses:
            rtnetlink.add_proxy(netlink, link.index, address.family, address.packed)
    announce.withdraw_proxies(netlink, record, ports, addresses)
    if gone := [each for each in old.ports if each not in ports]:
        forwarding.close_ports(_holder(server, subnet), gone)
    record.write(ports, map(str, addresses))
    for link in links:
        announce.tell(link, [(each.family, each.packed) for each in addresses], background.repeat)


def settle(server: str, detour: Detour, patience: float = 0.0) -> bool:
    """Let replies take the detour on which a peer answers within some seconds; say whether it is found.

    Until it is they take the first with a carrier; where there is no other, and no time, nobody is asked.
    """
    netlink = Netlink()
    links = _usable(netlink, detour.ports)
    found = next(iter(links), None)
    if len(links) > 1 or patience:
        found = _answering(netlink, links, _meetings(server, detour.subnet, detour.addresses), patience)
    _answer_by(netlink, server, detour, found or next(iter(links), None))
    return found is not None


def answer_by(server: str, detour: Detour, port: str) -> None:
    """Let replies take a port; BlockingIOError if an agent is at what the servers of this node share."""
    netlink = Netlink()
    _answer_by(netlink, server, detour, rtnetlink.link(netlink, port), wait=False)


def _answer_by(
    netlink: Netlink, server: str, detour: Detour, link: Link | None, *, wait: bool = True
) -> None:
    wanted = _through(server, detour, link)
    table = names.detour_table(server, detour.subnet)
    with node.locked(wait=wait):
        # `_part` takes the record away before, and under the same lock, the routes: a search or the daemon may
        # find a peer while the server leaves.
        if not announce.Record(server, detour.subnet, announce.DETOUR):
            return
        for route in wanted:
            rtnetlink.add_route(netlink, route)
        for family in rtnetlink.FAMILIES:
            for route in rtnetlink.routes(netlink, family, table):
                if route not in wanted:
                    rtnetlink.remove_route(netlink, route)


def seek(server: str, detour: Detour) -> None:
    """Look for a new peer for some seconds, from a process of its own; what has waited for it is sent again then."""
    from vsctl.agents import background

    _forget_answers(server, detour)

    def go_on() -> bool:
        if not look(server, detour):
            return True
        from vsctl.agents import nudge

        nudge.nudge(server, [each.packed for each in detour.addresses])
        return False

    background.repeat(AGAIN, go_on)


def _forget_answers(server: str, detour: Detour) -> None:
    """Let nobody pass for a peer who was one before."""
    netlink = Netlink()
    for link in _present(netlink, detour.ports):
        for family, packed in _meetings(server, detour.subnet, detour.addresses):
            rtnetlink.remove_neighbour(netlink, link.index, family, packed)


def look(server: str, detour: Detour) -> bool:
    """Look once for a peer; say whether the search is over, as it is when the server leaves."""
    return not announce.Record(server, detour.subnet, announce.DETOUR) or settle(server, detour, ANSWERING)


def problem(netlink: Netlink, server: str, detour: Detour) -> str | None:
    """Say in a sentence what keeps peers and the server from meeting here, None if nothing does."""
    links = _present(netlink, detour.ports)
    answering = rtnetlink.proxies(netlink)
    for link in links:
        for address in detour.addresses:
            if (link.index, address.packed) not in answering:
                return f"peers do not find {address.ip} on {link.name}"
    table = names.detour_table(server, detour.subnet)
    wanted = _rules(server, detour)
    for family in sorted({each.family for each in detour.addresses}):
        present = rtnetlink.rules(netlink, family, names.PROTOCOL)
        if any(rule.family == family and rule not in present for rule in wanted):
            return f"a routing rule of {server} for table {table} is missing"
    return None


def part(server: str) -> None:
    """Undo all that `meet` did for a server."""
    for subnet in dict.fromkeys(
        (*announce.recorded(server, announce.PARTING), *announce.recorded(server, announce.DETOUR))
    ):
        _part(server, subnet)


def _part(server: str, subnet: str) -> None:
    _finish(server, subnet)  # an interrupted one
    if met := announce.Record(server, subnet, announce.DETOUR):
        met.rename(announce.PARTING)
        _finish(server, subnet)


def _finish(server: str, subnet: str) -> None:
    from vsctl.agents import forwarding

    record = announce.Record(server, subnet, announce.PARTING)
    if not record:
        return
    netlink = Netlink()
    announce.withdraw_proxies(netlink, record, (), ())
    with node.locked():
        _clear(netlink, names.detour_table(server, subnet))
    forwarding.close_ports(_holder(server, subnet), record.ports)
    record.write((), ())


def _rules(server: str, detour: Detour) -> list[Rule]:
    table = names.detour_table(server, detour.subnet)
    return [
        Rule(each.family, each.packed, names.interface(server), table, names.DETOUR_RULES, names.PROTOCOL)
        for each in detour.addresses
    ]


def _tidy_rules(netlink: Netlink, server: str, detour: Detour) -> None:
    wanted = _rules(server, detour)
    table = names.detour_table(server, detour.subnet)
    for family in rtnetlink.FAMILIES:
        for rule in rtnetlink.rules(netlink, family, names.PROTOCOL):
            if rule.table == table and rule not in wanted:
                rtnetlink.remove_rule(netlink, rule)


def _through(server: str, detour: Detour, link: Link | None) -> list[Route]:
    """The default routes, one a family, by way of the meeting address on a port."""
    if link is None:
        return []
    return [
        Route(
            family,
            link.index,
            gateway=packed,
            table=names.detour_table(server, detour.subnet),
            protocol=names.PROTOCOL,
        )
        for family, packed in _meetings(server, detour.subnet, detour.addresses)
    ]


# The peer


def lead(
    server: str, subnet: str, addresses: Sequence[Address], detours: Sequence[str], ports: Sequence[str]
) -> list[str]:
    """Route a server's addresses to the node that it is on; return the detours its replies may come by.

    `ports` are those of the subnet, which packets may go to and come from.
    Failure if the server answers for all its addresses on no detour.
    """
    from vsctl.agents import background, forwarding

    netlink = Netlink()
    way = _way(netlink, server, addresses, detours)
    links = _present(netlink, detours)
    inward = [link.name for link in links]
    record = announce.Record(server, subnet)
    record.write(
        record.ports,  # those of the subnet are made ready by who announces on them
        announce.merged(record.addresses, map(str, addresses)),
        record.gateways,
        announce.merged(record.inward, inward),
        record.vias,
    )
    forwarding.open_ports(_holder(server, subnet), inward)
    forwarding.relay(_holder(server, subnet), addresses, inward, ports)
    for route in _to(way, addresses):
        rtnetlink.add_route(netlink, route)
    meetings = _meetings(server, subnet, addresses)
    for family, packed in meetings:
        if family == AF_INET:
            # The kernel answers ARP only for what is routed to another interface than the asking one.
            rtnetlink.add_route(netlink, _aside(packed))
        for link in links:
            rtnetlink.add_proxy(netlink, link.index, family, packed)
    for link in links:
        announce.tell(link, meetings, background.repeat)
    return inward


def follow(server: str, addresses: Sequence[Address], detours: Sequence[str]) -> None:
    """Route the addresses by the first detour on which the server answers for all of them, or fail."""
    netlink = Netlink()
    _go_by(netlink, server, _way(netlink, server, addresses, detours), addresses, detours)


def _go_by(
    netlink: Netlink, server: str, way: Link, addresses: Sequence[Address], inward: Sequence[str]
) -> None:
    """Route the addresses by a detour; routers that are told of them are told by which."""
    from vsctl.agents import hostroute

    for route in _to(way, addresses):
        rtnetlink.add_route(netlink, route)
    if told := hostroute.told(netlink, addresses):
        hostroute.announce(netlink, server, told, inward)


def _way(netlink: Netlink, server: str, addresses: Sequence[Address], detours: Sequence[str]) -> Link:
    links = _usable(netlink, detours)
    asked = [(each.family, each.packed) for each in addresses]
    way = _answering(netlink, links, asked, PATIENCE)
    if way is None:
        ports = " or ".join(link.name for link in links)
        raise Failure(
            f"{server} is not on this node, and it does not answer on {ports}"
            if ports
            else f"{server} is not on this node, and no port to another subnet has a carrier"
        )
    return way


def leads(
    netlink: Netlink, server: str, subnet: str, addresses: Sequence[Address], inward: Sequence[str]
) -> str | None:
    """Say in a sentence what keeps a server on another node and this one apart, None if nothing does."""
    links = _present(netlink, inward)
    answering = rtnetlink.proxies(netlink)
    for _, packed in _meetings(server, subnet, addresses):
        for link in links:
            if (link.index, packed) not in answering:
                return f"{server} does not find this node on {link.name}"
    routes = [
        route
        for link in links
        for family in sorted({each.family for each in addresses})
        for route in rtnetlink.routes(netlink, family, rtnetlink.MAIN, link.index)
    ]
    for address in addresses:
        if not any(each.destination == address.packed and each.prefix == address.bits for each in routes):
            return f"no route leads to {address.ip} on its node"
    return None


def linger(server: str, subnet: str) -> None:
    """Cease to announce, but go on routing for a moment: nothing is lost until clients have heard."""
    with announce.locked(server, subnet):
        announce.Record(server, subnet).rename(announce.LINGERING)
    fade(server, subnet)


def fade(server: str, subnet: str) -> None:
    """See that what lingers is announced no more, and ends in a moment; who began that may have been killed."""
    from vsctl.agents import background, hostroute
    from vsctl.agents.addresses import parse

    with announce.locked(server, subnet):
        record = announce.Record(server, subnet, announce.LINGERING)
        announce.withdraw_proxies(Netlink(), record, (), ())
        hostroute.withdraw(Netlink(), map(parse, record.addresses))

    def finish() -> bool:
        end(server, subnet)
        return False

    background.repeat((LINGER,), finish)


def end(server: str, subnet: str) -> None:
    """Undo what `lead` did and what lingers of it."""
    if not announce.Record(server, subnet, announce.LINGERING):
        return
    with announce.locked(server, subnet) as lock:
        if record := announce.Record(
            server, subnet, announce.LINGERING
        ):  # who had the lock may have ended it
            announce.undo(server, subnet, record)
        if not announce.Record(server, subnet):
            lock.forget()


def undo(netlink: Netlink, server: str, subnet: str, record: Record) -> None:
    """Take back the routes to a server on another node."""
    from vsctl.agents import forwarding
    from vsctl.agents.addresses import parse

    addresses = [parse(each) for each in record.addresses]
    meetings = _meetings(server, subnet, addresses)
    for link in _present(netlink, record.inward):
        for family, packed in meetings:
            rtnetlink.remove_proxy(netlink, link.index, family, packed)
        for route in _to(link, addresses):
            rtnetlink.remove_route(netlink, route)
    for family, packed in meetings:
        if family == AF_INET:
            rtnetlink.remove_route(netlink, _aside(packed))
    forwarding.end_relay(_holder(server, subnet))
    forwarding.close_ports(_holder(server, subnet), record.inward)


def _to(way: Link, addresses: Iterable[Address]) -> list[Route]:
    return [
        Route(each.family, way.index, each.packed, each.bits, protocol=names.PROTOCOL) for each in addresses
    ]


def _aside(packed: bytes) -> Route:
    return Route(AF_INET, rtnetlink.LOOPBACK, packed, 32, protocol=names.PROTOCOL)


# Who routes?


def port_to_peer(netlink: Netlink, server: str, detour: Detour, again: bool) -> tuple[str, bytes] | None:
    """Return on which port which peer that routes to a server here has answered (its hardware), None if nobody has.

    Nobody is waited for: who has not answered is asked now, with `again` who
    has, too, and the next call knows.
    """
    return _heard(netlink, detour.ports, _meetings(server, detour.subnet, detour.addresses), again)


def port_to_server(
    netlink: Netlink, addresses: Sequence[Address], detours: Sequence[str], again: bool
) -> tuple[str, bytes] | None:
    """Return on which port a server that is elsewhere has answered for all these addresses, in the same way."""
    return _heard(netlink, detours, [(each.family, each.packed) for each in addresses], again)


def route_by(server: str, subnet: str, port: str) -> None:
    """Route what this node announces of a server elsewhere by a port; BlockingIOError as for `announce.move`."""
    from vsctl.agents.addresses import parse

    if not announce.Record(server, subnet):
        return
    with announce.locked(server, subnet, wait=False):
        netlink = Netlink()
        record = announce.Record(server, subnet)
        link = rtnetlink.link(netlink, port)
        if record.inward and link is not None:
            addresses = [parse(each) for each in record.addresses]
            _go_by(netlink, server, link, addresses, record.inward)


def _heard(
    netlink: Netlink, ports: Iterable[str], asked: Sequence[tuple[int, bytes]], again: bool
) -> tuple[str, bytes] | None:
    there = rtnetlink.reachable(netlink)
    found = None
    for link in _usable(netlink, ports):
        if found is None and asked and all((link.index, packed) in there for _, packed in asked):
            found = link.name, there[link.index, asked[0][1]]
        for family, packed in asked:
            if again or (link.index, packed) not in there:
                rtnetlink.recheck_neighbour(netlink, link.index, family, packed)
    return found


# Both


def _meetings(server: str, subnet: str, addresses: Iterable[Address]) -> list[tuple[int, bytes]]:
    """Return the meeting address of each family of the addresses."""
    families = sorted({each.family for each in addresses})
    return [(family, names.meeting(server, subnet, family)) for family in families]


def _answering(
    netlink: Netlink, links: Sequence[Link], asked: Sequence[tuple[int, bytes]], patience: float
) -> Link | None:
    """Return the first port on which somebody answers for everything that is asked for, the kernel's way."""
    import time

    def confirmed() -> Link | None:
        there = rtnetlink.reachable(netlink)
        return next(
            (link for link in links if all((link.index, packed) in there for _, packed in asked)), None
        )

    found = confirmed()
    if found is None:
        for link in links:
            for family, packed in asked:
                rtnetlink.remove_neighbour(netlink, link.index, family, packed)
                rtnetlink.ask_neighbour(netlink, link.index, family, packed)
        deadline = time.monotonic() + patience
        while (found := confirmed()) is None and time.monotonic() < deadline:
            time.sleep(0.002)
    return found


def _present(netlink: Netlink, ports: Iterable[str]) -> list[Link]:
    found = (rtnetlink.link(netlink, each) for each in ports)
    return [link for link in found if link is not None]


def _usable(netlink: Netlink, ports: Iterable[str]) -> list[Link]:
    return resident.usable(_present(netlink, ports))


def _clear(netlink: Netlink, table: int) -> None:
    for family in rtnetlink.FAMILIES:
        for rule in rtnetlink.rules(netlink, family, names.PROTOCOL):
            if rule.table == table:
                rtnetlink.remove_rule(netlink, rule)
        for route in rtnetlink.routes(netlink, family, table):
            rtnetlink.remove_route(netlink, route)


def _holder(server: str, subnet: str) -> str:
    """Under this name the settings of detours are held; the announcement itself holds its own."""
    return f"{server}/{subnet}/detour"
