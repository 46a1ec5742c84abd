"""How does one talk to the kernel's netlink families without a process or a library?

Messages and attributes as in netlink(7) and <linux/netlink.h>: a message is
`struct nlmsghdr` and a body, an attribute `struct nlattr` and a payload, each
padded to four bytes. What the bodies mean is said in `rtnetlink` and `nftables`.
"""

from __future__ import annotations

from _socket import AF_NETLINK, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW, SOL_SOCKET, socket
from _struct import Struct, pack

from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUTE = 0
SOCK_DIAG = 4
NETFILTER = 12

F_REQUEST = 0x001
F_ACK = 0x004
F_REPLACE = 0x100
F_EXCL = 0x200
F_CREATE = 0x400
F_APPEND = 0x800
F_DUMP = 0x300

_BATCH_BEGIN, _BATCH_END = 16, 17  # NFNL_MSG_BATCH_...

_NOOP = 1
_ERROR = 2
_DONE = 3
_F_DUMP_INTR = 0x10
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

_LONGEST = 1 << 16
"""The kernel lists 32 KiB at a time; of what is longer than 128 KiB every answer costs a mapping."""

RETRIES = 10


class Interrupted(OSError):  # noqa: N818 - asked again, not reported
    """What was listed changed while it was listed."""


class Netlink:
    """A socket of one netlink family, in the network namespace where it was opened."""

    def __init__(self, family: int = ROUTE) -> None:
        self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family)
        self._socket.bind((0, 0))
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

    def transact(self, subsystem: int, requests: Sequence[tuple[int, bytes, int]]) -> None:
        """Let a subsystem of netfilter do all requests (type, body, flags) or none of them.

        Raises OSError for the first that it refuses.
        """
        former = self._sequence  # of a transaction that was refused before there may be answers left
        frame = pack("=BB", 0, 0) + subsystem.to_bytes(2, "big")  # struct nfgenmsg
        data = self._request(_BATCH_BEGIN, frame, F_REQUEST)
        for kind, body, flags in requests[:-1]:
            data += self._request(kind, body, F_REQUEST | flags)
        kind, body, flags = requests[-1]
        data += self._request(kind, body, F_REQUEST | F_ACK | flags)
        last = self._sequence
        self._socket.send(data + self._request(_BATCH_END, frame, F_REQUEST))
        for what, marks, sequence, payload in self._answers():
            if what == _ERROR and sequence > former:
                _check(payload, what, marks)
                if sequence == last:
                    return

    def _ask(self, kind: int, body: bytes, flags: int) -> list[bytes]:
        wanted = F_REQUEST | flags if flags & F_DUMP == F_DUMP else F_REQUEST | F_ACK | flags
        self._socket.send(self._request(kind, body, wanted))
        answers: list[bytes] = []
        interrupted = False
        for what, marks, sequence, payload in self._answers():
            if sequence != self._sequence or what == _NOOP:
                continue
            interrupted = interrupted or bool(marks & _F_DUMP_INTR)
            if what in (_ERROR, _DONE):
                _check(payload, what, marks)
                break
            answers.append(payload)
        if interrupted:
            raise Interrupted("what netlink lists changed while it was listed")
        return answers

    def _request(self, kind: int, body: bytes, flags: int) -> bytes:
        self._sequence += 1
        # Padded, as what may follow in the same datagram begins at a multiple of four.
        return (
            _header.pack(_header.size + len(body), kind, flags, self._sequence, 0)
            + body
            + bytes(-len(body) % 4)
        )

    def _answers(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield type, flags, sequence number and body of whatever comes, for ever."""
        while True:
            data = self._socket.recv(_LONGEST)
            offset = 0
            while offset < len(data):
                length, what, marks, sequence, _ = _header.unpack_from(data, offset)
                yield what, marks, sequence, data[offset + _header.size : offset + length]
                offset += (length + 3) & ~3


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
