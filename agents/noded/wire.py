"""How is a host asked whether it is there, and how is its answer recognised?

ARP requests (RFC 826) for IPv4, neighbour solicitations (RFC 4861, 4.3) for
IPv6, by packet sockets: routes and packet filters have no say in it, and the
question leaves by the port it is meant for.
"""

from __future__ import annotations

import ctypes
from _socket import (
    AF_INET,
    AF_PACKET,
    SO_RCVBUF,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_RAW,
    SOL_SOCKET,
    socket,
)
from _struct import Struct, pack
from collections.abc import Sequence

from vsctl.agents.frames import checksum

ARP, IPV6 = 0x0806, 0x86DD
_EVERYBODY = b"\xff" * 6
_SO_ATTACH_FILTER = 26
_ICMPV6, _SOLICITATION, _ADVERTISEMENT = 58, 135, 136
_SOURCE_HARDWARE = 1
_HOP_LIMIT = 255
_arp = Struct("!6s6sHHHBBH6s4s6s4s")

_LOAD_BYTE, _LOAD_HALF, _EQUAL, _RETURN = 0x30, 0x28, 0x15, 0x06
_REPLIES = ((_LOAD_HALF, 0, 0, 20), (_EQUAL, 0, 1, 2), (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0))
_ADVERTISEMENTS = (
    (_LOAD_BYTE, 0, 0, 20),
    (_EQUAL, 0, 3, _ICMPV6),
    (_LOAD_BYTE, 0, 0, 54),
    (_EQUAL, 0, 1, _ADVERTISEMENT),
    (_RETURN, 0, 0, 0xFFFF),
    (_RETURN, 0, 0, 0),
)
_FILTERS = {ARP: _REPLIES, IPV6: _ADVERTISEMENTS}

Instruction = tuple[int, int, int, int]
"""Of a packet filter, `struct sock_filter`: code, how many to leave out if so and if not, value."""


def listen(port: str, kind: int) -> socket:
    """Open a socket that hears only answers on a port, and can send on it; `kind` is ARP or IPV6."""
    wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
    heed(wire, _FILTERS[kind])
    wire.setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 16)
    wire.bind((port, kind))
    return wire


def heed(wire: socket, program: Sequence[Instruction]) -> None:
    """Let a socket hear only what a packet filter passes."""
    text = b"".join(pack("=HBBI", *each) for each in program)
    held = ctypes.create_string_buffer(text, len(text))
    wire.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, pack("@HP", len(program), ctypes.addressof(held)))


def question(
    family: int, target: bytes, hardware: bytes, source: bytes | None, there: bytes | None
) -> bytes | None:
    """Return the frame that asks for an address, None if this port cannot ask.

    `hardware` and `source` are the port's own; without a source IPv4 asks as
    RFC 5227 does. `there` is where the address was last seen, None asks all.
    """
    if family == AF_INET:
        sender = source or bytes(4)
        return _arp.pack(
            there or _EVERYBODY, hardware, ARP, 1, 0x0800, 6, 4, 1, hardware, sender, bytes(6), target
        )
    if source is None:
        return None
    group = bytes.fromhex("ff0200000000000000000001ff") + target[13:]
    message = pack("!BBHI", _SOLICITATION, 0, 0, 0) + target + pack("!BB", _SOURCE_HARDWARE, 1) + hardware
    destination = target if there else group
    pseudo = source + destination + pack("!IxxxB", len(message), _ICMPV6)
    message = message[:2] + checksum(pseudo + message) + message[4:]
    ip = pack("!IHBB", 6 << 28, len(message), _ICMPV6, _HOP_LIMIT) + source + destination
    return (there or b"\x33\x33\xff" + target[13:]) + hardware + pack("!H", IPV6) + ip + message


def answer(frame: bytes) -> tuple[bytes, bytes] | None:
    """Return the address that answers and the hardware address it is at."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == ARP and len(frame) >= _arp.size:
        fields = _arp.unpack_from(frame)
        return fields[9], fields[1]
    if kind == IPV6 and len(frame) >= 78:
        return frame[62:78], frame[6:12]
    return None
