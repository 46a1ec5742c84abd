"""Who has called while a way in was closed, and does not wait any longer when it opens?

A closed way drops attempts to connect in silence, and whoever makes one tries
again after a second, then after longer. So the last attempt of each client's
port is kept, as it went into the server, and when the way opens the same frame
goes in once more: the server's kernel answers as if it had just come, and the
client, which still waits for that answer, is connected (RFC 9293, 3.10.7.3; the
sequence number, and by RFC 7323 the time stamp, are those it expects).

It takes the way that every frame from outside takes, through the relay and the
gate: what is sent too early is dropped again. To a connection that is there
already it is an old duplicate, which the server's kernel acknowledges and does
nothing about (RFC 5961, 4.2); a client that has given up resets what it did not ask for.
"""

from __future__ import annotations

from _socket import AF_PACKET, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW, SOL_SOCKET, socket
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence

from vsctl.agents import gate, listeners, names, namespaces, nftables
from vsctl.agents.gate import Way
from vsctl.agents.noded import wire
from vsctl.agents.noded.loop import Loop, now

EVERY = 1.0
"""Seconds between two looks at what has come: a flood costs no more than reading MOST frames each time."""
MOST = 2000
"""How many attempts are kept for each way, the newest."""
PAUSE = 0.02
"""Seconds between the ends of two taps: the daemon stands still while the kernel ends one, and hears in between."""
PAST = 4.0
"""Seconds from its reading after which an attempt counts no more. Linux tries again after 1, 2 and 3, or 1 and 3."""

_SO_RCVBUFFORCE = 33
_ROOM = 1 << 20
"""Bytes of the kernel's memory, twice, for what comes between two looks."""
_SOL_PACKET, _PACKET_VNET_HDR = 263, 15
_ETH_P_ALL = 3
_HEAD = 10
"""Bytes of `struct virtio_net_hdr` before each frame: the kernel notes there, and heeds, what checksum is due."""
_LONGEST = 128
"""Bytes; the longest frame of an attempt that brings no data has 114."""

_OUTGOING = 4
_IPV4, _IPV6, _TCP = 0x0800, 0x86DD, 6
_PLAIN_IPV4 = 0x45
"""Version and length of a header without options."""
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_OF_IPV4, _OF_IPV6 = 34, 54
"""Where TCP begins in a frame."""

_LOAD_BYTE, _LOAD_HALF, _LOAD_LENGTH = 0x30, 0x28, 0x80
_LOAD_BYTE_THERE, _LOAD_HALF_THERE, _THERE = 0x50, 0x48, 0x01
_AND, _EQUAL, _MORE, _GO, _RETURN = 0x54, 0x15, 0x25, 0x05, 0x06
_KIND_OF_PACKET = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE


def attempts(of_ports: Sequence[int]) -> list[wire.Instruction]:
    """Return the filter that passes attempts to connect to TCP ports, of those that go out by an interface."""
    yes, no = -1, -2
    program = [
        (_LOAD_BYTE, 0, 0, _KIND_OF_PACKET),
        (_EQUAL, 0, no, _OUTGOING),
        (_LOAD_LENGTH, 0, 0, 0),
        (_MORE, no, 0, _LONGEST),
        (_LOAD_HALF, 0, 0, 12),
        (_EQUAL, 0, 5, _IPV4),
        (_LOAD_BYTE, 0, 0, 14),
        (_EQUAL, 0, no, _PLAIN_IPV4),
        (_LOAD_BYTE, 0, 0, 23),
        (_THERE, 0, 0, _OF_IPV4),
        (_GO, 0, 0, 3),
        (_EQUAL, 0, no, _IPV6),
        (_LOAD_BYTE, 0, 0, 20),
        (_THERE, 0, 0, _OF_IPV6),
        (_EQUAL, 0, no, _TCP),
        (_LOAD_BYTE_THERE, 0, 0, 13),
        (_AND, 0, 0, _FIN | _SYN | _RST | _ACK),
        (_EQUAL, 0, no, _SYN),
        (_LOAD_HALF_THERE, 0, 0, 2),
        *((_EQUAL, yes, 0, port) for port in of_ports),
    ]
    verdicts = {no: len(program), yes: len(program) + 1}

    def skip(place: int, target: int) -> int:
        return verdicts[target] - place - 1 if target in verdicts else target

    return [
        *(
            (code, skip(place, if_so), skip(place, if_not), value)
            for place, (code, if_so, if_not, value) in enumerate(program)
        ),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, 0xFFFF),
    ]


