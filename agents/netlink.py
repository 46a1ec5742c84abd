"""How does one talk to the kernel's netlink families without a process or a library?

Messages and attributes as in netlink(7) and <linux/netlink.h>: a message is
`struct nlmsghdr` and a body, an attribute `struct nlattr` and a payload, each
padded to four bytes. What the bodies mean is said in `rtnetlink` and `nftables`.
"""

from __future__ import annotations

import os
from _socket import AF_NETLINK, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW, SOL_SOCKET, socket
from _struct import Struct, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTE = 0
SOCK_DIAG = 4
NETFILTER = 12

F_REQUEST = 0x001
F_ACK = 0x004
F_REPLACE = 0x100
F_EXCL = 0x200
F_CREATE = 0x400
F_DUMP = 0x300

_NOOP = 1
_ERROR = 2
_DONE = 3
_F_DUMP_INTR = 0x10
_F_CAPPED = 0x100
_F_ACK_TLVS = 0x200
_EXT_MESSAGE = 1  # NLMSGERR_ATTR_MSG

_SO_RCVBUF = 8
_SOL_NETLINK = 270
_CAP_ACK = 10
_EXT_ACK = 11
_GET_STRICT_CHK = 12

_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER

_header = Struct("=LHHLL")  # length, type, flags, sequence, port
_attribute = Struct("=HH")  # length, type
_number = Struct("=i")

RETRIES = 10


class Interrupted(OSError):  # noqa: N818 - asked again, not reported
    """What was listed changed while it was listed."""


class Netlink:
    """A socket of one netlink family, in the network namespace where it was opened."""

    def __init__(self, family: int = ROUTE) -> None:
        self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family)
        self._socket.bind((0, 0))
        self._socket.setsockopt(SOL_SOCKET, _SO_RCVBUF, 1 << 20)
        for option in (_CAP_ACK, _EXT_ACK, _GET_STRICT_CHK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._sequence = 0

    def ask(self, kind: int, body: bytes, flags: int = 0) -> list[bytes]:
        """Send one request and return the bodies of all answers to it.

        Raises OSError with the kernel's own words where it gives any.
        """
        for _ in range(RETRIES):
            try:
                return self._ask(kind, body, flags)
            except Interrupted:
                continue
        raise Interrupted(f"what netlink lists changed {RETRIES} times while it was listed")

    def listed(self, kind: int, body: bytes) -> list[bytes]:
        """Return all objects that match the body."""
        return self.ask(kind, body, F_DUMP)

    def _ask(self, kind: int, body: bytes, flags: int) -> list[bytes]:
        self._sequence += 1
        wanted = F_REQUEST | flags if flags & F_DUMP == F_DUMP else F_REQUEST | F_ACK | flags
        self._socket.send(_header.pack(_header.size + len(body), kind, wanted, self._sequence, 0) + body)
        answers: list[bytes] = []
        interrupted = False
        while True:
            data = self._socket.recv(1 << 18)
            offset = 0
            while offset < len(data):
                length, what, marks, sequence, _ = _header.unpack_from(data, offset)
                payload = data[offset + _header.size : offset + length]
                offset += (length + 3) & ~3
                if sequence != self._sequence or what == _NOOP:
                    continue
                interrupted = interrupted or bool(marks & _F_DUMP_INTR)
                if what in (_ERROR, _DONE):
                    _check(payload, what, marks)
                    if interrupted:
                        raise Interrupted("what netlink lists changed while it was listed")
                    return answers
                answers.append(payload)


class Events:
    """A socket that hears what the kernel tells of itself, by groups of rtnetlink(7) (RTMGRP_...)."""

    def __init__(self, groups: int) -> None:
        self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, ROUTE)
        self._socket.bind((0, groups))
        self._socket.setsockopt(SOL_SOCKET, _SO_RCVBUF, 1 << 20)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Yield type and body of everything that has come; OSError ENOBUFS if some of it was lost."""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            offset = 0
            while offset < len(data):
                length, what, _, _, _ = _header.unpack_from(data, offset)
                yield what, data[offset + _header.size : offset + length]
                offset += (length + 3) & ~3


def attribute(kind: int, payload: bytes | str | int) -> bytes:
    """Return one attribute; text is ended with a zero byte, a number is an unsigned 32-bit one."""
    if isinstance(payload, int):
        payload = pack("=L", payload)
    elif isinstance(payload, str):
        payload = payload.encode() + b"\0"
    return _attribute.pack(_attribute.size + len(payload), kind) + payload + bytes(-len(payload) % 4)


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return the attributes from an offset on, by their type."""
    return dict(_split(data, offset))


def _split(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + _attribute.size <= len(data):
        length, kind = _attribute.unpack_from(data, offset)
        if length < _attribute.size:
            return
        yield kind & _TYPE, data[offset + _attribute.size : offset + length]
        offset += (length + 3) & ~3


def _check(payload: bytes, what: int, marks: int) -> None:
    """Raise what an NLMSG_ERROR or NLMSG_DONE says went wrong.

    After the number follows, in an NLMSG_ERROR, the header of the request
    (capped, as asked for), then attributes.
    """
    if len(payload) < _number.size:
        return
    error = -_number.unpack_from(payload)[0]
    if error <= 0:
        return
    words = os.strerror(error)
    if marks & _F_ACK_TLVS:
        start = _number.size if what == _DONE else _number.size + _header.size
        said = attributes(payload, start).get(_EXT_MESSAGE)
        if said:
            words = f"{words} ({said.rstrip(bytes(1)).decode()})"
    raise OSError(error, words)
