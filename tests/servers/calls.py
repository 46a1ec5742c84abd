"""An NFS client in a few calls, as programs of tests run it: what a kernel would send, and what comes back.

It runs in a server's or a client's namespace, by the node's own Python. A
handle is bytes; a status is the number that RFC 1813 (of locks: appendix II) and RFC 8881 give it.
"""

import os
import socket
import struct
import time

SEQUENCE, PUTFH, PUTROOTFH, LOOKUP, GETATTR, GETFH = 53, 22, 24, 15, 9, 10
OK, NOENT, STALE, JUKEBOX, DELAY = 0, 2, 70, 10008, 10008
DENIED, LOCK_LATER = 1, 4


def word(number: int) -> bytes:
    return struct.pack(">I", number)


def opaque(data: bytes) -> bytes:
    return word(len(data)) + data + bytes(-len(data) % 4)


def asking(xid: int, program: int, version: int, procedure: int, arguments: bytes) -> bytes:
    """Return a call as a record has it, or a datagram."""
    credential = word(1) + opaque(word(0) + opaque(b"client") + word(0) + word(0) + word(0))
    head = struct.pack(">IIIIII", xid, 0, 2, program, version, procedure)
    return head + credential + word(0) + word(0) + arguments


class Connection:
    """A TCP connection to an RPC server; `call` connects anew when it was ended, and sends the same again.

    It comes from the port `own`, any for 0.
    """

    def __init__(self, address: str, port: int = 2049, patience: float = 15.0, own: int = 0) -> None:
        self.where = (address, port)
        self.own = ("", own) if own else None
        self.patience = patience
        self.xid = int.from_bytes(os.urandom(3), "big")
        self.line: socket.socket | None = None

    def call(self, program: int, version: int, procedure: int, arguments: bytes) -> bytes:
        self.xid += 1
        record = asking(self.xid, program, version, procedure, arguments)
        end = time.monotonic() + self.patience
        while True:
            try:
                return self._answer(word(0x80000000 | len(record)) + record)
            except (ConnectionError, TimeoutError) as problem:
                self.line = None
                if time.monotonic() > end:
                    raise TimeoutError(f"{self.where} has not answered for {self.patience:g} s") from problem
                time.sleep(0.005)

    def _answer(self, sent: bytes) -> bytes:
        if self.line is None:
            self.line = socket.create_connection(self.where, self.patience, self.own)
        self.line.sendall(sent)
        while True:
            record, last = b"", False
            while not last:
                (mark,) = struct.unpack(">I", self._exactly(4))
                last = bool(mark >> 31)
                record += self._exactly(mark & 0x7FFFFFFF)
            if record[:4] == sent[4:8]:
                skip = 16 + int.from_bytes(record[16:20], "big") + 4
                assert record[skip : skip + 4] == word(0), f"refused: {record[:40].hex()}"
                return record[skip + 4 :]

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.line.recv(count - len(data))
            if not more:
                raise ConnectionResetError("the connection was ended")
            data += more
        return data


def status(reply: bytes) -> int:
    return int.from_bytes(reply[:4], "big")


def mount(address: str, path: str) -> tuple[int, bytes]:
    reply = Connection(address, 20048).call(100005, 3, 1, opaque(path.encode()))
    return status(reply), reply[8 : 8 + int.from_bytes(reply[4:8], "big")]


def lookup(nfs: Connection, handle: bytes, name: str) -> tuple[int, bytes]:
    reply = nfs.call(100003, 3, 3, opaque(handle) + opaque(name.encode()))
    return status(reply), reply[8 : 8 + int.from_bytes(reply[4:8], "big")]


def create(nfs: Connection, handle: bytes, name: str) -> int:
    """Make an empty file, or empty one."""
    unset_but_size = word(1) + word(0o666) + word(0) * 2 + word(1) + bytes(8) + word(0) * 2
    return status(nfs.call(100003, 3, 8, opaque(handle) + opaque(name.encode()) + word(0) + unset_but_size))


def write(nfs: Connection, handle: bytes, data: bytes, offset: int = 0) -> int:
    """Write data and have it on the disk."""
    where = struct.pack(">QII", offset, len(data), 2)
    return status(nfs.call(100003, 3, 7, opaque(handle) + where + opaque(data)))


def lock(address: str, handle: bytes, owner: bytes = b"owner", own: int = 0) -> int:
    """Lock a file as NFSv3 clients do, from the port `own`, any for 0."""
    return _nlm(address, 2, locking(handle, owner), own)


def locking(handle: bytes, owner: bytes = b"owner", reclaim: bool = False) -> bytes:
    """Return the arguments of such a call, without its cookie."""
    return word(0) + word(1) + _held(handle, owner) + word(reclaim) + word(3)


