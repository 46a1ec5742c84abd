"""What does an NFSv4.1 client ask? (RFC 8881; only what the lab's writer needs)

One session with one slot, so one request at a time. When the server has
forgotten the session, because it has restarted, the client starts over and
reclaims what it had open, as Linux does; only if that is denied would a
program see an error.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable

from tests.lab.clients.nfs3 import NFS, NfsError
from tests.lab.clients.rpc import RpcError, Tell, Transport, Xdr, opaque

PORT = 2049
COMPOUND = 1
GETFH, LOOKUP, OPEN, PUTFH, PUTROOTFH, READ, WRITE = 10, 15, 18, 22, 24, 25, 38
EXCHANGE_ID, CREATE_SESSION, SEQUENCE, RECLAIM_COMPLETE = 42, 43, 53, 58

DELAY, IN_GRACE = 10008, 10013
STALE_CLIENT, BAD_SESSION, DEAD_SESSION = 10022, 10052, 10078
NAMES = {
    2: "NFS4ERR_NOENT",
    5: "NFS4ERR_IO",
    13: "NFS4ERR_ACCESS",
    28: "NFS4ERR_NOSPC",
    30: "NFS4ERR_ROFS",
    70: "NFS4ERR_STALE",
    DELAY: "NFS4ERR_DELAY",
    10011: "NFS4ERR_EXPIRED",
    IN_GRACE: "NFS4ERR_GRACE",
    10023: "NFS4ERR_STALE_STATEID",
    10025: "NFS4ERR_BAD_STATEID",
    10033: "NFS4ERR_NO_GRACE",
    10034: "NFS4ERR_RECLAIM_BAD",
}
RETRY = 1.0

READ_AND_WRITE = 3
NO_CREATE, CREATE = 0, 1
BY_NAME, BY_RECLAIM = 0, 1
FILE_SYNC = 2
LARGEST = 1 << 16
CHANNEL = struct.pack("!IIIIIII", 0, 2 * LARGEST, 2 * LARGEST, 2 * LARGEST, 16, 1, 0)
"""Sizes, the last one of answers that are kept; operations, and requests at once; without RDMA."""

Operations = Callable[[], list[bytes]]


class _Forgotten(Exception):  # noqa: N818 - no error of anybody's
    """The server does not know the session, or not the client."""


class Mounted:
    """One export: files in its top directory, opened, written and read by their handles."""

    def __init__(self, host: str, path: str, tell: Tell = lambda *_, **__: None) -> None:
        self.tell = tell
        self.path = [each for each in path.split("/") if each]
        self.owner = f"{os.uname().nodename} {os.urandom(4).hex()}".encode()
        self.verifier = os.urandom(8)
        self.transport = Transport(host, PORT, tell)
        self.states: dict[bytes, bytes] = {}
        self._start_over()

    def close(self) -> None:
        self.transport.close()

    def lookup(self, name: str) -> bytes:
        """Open a file that is there, and return its handle."""
        return self._open(name, struct.pack("!I", NO_CREATE))

    def create(self, name: str) -> bytes:
        """Open a new or existing file, and return its handle."""
        unchecked, mode_alone = struct.pack("!II", CREATE, 0), struct.pack("!III", 2, 0, 1 << 1)
        return self._open(name, unchecked + mode_alone + opaque(struct.pack("!I", 0o644)))

    def write(self, handle: bytes, offset: int, data: bytes) -> None:
        """Write, and return when it is on the server's disk."""
        answer = self._ask(
            "write",
            lambda: [
                _put(handle),
                struct.pack("!I", WRITE)
                + self.states[handle]
                + struct.pack("!QI", offset, FILE_SYNC)
                + opaque(data),
            ],
        )
        _skip(answer, PUTFH)
        _skip(answer, WRITE)
        count, how = answer.uint(), answer.uint()
        if (count, how) != (len(data), FILE_SYNC):
            raise RpcError(f"the server wrote {count} of {len(data)} bytes, stable: {how}")

    def read(self, handle: bytes, offset: int, length: int) -> bytes:
        """Return up to `length` bytes, fewer only at the end of the file."""
        got = b""
        while len(got) < length:
            answer = self._ask(
                "read",
                lambda: [
                    _put(handle),
                    struct.pack("!I", READ)
                    + self.states[handle]
                    + struct.pack("!QI", offset + len(got), min(length - len(got), LARGEST)),  # noqa: B023
                ],
            )
            _skip(answer, PUTFH)
            _skip(answer, READ)
            at_end = answer.uint()
            got += answer.opaque()
            if at_end:
                break
        return got

    def _open(self, name: str, how: bytes) -> bytes:
        claim = struct.pack("!I", BY_NAME) + opaque(name.encode())
        way = [struct.pack("!I", LOOKUP) + opaque(each.encode()) for each in self.path]
        answer = self._ask(
            f"open {name}",
            lambda: [
                struct.pack("!I", PUTROOTFH),
                *way,
                self._opening(how + claim),
                struct.pack("!I", GETFH),
            ],
        )
        for each in (PUTROOTFH, *[LOOKUP] * len(way)):
            _skip(answer, each)
        state = _opened(answer)
        _skip(answer, GETFH)
        handle = answer.opaque()
        self.states[handle] = state
        return handle

    def _opening(self, how_and_claim: bytes) -> bytes:
        share = struct.pack("!IIII", OPEN, 0, READ_AND_WRITE, 0)
        return share + struct.pack("!Q", self.client) + opaque(self.owner) + how_and_claim

    def _ask(self, what: str, operations: Operations) -> Xdr:
        """Return the results of operations that all went well, however long the server takes to be there again."""
        while True:
            try:
                return self._once(what, operations)
            except _Forgotten:
                self._recover()

    def _recover(self) -> None:
        while True:
            try:
                return self._start_over()
            except _Forgotten:  # it has restarted once more
                continue

    def _start_over(self) -> None:
        """Make a session, and reclaim what was open; what is denied is closed."""
        self._introduce()
        denied = None
        for handle in list(self.states):
            claim = struct.pack("!III", NO_CREATE, BY_RECLAIM, 0)
            try:
                answer = self._once(
                    "reclaim",
                    lambda: [_put(handle), self._opening(claim)],  # noqa: B023 - called at once
                )
            except NfsError as problem:
                del self.states[handle]
                denied = problem
                continue
            _skip(answer, PUTFH)
            self.states[handle] = _opened(answer)
        self._once("complete the reclaim", lambda: [struct.pack("!II", RECLAIM_COMPLETE, 0)])
        if denied:
            raise denied

    def _introduce(self) -> None:
        who = struct.pack("!I", EXCHANGE_ID) + self.verifier + opaque(self.owner)
        status, answer = self._compound(who + struct.pack("!III", 0, 0, 0))
        _check(status, "introduce itself")
        _skip(answer, EXCHANGE_ID)
        self.client, number = answer.uint64(), answer.uint()
        callbacks = struct.pack("!III", 0x40000000, 1, 0)  # none is ever made; to AUTH_NONE
        session = struct.pack("!IQII", CREATE_SESSION, self.client, number, 0)
        status, answer = self._compound(session + CHANNEL + CHANNEL + callbacks)
        _check(status, "make a session")
        _skip(answer, CREATE_SESSION)
        self.session, self.request = answer.fixed(16), 1

    def _once(self, what: str, operations: Operations) -> Xdr:
        """Do operations within the session; wait as long as the server asks for patience."""
        while True:
            place = struct.pack("!IIII", self.request, 0, 0, 1)  # the answer is kept, in case it gets lost
            sequence = struct.pack("!I", SEQUENCE) + self.session + place
            status, answer = self._compound(sequence, *operations())
            if (answer.uint(), answer.uint()) == (SEQUENCE, 0):
                self.request += 1
                answer.fixed(16 + 5 * 4)
            if status not in (DELAY, IN_GRACE):
                _check(status, what)
                return answer
            self.tell("waiting", text=f"{what}: {NAMES[status]}")
            time.sleep(RETRY)

    def _compound(self, *operations: bytes) -> tuple[int, Xdr]:
        """Return the status of the last operation that was done, and the results."""
        body = opaque(b"") + struct.pack("!II", 1, len(operations)) + b"".join(operations)
        answer = self.transport.call(NFS, 4, COMPOUND, body)
        status = answer.uint()
        answer.opaque(), answer.uint()  # tag and number of results
        return status, answer


def _check(status: int, what: str) -> None:
    if status in (STALE_CLIENT, BAD_SESSION, DEAD_SESSION):
        raise _Forgotten
    if status:
        raise NfsError(status, what, NAMES)


def _put(handle: bytes) -> bytes:
    return struct.pack("!I", PUTFH) + opaque(handle)


def _skip(answer: Xdr, operation: int) -> None:
    """Read the head of an operation's result."""
    found, status = answer.uint(), answer.uint()
    if (found, status) != (operation, 0):
        raise RpcError(f"that is no answer to operation {operation}, but to {found}, status {status}")


def _opened(answer: Xdr) -> bytes:
    """Return the state id of an OPEN."""
    _skip(answer, OPEN)
    state = answer.fixed(16)
    answer.fixed(4 + 8 + 8 + 4)  # how the directory has changed; flags
    for _ in range(answer.uint()):  # attributes that were set
        answer.uint()
    if delegation := answer.uint():
        raise RpcError(f"the server gave a delegation ({delegation}), which nobody asked for")
    return state
