"""What are links, addresses, routes, rules and neighbours to the kernel?

Bodies and attributes as in rtnetlink(7), <linux/rtnetlink.h>, <linux/if_link.h>,
<linux/if_addr.h>, <linux/neighbour.h> and <linux/fib_rules.h>. A function that
adds replaces what is there, one that removes is content when nothing is: both
can be repeated after an interruption. `netlink` decides in which network
namespace they act.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6
from _struct import Struct, pack

from vsctl.agents.netlink import F_CREATE, F_EXCL, F_REPLACE, Events, Netlink, attribute, attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vsctl.agents.addresses import Address

FAMILIES = (AF_INET, AF_INET6)
LOOPBACK = 1
"""The index of `lo` in every network namespace."""
MAIN = 254
"""The number of the main routing table."""

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWNEIGH, _DELNEIGH, _GETNEIGH = 28, 29, 30
_NEWRULE, _DELRULE, _GETRULE = 32, 33, 34

_RTMGRP_LINK = 1

_IFF_UP = 0x1
_IFF_LOWER_UP = 0x10000
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_NET_NS_FD, _IFLA_LINK_NETNSID = 1, 3, 18, 28, 37
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1

_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_IFA_F_NODAD = 0x02
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_HOST = 0, 253, 254

_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_TABLE = 1, 4, 5, 7, 15
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_RTNH_F_ONLINK = 4

_NDA_DST, _NDA_LLADDR = 1, 2
_NTF_USE = 0x01
_NTF_PROXY = 0x08
_NUD_REACHABLE = 0x02
_NUD_PROBE = 0x10
_NUD_PERMANENT = 0x80

_FRA_SRC, _FRA_IIFNAME, _FRA_PRIORITY, _FRA_FWMARK, _FRA_TABLE, _FRA_PROTOCOL = 2, 3, 6, 10, 15, 21
_FR_ACT_TO_TBL = 1

_ENOENT, _ESRCH, _ENODEV, _EINVAL, _EADDRNOTAVAIL = 2, 3, 19, 22, 99  # `errno` would be one more import

_link = Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
_address = Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_route = Struct("=BBBBBBBBI")  # struct rtmsg: family, dst, src, tos, table, protocol, scope, type, flags
_neighbour = Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
_rule = Struct("=BBBBBBBBI")  # struct fib_rule_hdr: family, dst, src, tos, table, two reserved, action, flags
_index = Struct("=i")


class Link:
    """A network interface as the kernel describes it."""

    __slots__ = ("carrier", "hardware", "index", "name", "peer_namespace", "up")

    def __init__(self, body: bytes) -> None:
        _, _, self.index, flags, _ = _link.unpack_from(body)
        about = attributes(body, _link.size)
        self.name = about[_IFLA_IFNAME].rstrip(b"\0").decode()
        self.hardware = about.get(_IFLA_ADDRESS, b"")
        self.up = bool(flags & _IFF_UP)
        self.carrier = self.up and bool(flags & _IFF_LOWER_UP)
        peer = about.get(_IFLA_LINK_NETNSID)
        self.peer_namespace = _index.unpack(peer)[0] if peer else None


class Route:
    """One route: `destination` is None for a default route, `source` and `gateway` where it has none.

    What a `local` one leads to is delivered on this node, whoever's address it is.
    """

    __slots__ = ("destination", "family", "gateway", "link", "local", "prefix", "protocol", "source", "table")

    def __init__(
        self,
        family: int,
        link: int,
        destination: bytes | None = None,
        prefix: int = 0,
        *,
        gateway: bytes | None = None,
        source: bytes | None = None,
        table: int = MAIN,
        protocol: int = 0,
        local: bool = False,
    ) -> None:
        self.family = family
        self.link = link
        self.local = local
        self.destination = destination
        self.prefix = prefix
        self.gateway = gateway
        self.source = source
        self.table = table
        self.protocol = protocol

    def _key(self) -> tuple[object, ...]:
        return (self.family, self.link, self.destination, self.prefix, self.gateway, self.source, self.table)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Route) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Route{self._key()}"


class Rule:
    """Packets from one address, or with a mark, that arrive by one interface look into a table."""

    __slots__ = ("family", "interface", "mark", "priority", "protocol", "source", "table")

    def __init__(
        self,
        family: int,
        source: bytes | None,
        interface: str,
        table: int,
        priority: int,
        protocol: int,
        mark: int = 0,
    ) -> None:
        self.family = family
        self.source = source
        self.interface = interface
        self.table = table
        self.priority = priority
        self.protocol = protocol
        self.mark = mark

    def _key(self) -> tuple[object, ...]:
        return (self.family, self.source, self.interface, self.table, self.priority, self.protocol, self.mark)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Rule{self._key()}"


def link(netlink: Netlink, name: str) -> Link | None:
    try:
        (body,) = netlink.ask(_GETLINK, _link.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, name))
    except OSError as problem:
        if problem.errno == _ENODEV:
            return None
        raise
    return Link(body)


def links(netlink: Netlink) -> list[Link]:
    return [Link(body) for body in netlink.listed(_GETLINK, _link.pack(0, 0, 0, 0, 0))]


def link_events() -> Events:
    """Return a socket that hears of every change of an interface of this network namespace."""
    return Events(_RTMGRP_LINK)


def changed_link(kind: int, body: bytes) -> tuple[Link, bool] | None:
    """Return the interface that an event is about, and whether it is there still; None for other events.

    Bridges tell of their members in messages of a family of their own.
    """
    if kind not in (_NEWLINK, _DELLINK) or body[0] != 0:
        return None
    return Link(body), kind == _NEWLINK


def add_veth(
    netlink: Netlink, name: str, hardware: bytes, peer: str, peer_hardware: bytes, there: int
) -> None:
    """Make a veth pair whose second side is in the network namespace behind the file `there`."""
    second = (
        _link.pack(0, 0, 0, 0, 0)
        + attribute(_IFLA_IFNAME, peer)
        + attribute(_IFLA_ADDRESS, peer_hardware)
        + attribute(_IFLA_NET_NS_FD, there)
    )
    kind = attribute(_INFO_KIND, b"veth") + attribute(_INFO_DATA, attribute(_VETH_PEER, second))
    body = (
        _link.pack(0, 0, 0, 0, 0)
        + attribute(_IFLA_IFNAME, name)
        + attribute(_IFLA_ADDRESS, hardware)
        + attribute(_IFLA_LINKINFO, kind)
    )
    netlink.ask(_NEWLINK, body, F_CREATE | F_EXCL)


def bring_up(netlink: Netlink, index: int) -> None:
    netlink.ask(_NEWLINK, _link.pack(0, 0, index, _IFF_UP, _IFF_UP))


def remove_link(netlink: Netlink, name: str) -> None:
    _remove(netlink, _DELLINK, _link.pack(0, 0, 0, 0, 0) + attribute(_IFLA_IFNAME, name))


def addresses(netlink: Netlink, index: int) -> dict[bytes, int]:
    """Return the global addresses of an interface, as on the wire, with their prefix lengths."""
    return _addresses(netlink, index, _SCOPE_UNIVERSE)


def link_local(netlink: Netlink, index: int) -> bytes | None:
    """Return the IPv6 address that an interface has for its own link."""
    return next((each for each in _addresses(netlink, index, _SCOPE_LINK) if len(each) == 16), None)


def _addresses(netlink: Netlink, index: int, wanted: int) -> dict[bytes, int]:
    found = {}
    for body in netlink.listed(_GETADDR, _address.pack(0, 0, 0, 0, index)):
        _, prefix, _, scope, _ = _address.unpack_from(body)
        about = attributes(body, _address.size)
        if scope == wanted:
            found[about.get(_IFA_LOCAL) or about[_IFA_ADDRESS]] = prefix
    return found


def add_address(netlink: Netlink, index: int, address: Address) -> None:
    """Put an address on an interface as a host's own, ready at once (no duplicate address detection)."""
    body = (
        _address.pack(address.family, address.bits, 0, _SCOPE_UNIVERSE, index)
        + attribute(_IFA_LOCAL, address.packed)
        + attribute(_IFA_ADDRESS, address.packed)
        + attribute(_IFA_FLAGS, _IFA_F_NODAD)
    )
    netlink.ask(_NEWADDR, body, F_CREATE | F_REPLACE)


