"""How do routers learn that a server's addresses are behind a port on another subnet?

Where no port of their own subnet is good, an announcement is a route to each
address in a table of the kernel that nothing looks into but BIRD (`bird`),
which tells the routers of the other subnets. The route leads to the server: if
its interface goes, so does the route, and the routers hear of that too.
"""

from __future__ import annotations

from vsctl.agents import names, rtnetlink
from vsctl.agents.addresses import parse, several
from vsctl.agents.rtnetlink import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vsctl.agents.addresses import Address
    from vsctl.agents.netlink import Netlink
    from vsctl.agents.rtnetlink import Link


class Via:
    """A port of this node on another subnet with routers, and that subnet's gateways: replies leave by them."""

    __slots__ = ("gateways", "port")

    def __init__(self, port: str, gateways: Sequence[Address]) -> None:
        self.port = port
        self.gateways = gateways

    def __str__(self) -> str:
        return f"{self.port}={','.join(each.ip for each in self.gateways)}"


def via(text: str) -> Via:
    """Read what `str` of one says: `e1a=198.51.100.1,2001:db8:b::1`."""
    port, _, gateways = text.partition("=")
    return Via(port, [parse(each) for each in gateways.split(",") if each])


def by_node(text: str) -> dict[str, tuple[Via, ...]]:
    """Read `lan-b 198.51.100.1 n1=e1a n2=e1a;lan-c …`: of each subnet its gateways and each node's ports."""
    found: dict[str, tuple[Via, ...]] = {}
    for section in text.split(";"):
        subnet, *words = section.split() or [""]
        if not subnet:
            continue
        names.known(subnet)
        gateways = several(" ".join(each for each in words if "=" not in each))
        for each in words:
            name, equals, ports = each.partition("=")
            if equals and not (name and all(ports.split(","))):
                raise ValueError(f"{each} is not of the form node=port,port")
            if equals:
                vias = tuple(Via(port, gateways) for port in ports.split(","))
                found[name] = (*found.get(name, ()), *vias)
    return found


def announce(netlink: Netlink, server: str, addresses: Sequence[Address], inward: Sequence[str]) -> None:
    """Let routers be told of a server's addresses, and of how it is reached from here."""
    link = _towards(netlink, server, addresses, inward)
    for route in _routes(link, addresses) if link else ():
        rtnetlink.add_route(netlink, route)


def withdraw(netlink: Netlink, addresses: Iterable[Address], kept: Iterable[Address] = ()) -> None:
    """Let routers be told no more of these addresses, but for those kept."""
    gone = {each.packed for each in addresses} - {each.packed for each in kept}
    for family in rtnetlink.FAMILIES:
        for route in rtnetlink.routes(netlink, family, names.HOSTS):
            if route.destination in gone:
                rtnetlink.remove_route(netlink, route)


def told(netlink: Netlink, addresses: Sequence[Address]) -> list[Address]:
    """Return those of the addresses that routers are told of."""
    there = {
        route.destination
        for family in {each.family for each in addresses}
        for route in rtnetlink.routes(netlink, family, names.HOSTS)
    }
    return [each for each in addresses if each.packed in there]


def port_of(netlink: Netlink, server: str, subnet: str, addresses: Sequence[Address]) -> str | None:
    """Return the port by which replies leave if any of the addresses is announced by host route."""
    if not told(netlink, addresses):
        return None
    table = names.table(server, subnet)
    indexes = {
        route.link for family in rtnetlink.FAMILIES for route in rtnetlink.routes(netlink, family, table)
    }
    return next((link.name for link in rtnetlink.links(netlink) if link.index in indexes), None)


def _towards(
    netlink: Netlink, server: str, addresses: Sequence[Address], inward: Sequence[str]
) -> Link | None:
    """Return the interface by which the node reaches the server: its own, or that of the way to another node."""
    if not inward:
        return rtnetlink.link(netlink, names.interface(server))
    wanted = {each.packed for each in addresses}
    for port in inward:
        link = rtnetlink.link(netlink, port)
        if link is not None and any(
            route.destination in wanted
            for family in rtnetlink.FAMILIES
            for route in rtnetlink.routes(netlink, family, rtnetlink.MAIN, link.index)
        ):
            return link
    return None


def _routes(link: Link, addresses: Sequence[Address]) -> list[Route]:
    return [
        Route(each.family, link.index, each.packed, each.bits, table=names.HOSTS, protocol=names.PROTOCOL)
        for each in addresses
    ]