def ends(frame: bytes) -> bytes:
    """Return the addresses and ports of an attempt; the last two bytes are the server's port."""
    ip = _HEAD + 14
    if frame[ip] == _PLAIN_IPV4:
        return frame[ip + 12 : ip + 24]
    return frame[ip + 8 : ip + 44]


class Calls:
    """The last attempt of each client's port, the newest MOST of all."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[float, bytes]] = {}  # the oldest first

    def add(self, frame: bytes, moment: float) -> None:
        """Keep an attempt in place of the one before it."""
        self._kept.pop(ends(frame), None)
        self._kept[ends(frame)] = moment, frame
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    def recent(self, moment: float, to_ports: Collection[int]) -> list[bytes]:
        """Return the frames to some ports, in the order in which they came; forget those that are too old."""
        self._kept = {key: each for key, each in self._kept.items() if moment - each[0] <= PAST}
        return [
            frame for key, (_, frame) in self._kept.items() if int.from_bytes(key[-2:], "big") in to_ports
        ]


class Tap:
    """Hears attempts to connect to TCP ports of a server where they go into it, and can send them in again."""

    def __init__(self, server: str, of_ports: Sequence[int]) -> None:
        self._calls = Calls()
        # Nothing is heard before it is bound: that saves the kernel from waiting for itself.
        self._wire = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        try:
            self._wire.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
            self._wire.setsockopt(SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
            wire.heed(self._wire, attempts(of_ports))
            self._wire.bind((names.interface(server), _ETH_P_ALL))
        except OSError:
            self._wire.close()
            raise

    def hear(self) -> None:
        """Take in what has come, MOST at once; OSError if the interface has gone."""
        moment = now()
        for _ in range(MOST):
            try:
                frame = self._wire.recv(_HEAD + _LONGEST)
            except BlockingIOError:
                return
            self._calls.add(frame, moment)

    def repeat(self, to_ports: Collection[int]) -> None:
        """Send what is kept for some ports into the server again."""
        self.hear()
        for frame in self._calls.recent(now(), to_ports):
            self._wire.send(frame)

    def close(self) -> None:
        self._wire.close()


class Callers:
    """Keeps who calls while a way into a server here is closed, and lets them in when it has opened."""

    def __init__(self, loop: Loop, servers: Callable[[], Iterable[str]]) -> None:
        self._loop = loop
        self._servers = servers
        self._taps: dict[tuple[str, Way], Tap] = {}
        self._ended: deque[Tap] = deque()

    def look(self) -> None:
        """Look now and again every second: nobody tells a daemon of what was closed before it came."""
        here = list(self._servers())
        for server in {server for server, _ in self._taps}.difference(here):
            for way in gate.WAYS:
                self._end(server, way)
        for server in here:
            self.look_at(server)
        self._loop.after(EVERY, self.look)

    def look_at(self, server: str) -> None:
        """See which ways into a server here are closed, and which have opened."""
        for way in gate.WAYS:
            try:
                self._look_at(server, way)
            except OSError:  # the server is coming or leaving
                self._end(server, way)

    def _look_at(self, server: str, way: Way) -> None:
        tap = self._taps.get((server, way))
        closed = bool(gate.holders(server, way))
        if closed and tap is None:
            self._taps[server, way] = Tap(server, way.ports)
        elif closed and tap is not None:
            tap.hear()
        elif tap is not None and not _still_closed(server, way):
            tap.repeat(listeners.ports(server))  # nobody is to be refused because of us
            self._end(server, way)

    def _end(self, server: str, way: Way) -> None:
        if tap := self._taps.pop((server, way), None):
            self._ended.append(tap)
            if len(self._ended) == 1:
                self._loop.after(PAUSE, self._close_one)

    def _close_one(self) -> None:
        self._ended.popleft().close()
        if self._ended:
            self._loop.after(PAUSE, self._close_one)


def _still_closed(server: str, way: Way) -> bool:
    """Say whether a way is about to open: whoever does that says when it has."""
    with namespaces.inside(server):
        return nftables.has_table(way.table)
