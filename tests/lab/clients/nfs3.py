"""What does an NFSv3 client ask? (RFC 1813; only what the lab's clients need)"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping

from tests.lab.clients.rpc import RpcError, Tell, Transport, Xdr, opaque

PORTMAP, NFS, MOUNT = 100000, 100003, 100005
NULL, GETATTR, LOOKUP, READ, WRITE, CREATE, COMMIT = 0, 1, 3, 6, 7, 8, 21
UNSTABLE = 0
STALE, JUKEBOX = 70, 10008
JUKEBOX_DELAY = 5.0  # NFS_JUKEBOX_RETRY_TIME of Linux

NAMES = {
    1: "NFS3ERR_PERM",
    2: "NFS3ERR_NOENT",
    5: "NFS3ERR_IO",
    13: "NFS3ERR_ACCES",
    17: "NFS3ERR_EXIST",
    20: "NFS3ERR_NOTDIR",
    28: "NFS3ERR_NOSPC",
    30: "NFS3ERR_ROFS",
    STALE: "NFS3ERR_STALE",
    10001: "NFS3ERR_BADHANDLE",
    10006: "NFS3ERR_SERVERFAULT",
    JUKEBOX: "NFS3ERR_JUKEBOX",
}


class NfsError(Exception):
    """The server's answer to a call is an error; `status` is its number, by `names` it is known."""

    def __init__(self, status: int, what: str, names: Mapping[int, str] = NAMES) -> None:
        super().__init__(f"{what}: {names.get(status, status)}")
        self.status = status


class Mounted:
    """One mounted export: directory operations on its top, reads and writes by file handle."""

    def __init__(self, host: str, path: str, tell: Tell = lambda *_, **__: None) -> None:
        self.tell = tell
        port = _port(host, MOUNT)
        mount = Transport(host, port, tell)
        answer = mount.call(MOUNT, 3, 1, opaque(path.encode()))
        mount.close()
        if status := answer.uint():
            raise NfsError(status, f"mount {host}:{path}")
        self.top = answer.opaque()
        self.transport = Transport(host, _port(host, NFS), tell)

    def close(self) -> None:
        self.transport.close()

    def lookup(self, name: str) -> bytes:
        """Return the file handle of a name in the top directory."""
        return self._call(LOOKUP, opaque(self.top) + opaque(name.encode()), f"look up {name}").opaque()

    def create(self, name: str) -> bytes:
        """Return the file handle of a new or existing file in the top directory."""
        attributes = struct.pack("!II", 1, 0o644) + struct.pack("!IIIII", 0, 0, 0, 0, 0)
        how = struct.pack("!I", 0)  # UNCHECKED
        where = opaque(self.top) + opaque(name.encode())
        answer = self._call(CREATE, where + how + attributes, f"create {name}")
        return answer.opaque() if answer.uint() else self.lookup(name)

    def write(self, handle: bytes, offset: int, data: bytes) -> None:
        """Write, and return when it is on the server's disk: WRITE and COMMIT answered by one boot of it."""
        while True:
            arguments = opaque(handle) + struct.pack("!QII", offset, len(data), UNSTABLE) + opaque(data)
            answer = self._call(WRITE, arguments, "write")
            _skip_wcc(answer)
            count, _, written_by = answer.uint(), answer.uint(), answer.fixed(8)
            if count != len(data):
                raise RpcError(f"the server wrote {count} of {len(data)} bytes")
            answer = self._call(COMMIT, opaque(handle) + struct.pack("!QI", offset, len(data)), "commit")
            _skip_wcc(answer)
            if answer.fixed(8) == written_by:
                return

    def read(self, handle: bytes, offset: int, length: int) -> bytes:
        """Return up to `length` bytes, fewer only at the end of the file."""
        got = b""
        while len(got) < length:
            arguments = opaque(handle) + struct.pack("!QI", offset + len(got), length - len(got))
            answer = self._call(READ, arguments, "read")
            _skip_attributes(answer)
            answer.uint()
            at_end = answer.uint()
            got += answer.opaque()
            if at_end:
                break
        return got

    def getattr(self, handle: bytes) -> None:
        """Ask whether the server knows a file handle; NfsError if not."""
        self._call(GETATTR, opaque(handle), "get attributes")

    def _call(self, procedure: int, arguments: bytes, what: str) -> Xdr:
        """Return the answer after its status; ask again as long as the server asks for patience."""
        while True:
            answer = self.transport.call(NFS, 3, procedure, arguments)
            status = answer.uint()
            if status == 0:
                return answer
            if status != JUKEBOX:
                raise NfsError(status, what)
            self.tell("waiting", text=f"{what}: NFS3ERR_JUKEBOX")
            time.sleep(JUKEBOX_DELAY)


def _port(host: str, program: int) -> int:
    portmap = Transport(host, 111)
    answer = portmap.call(PORTMAP, 2, 3, struct.pack("!IIII", program, 3, 6, 0))
    portmap.close()
    if (port := answer.uint()) == 0:
        raise RpcError(f"{host} offers no {'NFS' if program == NFS else 'mount'} service of version 3")
    return port


def _skip_attributes(answer: Xdr) -> None:
    if answer.uint():
        answer.fixed(84)


def _skip_wcc(answer: Xdr) -> None:
    if answer.uint():
        answer.fixed(24)
    _skip_attributes(answer)
