"""How do neighbours learn, and dead connections end, without waiting?

Frames and packets made by hand: gratuitous ARP (RFC 826, RFC 5227), the
unsolicited neighbour advertisement (RFC 4861, 4.4), and the bare TCP
acknowledgement that makes a client find out (RFC 9293, 3.10.7.4).
"""

from __future__ import annotations

from _socket import (
    AF_INET,
    AF_INET6,
    AF_PACKET,
    IPPROTO_TCP,
    SOCK_CLOEXEC,
    SOCK_RAW,
    inet_ntop,
    socket,
)
from _struct import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ETH_P_IP, _ETH_P_ARP, _ETH_P_IPV6 = 0x0800, 0x0806, 0x86DD
_ARPHRD_ETHER = 1
_REQUEST, _REPLY = 1, 2
_EVERYBODY = b"\xff" * 6

_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_ALL_NODES_HARDWARE = bytes.fromhex("333300000001")
_ICMPV6 = 58
_NEIGHBOUR_ADVERTISEMENT = 136
_ROUTER, _OVERRIDE = 1 << 31, 1 << 29
_TARGET_HARDWARE = 2
_HOP_LIMIT = 255  # neighbours refuse anything else: it cannot have been routed

_TCP_ACK = 0x10


def announcement(family: int, packed: bytes, hardware: bytes) -> list[bytes]:
    """Return the Ethernet frames that tell a subnet's hosts where an address is now."""
    return _arp(packed, hardware) if family == AF_INET else [_advertisement(packed, hardware)]


class Wire:
    """Where whole Ethernet frames are put onto an interface.

    The last to close it waits some 10 ms for the kernel.
    """

    def __init__(self, interface: str) -> None:
        self._socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)
        self._socket.bind((interface, 0))

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self._socket.send(frame)


def _arp(packed: bytes, hardware: bytes) -> list[bytes]:
    """Request and reply: some hosts heed only the one, some only the other."""
    ethernet = _EVERYBODY + hardware + pack("!H", _ETH_P_ARP)
    return [
        ethernet
        + pack("!HHBBH", _ARPHRD_ETHER, _ETH_P_IP, 6, 4, operation)
        + hardware
        + packed
        + target
        + packed
        for operation, target in ((_REQUEST, bytes(6)), (_REPLY, hardware))
    ]


def _advertisement(packed: bytes, hardware: bytes) -> bytes:
    """The router flag is set as in the kernel's own answers: whoever answers for others forwards."""
    message = (
        pack("!BBHI", _NEIGHBOUR_ADVERTISEMENT, 0, 0, _ROUTER | _OVERRIDE)
        + packed
        + pack("!BB", _TARGET_HARDWARE, 1)
        + hardware
    )
    pseudo = packed + _ALL_NODES + pack("!IxxxB", len(message), _ICMPV6)
    message = message[:2] + checksum(pseudo + message) + message[4:]
    ip = pack("!IHBB", 6 << 28, len(message), _ICMPV6, _HOP_LIMIT) + packed + _ALL_NODES
    return _ALL_NODES_HARDWARE + hardware + pack("!H", _ETH_P_IPV6) + ip + message


def tickle(local: bytes, local_port: int, remote: bytes, remote_port: int) -> None:
    """Make a client find out that its connection is dead.

    A segment with sequence and acknowledgement 0 is outside every window, so the
    client answers with an acknowledgement of its own (RFC 9293: "if an incoming
    segment is not acceptable, an acknowledgment should be sent in reply"). That
    meets no connection here and is reset; the client connects anew at once.
    """
    family = AF_INET if len(local) == 4 else AF_INET6
    wire = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP)
    try:
        wire.bind((inet_ntop(family, local), 0))
        wire.sendto(stray(local, local_port, remote, remote_port), (inet_ntop(family, remote), 0))
    finally:
        wire.close()


def stray(local: bytes, local_port: int, remote: bytes, remote_port: int) -> bytes:
    """Return a TCP segment of a connection that is outside its window."""
    segment = pack("!HHIIBBHHH", local_port, remote_port, 0, 0, 5 << 4, _TCP_ACK, 0, 0, 0)
    pseudo = local + remote + pack("!IxxxB", len(segment), IPPROTO_TCP)
    return segment[:16] + checksum(pseudo + segment) + segment[18:]


def checksum(data: bytes) -> bytes:
    """Return the internet checksum (RFC 1071). The order of a pseudo header's fields does not change it."""
    data += bytes(len(data) % 2)
    total = sum(unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return pack("!H", ~total & 0xFFFF)