def unlock(address: str, handle: bytes, owner: bytes = b"owner") -> int:
    """Give such a lock back."""
    return _nlm(address, 4, _held(handle, owner))


def _held(handle: bytes, owner: bytes) -> bytes:
    return opaque(b"192.0.2.100") + opaque(handle) + opaque(owner) + word(7) + bytes(16)


def _nlm(address: str, procedure: int, arguments: bytes, own: int = 0) -> int:
    reply = Connection(address, 32803, own=own).call(100021, 4, procedure, opaque(b"cookie") + arguments)
    return int.from_bytes(reply[-4:], "big")


class Locks:
    """Calls to lock that are answered in any order; to their number each has the status it got."""

    def __init__(self, address: str, kind: int = socket.SOCK_STREAM) -> None:
        self.line = socket.socket(socket.AF_INET, kind)
        self.line.settimeout(60)
        self.line.connect((address, 32803))
        self.marked = kind == socket.SOCK_STREAM

    def ask(self, number: int, handle: bytes, reclaim: bool = False) -> None:
        call = asking(number, 100021, 4, 2, opaque(b"cookie") + locking(handle, reclaim=reclaim))
        self.line.sendall(word(0x80000000 | len(call)) + call if self.marked else call)

    def heard(self) -> tuple[int, int]:
        """Return the next answer: the number of its call, and the status."""
        if self.marked:
            mark = self.line.recv(4, socket.MSG_WAITALL)
            if not mark:
                raise ConnectionResetError("the connection was ended")
            reply = self.line.recv(int.from_bytes(mark, "big") & 0x7FFFFFFF, socket.MSG_WAITALL)
        else:
            reply = self.line.recv(65536)
        return int.from_bytes(reply[:4], "big"), int.from_bytes(reply[-4:], "big")


class Results:
    """What a COMPOUND came to: its status, and the operations that were done, without what they said."""

    def __init__(self, reply: bytes) -> None:
        self.status = status(reply)
        tag = int.from_bytes(reply[4:8], "big")
        start = 8 + tag + -tag % 4
        self.count = int.from_bytes(reply[start : start + 4], "big")
        self.rest = reply[start + 4 :]
        self.last = (int.from_bytes(self.rest[-8:-4], "big"), int.from_bytes(self.rest[-4:], "big"))

    def __repr__(self) -> str:
        return f"status {self.status}, {self.count} results, the last words {self.last}"


def compound(nfs: Connection, minor: int, *operations: bytes) -> Results:
    return Results(
        nfs.call(100003, 4, 1, opaque(b"") + word(minor) + word(len(operations)) + b"".join(operations))
    )


def putfh(handle: bytes) -> bytes:
    return word(PUTFH) + opaque(handle)


def lookup4(name: str) -> bytes:
    return word(LOOKUP) + opaque(name.encode())


def getattr4() -> bytes:
    return word(GETATTR) + word(1) + word(1 << 1)


def handle4(nfs: Connection, minor: int, path: str, prefix: tuple[bytes, ...] = ()) -> tuple[int, bytes]:
    names = [lookup4(each) for each in path.split("/") if each]
    found = compound(nfs, minor, *prefix, word(PUTROOTFH), *names, word(GETFH))
    if found.status:
        return found.status, b""
    size = int.from_bytes(found.rest.rpartition(word(GETFH) + word(0))[2][:4], "big")
    return 0, found.rest[-size - -size % 4 :][:size]


class Session:
    """A session of NFS 4.1 with one slot."""

    def __init__(self, nfs: Connection, name: bytes) -> None:
        self.nfs = nfs
        owner = os.urandom(8) + opaque(name) + word(0x10000) + word(0) + word(0)
        made = compound(nfs, 1, word(42) + owner)
        assert made.status == 0, made
        client, sequence = made.rest[8:16], made.rest[16:20]
        channel = word(0) + word(1 << 20) + word(1 << 20) + word(8192) + word(16) + word(4) + word(0)
        security = word(1) + word(0)
        made = compound(
            nfs, 1, word(43) + client + sequence + word(0) + channel * 2 + word(0x40000000) + security
        )
        assert made.status == 0, made
        self.id = made.rest[8:24]
        self.next = 1
        assert self.do(word(58) + word(0)).status == 0, "RECLAIM_COMPLETE"

    def sequence(self) -> bytes:
        made = word(SEQUENCE) + self.id + word(self.next) + word(0) + word(0) + word(1)
        self.next += 1
        return made

    def do(self, *operations: bytes) -> Results:
        return compound(self.nfs, 1, self.sequence(), *operations)

    def again(self, *operations: bytes) -> Results:
        """Send the last request once more, as after a connection that was lost."""
        self.next -= 1
        return self.do(*operations)
