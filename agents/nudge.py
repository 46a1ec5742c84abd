"""How do both ends of a connection learn at once that the way between them is there again?

Who gets no acknowledgement asks again after pauses that double: when the way
is back the next question may be seconds off. The error "host unreachable" for
the segment that waits takes back one doubling, and has the segment sent if
that is due by then: it says that the network was in the way, not load (RFC
6069; Linux has it). It ends no connection (RFC 1122, 4.2.3.9), and other
systems make nothing of it.

The error quotes the segment: the first byte that has not been acknowledged.
Which that is a server's kernel tells when it gets a segment outside its window,
which it answers with an acknowledgement (RFC 9293, 3.10.7.4).
"""

from __future__ import annotations

from _socket import (
    AF_INET,
    AF_INET6,
    AF_PACKET,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_TCP,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_RAW,
    htons,
    inet_ntop,
    socket,
)
from _struct import Struct, pack

from vsctl.agents import connections, frames, names, namespaces, rtnetlink
from vsctl.agents.netlink import Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from vsctl.agents.connections import Connection

_ETH_P = {AF_INET: 0x0800, AF_INET6: 0x86DD}
_UNREACHABLE = {AF_INET: pack("!BB", 3, 1), AF_INET6: pack("!BB", 1, 0)}
"""Type and code: host unreachable; no route to destination (RFC 4443)."""
_ICMP = {AF_INET: IPPROTO_ICMP, AF_INET6: IPPROTO_ICMPV6}
_LENGTH = {AF_INET: 20, AF_INET6: 40}
"""Of an IP header; of IPv4's without options, as Linux sends TCP."""
_tcp = Struct("!HHII")  # ports, sequence number, acknowledgement
_HOPS = 64

AGAIN = (0.05, 0.1, 0.2, 0.4)
"""Pauses, in seconds, between the repetitions: each takes back a doubling, and the way may not be there yet."""

MOST = 2000
"""How many connections are told, at most: those first for which the server waits, which its kernel knows."""


class Waiting:
    """A connection, and for which byte each end waits: `heard` of the client's, `unheard` of the server's."""

    __slots__ = ("connection", "heard", "unheard")

    def __init__(self, connection: Connection, heard: int, unheard: int | None) -> None:
        self.connection = connection
        self.heard = heard
        self.unheard = unheard


def nudge(server: str, addresses: Collection[bytes]) -> None:
    """Have everything sent again at once that waits between clients and these addresses of a server here.

    From a process of its own: it takes most of a second.
    """
    from vsctl.agents import background

    try:
        background.leave(lambda: _nudge(server, addresses))
    except OSError:  # no process can be had: what waits asks again by itself, later
        pass


def _nudge(server: str, addresses: Collection[bytes]) -> None:
    import time

    with namespaces.inside(server):
        link = rtnetlink.link(Netlink(), names.INSIDE)
        known = [each for each in connections.listed(closely=True) if each.local in addresses]
        known = sorted(known, key=lambda each: not each.unacknowledged)[:MOST]
        clients = senders(each.local for each in known)
    if link is None:
        return
    door = Door(server, link.hardware)
    waiting = _ask(server, door, known)
    for pause in (0.0, *AGAIN):
        time.sleep(pause)
        for each in waiting:
            _tell(door, each, clients.get(each.connection.local))


class Door:
    """Where a server gets packets as if they came from outside."""

    def __init__(self, server: str, hardware: bytes) -> None:
        self._wire = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
        self._interface = names.interface(server)
        self._hardware = hardware

    def deliver(self, family: int, packet: bytes) -> None:
        try:
            self._wire.sendto(packet, (self._interface, _ETH_P[family], 0, 0, self._hardware))
        except OSError:  # the server is leaving
            pass


def senders(addresses: Iterable[bytes]) -> dict[bytes, socket]:
    """Return by address what sends errors from it: clients heed only the one they are connected to."""
    found = {}
    for address in set(addresses):
        family = AF_INET if len(address) == 4 else AF_INET6
        wire = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, _ICMP[family])
        try:
            wire.bind((inet_ntop(family, address), 0))
        except OSError:  # the server has just lost it
            wire.close()
        else:
            found[address] = wire
    return found


def _ask(server: str, door: Door, known: Sequence[Connection]) -> list[Waiting]:
    """Let the server's kernel say of each connection where it is; who says nothing is left out."""
    by_ends = {(each.local, each.local_port, each.remote, each.remote_port): each for each in known}
    found = []
    for family in rtnetlink.FAMILIES:
        ours = [each for each in known if each.family == family]
        said = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(_ETH_P[family]))
        said.bind((names.interface(server), _ETH_P[family]))
        for each in ours:
            segment = frames.stray(each.remote, each.remote_port, each.local, each.local_port)
            door.deliver(family, _packet(each.remote, each.local, IPPROTO_TCP, segment))
            found += _answers(said, family, by_ends)
        said.close()
    return found


def _answers(
    said: socket, family: int, by_ends: dict[tuple[bytes, int, bytes, int], Connection]
) -> list[Waiting]:
    """Read what a server has sent, and where the connections are by that; each is told of once."""
    found: list[Waiting] = []
    while True:
        try:
            packet = said.recv(128)
        except BlockingIOError:
            return found
        length = _LENGTH[family]
        protocol, source, target = (
            (packet[9], packet[12:16], packet[16:20])
            if family == AF_INET
            else (packet[6], packet[8:24], packet[24:40])
        )
        if protocol != IPPROTO_TCP or len(packet) < length + _tcp.size:
            continue
        local_port, remote_port, sequence, heard = _tcp.unpack_from(packet, length)
        connection = by_ends.pop((source, local_port, target, remote_port), None)
        if connection is not None:
            sent = connection.unacknowledged
            found.append(Waiting(connection, heard, (sequence - sent) % (1 << 32) if sent else None))


def _tell(door: Door, waiting: Waiting, client: socket | None) -> None:
    """Tell both ends that what they wait for could not be delivered."""
    each = waiting.connection
    quoted = _packet(
        each.remote,
        each.local,
        IPPROTO_TCP,
        _tcp.pack(each.remote_port, each.local_port, waiting.heard, 0),
    )
    try:
        if client:
            client.sendto(_error(each.family, quoted), (inet_ntop(each.family, each.remote), 0))
    except OSError:  # no way to this client now; the next round may find one
        pass
    if waiting.unheard is not None:
        quoted = _packet(
            each.local,
            each.remote,
            IPPROTO_TCP,
            _tcp.pack(each.local_port, each.remote_port, waiting.unheard, 0),
        )
        error = _error(each.family, quoted, (each.remote, each.local))
        packet = _packet(each.remote, each.local, _ICMP[each.family], error)
        door.deliver(each.family, packet)


def _error(family: int, quoted: bytes, ends: tuple[bytes, bytes] | None = None) -> bytes:
    """Return the error for a packet; of IPv6 with a checksum if it does not leave by a socket that makes it."""
    message = _UNREACHABLE[family] + bytes(6) + quoted
    pseudo = b""
    if family == AF_INET6:
        if ends is None:
            return message
        pseudo = ends[0] + ends[1] + pack("!IxxxB", len(message), IPPROTO_ICMPV6)
    return message[:2] + frames.checksum(pseudo + message) + message[4:]


def _packet(source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    """Return an IP packet."""
    if len(source) == 16:
        return pack("!IHBB", 6 << 28, len(payload), protocol, _HOPS) + source + target + payload
    head = pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, _HOPS, protocol, 0) + source + target
    return head[:10] + frames.checksum(head) + head[12:] + payload