def remove_address(netlink: Netlink, index: int, family: int, packed: bytes) -> None:
    body = _address.pack(family, 8 * len(packed), 0, 0, index) + attribute(_IFA_LOCAL, packed)
    _remove(netlink, _DELADDR, body, _EADDRNOTAVAIL)


def routes(netlink: Netlink, family: int, table: int, index: int = 0) -> list[Route]:
    """Return the unicast routes of a table, only those by one interface if `index` says which."""
    asked = _route.pack(family, 0, 0, 0, 0, 0, 0, _RTN_UNICAST, 0) + attribute(_RTA_TABLE, table)
    if index:
        asked += attribute(_RTA_OIF, index)
    try:
        bodies = netlink.listed(_GETROUTE, asked)
    except OSError as problem:
        if problem.errno == _ENOENT:  # nobody has ever used this table
            return []
        raise
    return [_read_route(body) for body in bodies]


def _read_route(body: bytes) -> Route:
    family, prefix, _, _, _, protocol, _, _, _ = _route.unpack_from(body)
    about = attributes(body, _route.size)
    return Route(
        family,
        _index.unpack(about[_RTA_OIF])[0] if _RTA_OIF in about else 0,
        about.get(_RTA_DST),
        prefix,
        gateway=about.get(_RTA_GATEWAY),
        source=about.get(_RTA_PREFSRC),
        table=int.from_bytes(about[_RTA_TABLE], "little"),
        protocol=protocol,
    )


