"""How much goes through each port, and to and from each address announced here?

The kernel counts: bytes of every interface (`struct rtnl_link_stats64` in
<linux/if_link.h>), and in the table `inet vsctl` bytes of every address that
this node forwards for (the elements of its sets, <linux/netfilter/nf_tables.h>).
Rates are bits a second, in both directions together, over the last minute.
"""

from __future__ import annotations

from _struct import calcsize, pack, unpack_from
from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from vsctl.agents import forwarding
from vsctl.agents.netlink import F_DUMP, NETFILTER, Netlink, attribute, attributes

WINDOW = 60.0
"""Seconds over which a rate is the mean."""
SETS = (("ipv4", 4), ("ipv6", 16), ("relayed4", 4), ("relayed6", 16))
"""The sets of `forwarding` whose elements count, and the length of the address at the end of their keys."""
USUAL = 10_000_000_000
"""The speed of a port that does not tell its own, as virtual ones do."""

_GETLINK = 18
_IFLA_IFNAME, _IFLA_STATS64 = 3, 23
_link = "=BxHiII"
_stats = "=QQQQ"  # packets received and sent, bytes received and sent

_GETSETELEM = 10 << 8 | 13
_INET = 1
_ELEM_LIST_TABLE, _ELEM_LIST_SET, _ELEM_LIST_ELEMENTS = 1, 2, 3
_ELEM_KEY, _ELEM_EXPR = 1, 7
_DATA_VALUE = 1
_EXPR_DATA = 2
_COUNTER_BYTES = 1


class Meter:
    """Turns what has been counted at some times into rates."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def take(self, counted: Mapping[str, int], now: float) -> None:
        """Note how much has been counted by now. What has become less was counted anew."""
        for gone in set(self._seen) - set(counted):
            del self._seen[gone]
        for name, value in counted.items():
            seen = self._seen.setdefault(name, deque())
            if seen and value < seen[-1][1]:
                seen.clear()
            seen.append((now, value))
            while now - seen[0][0] > WINDOW and len(seen) > 2:
                seen.popleft()

    def rates(self) -> dict[str, float]:
        """Return bits a second by name; 0 for what was seen once only."""
        return {name: _rate(*seen[0], *seen[-1]) for name, seen in self._seen.items()}


def _rate(since: float, before: int, until: float, after: int) -> float:
    return 8 * (after - before) / (until - since) if until > since else 0.0


def of_port(netlink: Netlink, index: int) -> int:
    """Return how many bytes have gone through an interface, by its index."""
    (body,) = netlink.ask(_GETLINK, pack(_link, 0, 0, index, 0, 0))
    _, _, received, sent = unpack_from(_stats, attributes(body, calcsize(_link))[_IFLA_STATS64])
    return int(received + sent)


def of_interfaces(netlink: Netlink) -> dict[str, tuple[int, int]]:
    """Return for each interface of the node its index, and how many bytes have gone through it."""
    found = {}
    for body in netlink.listed(_GETLINK, pack(_link, 0, 0, 0, 0, 0)):
        _, _, index, _, _ = unpack_from(_link, body)
        about = attributes(body, calcsize(_link))
        _, _, received, sent = unpack_from(_stats, about[_IFLA_STATS64])
        found[about[_IFLA_IFNAME].rstrip(b"\0").decode()] = (int(index), int(received + sent))
    return found


def speed(port: str) -> int:
    """Return the speed of a port in bits a second."""
    try:
        with open(f"/sys/class/net/{port}/speed") as file:
            megabits = int(file.read())
    except (OSError, ValueError):
        return USUAL
    return megabits * 1_000_000 if megabits > 0 else USUAL


def of_addresses() -> dict[bytes, int]:
    """Return how many bytes this node has forwarded to and from each address of a server."""
    netlink = Netlink(NETFILTER)
    found: dict[bytes, int] = {}
    for name, length in SETS:
        for key, counted in _elements(netlink, forwarding.TABLE, name):
            address = key[-length:]
            found[address] = found.get(address, 0) + counted
    return found


def _elements(netlink: Netlink, table: str, name: str) -> Iterator[tuple[bytes, int]]:
    """Yield the key of each element of a set, and the bytes it has counted."""
    body = pack("=BBH", _INET, 0, 0) + attribute(_ELEM_LIST_TABLE, table) + attribute(_ELEM_LIST_SET, name)
    try:
        answers = netlink.ask(_GETSETELEM, body, F_DUMP)
    except FileNotFoundError:  # nothing is forwarded
        return
    for answer in answers:
        for element in _listed(attributes(answer, 4).get(_ELEM_LIST_ELEMENTS, b"")):
            about = attributes(element)
            counter = attributes(attributes(about.get(_ELEM_EXPR, b"")).get(_EXPR_DATA, b""))
            key = attributes(about[_ELEM_KEY])[_DATA_VALUE]
            yield key, int.from_bytes(counter.get(_COUNTER_BYTES, b""), "big")


def _listed(data: bytes) -> Iterable[bytes]:
    """Yield the payloads of a list, whose attributes are all of one kind."""
    offset = 0
    while offset + 4 <= len(data):
        (length,) = unpack_from("=H", data, offset)
        yield data[offset + 4 : offset + length]
        offset += max(4, length + 3 & ~3)
