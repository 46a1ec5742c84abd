"""Does an RPC server answer, and what does it say of an export?

As much of ONC RPC (RFC 5531), MOUNT and NFSv3 (RFC 1813) over TCP as it takes
to see an export as a client would. Every failure to answer is an OSError.
"""

from __future__ import annotations

import _socket
import time

from vsctl.agents import namespaces
from vsctl.agents import system as os

PORTMAPPER, NFS, MOUNT, NLOCKMGR, STATUS = 100000, 100003, 100005, 100021, 100024
"""RPC program numbers."""

_SYS = bytes.fromhex("00000001 00000018 00000000 00000001 78000000 00000000 00000000 00000000")
"""AUTH_SYS: stamp 0, machine "x", root, no further groups."""


class Connection:
    """One TCP connection to an RPC server on this side of the network namespace.

    Whatever is asked on it, all answers come within `patience` seconds or TimeoutError is raised.
    """

    def __init__(self, port: int, patience: float) -> None:
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.socket.settimeout(patience)
        self.end = time.monotonic() + patience
        self.last = int.from_bytes(os.urandom(3), "big")
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise

    def close(self) -> None:
        self.socket.close()

    def null(self, program: int, version: int) -> None:
        """Call the procedure that does nothing; OSError unless the server did it."""
        self.call(program, version, 0)

    def call(self, program: int, version: int, procedure: int, arguments: bytes = b"") -> bytes:
        """Return the results of a procedure, without the RPC header."""
        self.last += 1
        header = _words(self.last, 0, 2, program, version, procedure)
        record = header + _SYS + _words(0, 0) + arguments
        self.socket.sendall(_words(0x80000000 | len(record)) + record)
        reply = self._record()
        verifier = int.from_bytes(reply[16:20], "big")
        start = 20 + verifier
        if (
            reply[:4] != _words(self.last)
            or reply[4:12] != _words(1, 0)
            or reply[start : start + 4] != _words(0)
        ):
            raise OSError(71, f"program {program} version {version} is refused")  # EPROTO
        return reply[start + 4 :]

    def _record(self) -> bytes:
        record, last = b"", False
        while not last:
            mark = int.from_bytes(self._exactly(4), "big")
            last = bool(mark & 0x80000000)
            record += self._exactly(mark & 0x7FFFFFFF)
        return record

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self.socket.settimeout(max(self.end - time.monotonic(), 0.001))
            if not (more := self.socket.recv(count - len(data))):
                raise OSError(104, "the connection was closed without an answer")  # ECONNRESET
            data += more
        return data


def ask(server: str, port: int, calls: tuple[tuple[int, int], ...], patience: float) -> None:
    """Make null calls to a server, (program, version) each, on one connection; OSError unless all are answered."""
    with namespaces.inside(server):
        connection = Connection(port, patience)
    try:
        for program, version in calls:
            connection.null(program, version)
    finally:
        connection.close()


def mount(mountd: Connection, path: str) -> bytes | None:
    """Return the file handle of an exported path, None if the server does not export it."""
    name = path.encode()
    results = mountd.call(MOUNT, 3, 1, _words(len(name)) + name + bytes(-len(name) % 4))
    if results[:4] != _words(0):
        return None
    return results[8 : 8 + int.from_bytes(results[4:8], "big")]


def file_id(nfs: Connection, handle: bytes) -> int | None:
    """Return the inode number behind a file handle, None if the server does not know the handle."""
    results = nfs.call(NFS, 3, 1, _words(len(handle)) + handle + bytes(-len(handle) % 4))
    if results[:4] != _words(0):
        return None
    return int.from_bytes(results[4 + 52 : 4 + 60], "big")


def export_id(handle: bytes) -> int:
    """Return the Export_Id that Ganesha wrote into a file handle."""
    return int.from_bytes(handle[2:4], "big")


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)