def add_route(netlink: Netlink, route: Route) -> None:
    netlink.ask(_NEWROUTE, _write_route(route), F_CREATE | F_REPLACE)


def remove_route(netlink: Netlink, route: Route) -> None:
    _remove(netlink, _DELROUTE, _write_route(route), _ESRCH)


def _write_route(route: Route) -> bytes:
    scope = _SCOPE_LINK if route.gateway is None and route.family == AF_INET else _SCOPE_UNIVERSE
    if route.local:
        scope = _SCOPE_HOST
    body = _route.pack(
        route.family,
        route.prefix,
        0,
        0,
        0,
        route.protocol,
        scope,
        _RTN_LOCAL if route.local else _RTN_UNICAST,
        _RTNH_F_ONLINK if route.gateway else 0,
    )
    body += attribute(_RTA_TABLE, route.table) + attribute(_RTA_OIF, route.link)
    if route.destination is not None:
        body += attribute(_RTA_DST, route.destination)
    if route.gateway is not None:
        body += attribute(_RTA_GATEWAY, route.gateway)
    if route.source is not None:
        body += attribute(_RTA_PREFSRC, route.source)
    return body


def rules(netlink: Netlink, family: int, protocol: int) -> list[Rule]:
    """Return the rules made by one protocol number."""
    found = []
    for body in netlink.listed(_GETRULE, _rule.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
        about = attributes(body, _rule.size)
        made_by = about.get(_FRA_PROTOCOL, b"\0")[0]
        if made_by == protocol:
            found.append(
                Rule(
                    family,
                    about.get(_FRA_SRC),
                    about.get(_FRA_IIFNAME, b"").rstrip(b"\0").decode(),
                    int.from_bytes(about.get(_FRA_TABLE, b""), "little"),
                    int.from_bytes(about.get(_FRA_PRIORITY, b""), "little"),
                    made_by,
                    int.from_bytes(about.get(_FRA_FWMARK, b""), "little"),
                )
            )
    return found


def add_rule(netlink: Netlink, rule: Rule) -> None:
    """Add a rule; the kernel itself keeps several alike, and is asked not to."""
    try:
        netlink.ask(_NEWRULE, _write_rule(rule), F_CREATE | F_EXCL)
    except FileExistsError:
        pass


def remove_rule(netlink: Netlink, rule: Rule) -> None:
    _remove(netlink, _DELRULE, _write_rule(rule), _ENOENT)


def _write_rule(rule: Rule) -> bytes:
    source = rule.source or b""
    return (
        _rule.pack(rule.family, 0, 8 * len(source), 0, 0, 0, 0, _FR_ACT_TO_TBL, 0)
        + (attribute(_FRA_SRC, source) if source else b"")
        + attribute(_FRA_IIFNAME, rule.interface)
        + attribute(_FRA_PRIORITY, rule.priority)
        + (attribute(_FRA_FWMARK, rule.mark) if rule.mark else b"")
        + attribute(_FRA_TABLE, rule.table)
        + attribute(_FRA_PROTOCOL, pack("=B", rule.protocol))
    )


def set_neighbour(netlink: Netlink, index: int, family: int, packed: bytes, hardware: bytes) -> None:
    """Tell the kernel for good which hardware address is behind a neighbour's address."""
    body = (
        _neighbour.pack(family, index, _NUD_PERMANENT, 0, 0)
        + attribute(_NDA_DST, packed)
        + attribute(_NDA_LLADDR, hardware)
    )
    netlink.ask(_NEWNEIGH, body, F_CREATE | F_REPLACE)


def remove_neighbour(netlink: Netlink, index: int, family: int, packed: bytes) -> None:
    body = _neighbour.pack(family, index, 0, 0, 0) + attribute(_NDA_DST, packed)
    _remove(netlink, _DELNEIGH, body, _ENOENT)


def ask_neighbour(netlink: Netlink, index: int, family: int, packed: bytes) -> None:
    """Make the kernel find out who answers for an address, as if there were a packet for it."""
    body = _neighbour.pack(family, index, 0, _NTF_USE, 0) + attribute(_NDA_DST, packed)
    netlink.ask(_NEWNEIGH, body, F_CREATE)


def recheck_neighbour(netlink: Netlink, index: int, family: int, packed: bytes) -> None:
    """Ask a neighbour that is known whether it is still there, and find one that is not.

    Packets go to a known one all the same, until it has not answered for some
    seconds. An IPv6 neighbour is forgotten first and packets wait for the answer:
    a proxy answers no solicitation to a single host (ip6_forward_proxy_check).
    """
    if family == AF_INET6:
        remove_neighbour(netlink, index, family, packed)
        ask_neighbour(netlink, index, family, packed)
        return
    body = _neighbour.pack(family, index, _NUD_PROBE, 0, 0) + attribute(_NDA_DST, packed)
    try:
        netlink.ask(_NEWNEIGH, body, F_REPLACE)
    except OSError as problem:
        if problem.errno not in (_ENOENT, _EINVAL):  # nobody of that address, or nobody has answered yet
            raise
        ask_neighbour(netlink, index, family, packed)


def reachable(netlink: Netlink) -> dict[tuple[int, bytes], bytes]:
    """Return for which address somebody has answered lately behind which interface (by index), and who (hardware)."""
    found = {}
    for body in netlink.listed(_GETNEIGH, _neighbour.pack(0, 0, 0, 0, 0)):
        _, index, state, _, _ = _neighbour.unpack_from(body)
        if state & _NUD_REACHABLE:
            about = attributes(body, _neighbour.size)
            found[index, about[_NDA_DST]] = about.get(_NDA_LLADDR, b"")
    return found


def add_proxy(netlink: Netlink, index: int, family: int, packed: bytes) -> None:
    """Let an interface answer for an address that is routed elsewhere (ARP or neighbour discovery)."""
    body = _neighbour.pack(family, index, 0, _NTF_PROXY, 0) + attribute(_NDA_DST, packed)
    netlink.ask(_NEWNEIGH, body, F_CREATE | F_REPLACE)


def remove_proxy(netlink: Netlink, index: int, family: int, packed: bytes) -> None:
    body = _neighbour.pack(family, index, 0, _NTF_PROXY, 0) + attribute(_NDA_DST, packed)
    _remove(netlink, _DELNEIGH, body, _ENOENT)


def proxies(netlink: Netlink) -> set[tuple[int, bytes]]:
    """Return which interface (by index) answers for which address."""
    return {
        (_neighbour.unpack_from(body)[1], attributes(body, _neighbour.size)[_NDA_DST])
        for body in netlink.listed(_GETNEIGH, _neighbour.pack(0, 0, 0, _NTF_PROXY, 0))
    }


def _remove(netlink: Netlink, kind: int, body: bytes, *gone: int) -> None:
    """Ask for a removal; the errors that say that it is gone already are none."""
    try:
        netlink.ask(kind, body)
    except OSError as problem:
        if problem.errno not in (*gone, _ENODEV):
            raise
