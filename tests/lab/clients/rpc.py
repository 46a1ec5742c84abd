"""How does an NFS client speak to its server?

ONC RPC over TCP (RFC 5531), one call at a time, with the manners of Linux's
kernel client on a hard mount, so that what it measures is what users see:

- A call is sent again, with the same xid, only on a new connection, or after
  60 s without an answer (timeo=600).
- A connection that ended is made anew at once. One that could not be made
  (refused, unreachable) is tried again 3 s later.
- How long a dead connection takes to be noticed is TCP's business: no timeout
  of ours. Keepalive and TCP_USER_TIMEOUT are the kernel client's.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable

PATIENCE = 60.0
RECONNECT_DELAY = 3.0
USER_TIMEOUT = 180_000

Tell = Callable[..., None]


class RpcError(Exception):
    """The server understood the call and refuses it; or what it says is no RPC."""


class Xdr:
    """Reads what RFC 4506 describes, from left to right."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def uint(self) -> int:
        return self._take(4, "!I")

    def uint64(self) -> int:
        return self._take(8, "!Q")

    def fixed(self, size: int) -> bytes:
        got = self.data[self.at : self.at + size]
        if len(got) < size:
            raise RpcError("the answer is cut short")
        self.at += size + -size % 4
        return got

    def opaque(self) -> bytes:
        return self.fixed(self.uint())

    def _take(self, size: int, form: str) -> int:
        return int(struct.unpack(form, self.fixed(size))[0])


def opaque(data: bytes) -> bytes:
    """Return variable-length data as XDR has it."""
    return struct.pack("!I", len(data)) + data + b"\0" * (-len(data) % 4)


def call_message(xid: int, program: int, version: int, procedure: int, arguments: bytes) -> bytes:
    """Return a call as root (AUTH_SYS), with its record mark."""
    credential = struct.pack("!I", 0) + opaque(os.uname().nodename.encode()) + struct.pack("!III", 0, 0, 0)
    body = struct.pack("!IIIIIII", xid, 0, 2, program, version, procedure, 1) + opaque(credential)
    body += struct.pack("!II", 0, 0) + arguments
    return struct.pack("!I", 0x80000000 | len(body)) + body


class Transport:
    """The connection to one server: survives it, tells `tell` of its ends and beginnings."""

    def __init__(self, host: str, port: int, tell: Tell = lambda *_, **__: None) -> None:
        self.host = host
        self.port = port
        self.tell = tell
        self.socket: socket.socket | None = None
        self.xid = int.from_bytes(os.urandom(4), "big")

    def call(self, program: int, version: int, procedure: int, arguments: bytes = b"") -> Xdr:
        """Return the result of a call, however long the server takes to be there again."""
        self.xid = (self.xid + 1) % 2**32
        message = call_message(self.xid, program, version, procedure, arguments)
        while True:
            try:
                connection = self.socket or self._connect()
                connection.sendall(message)
                while select.select([connection], [], [], PATIENCE)[0]:
                    answer = _record(connection)
                    if answer[:4] == message[4:8]:
                        return _result(answer)
            except OSError as problem:
                self.close()
                self.tell("lost", text=str(problem))

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _connect(self) -> socket.socket:
        while True:
            try:
                made = socket.create_connection((self.host, self.port))
                break
            except OSError as problem:
                self.tell("refused", text=str(problem))
                time.sleep(RECONNECT_DELAY)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(PATIENCE))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, int(PATIENCE))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
        self.socket = made
        self.tell("connected", text=f"from {made.getsockname()[0]}")
        return made


def _record(connection: socket.socket) -> bytes:
    """Return the next message: fragments up to the one marked last."""
    message = b""
    while True:
        mark = int.from_bytes(_exactly(connection, 4), "big")
        message += _exactly(connection, mark & 0x7FFFFFFF)
        if mark & 0x80000000:
            return message


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            raise ConnectionError("the server ended the connection")
        got += more
    return got


def _result(answer: bytes) -> Xdr:
    xdr = Xdr(answer)
    xdr.uint()
    if xdr.uint() != 1:
        raise RpcError("that is no answer")
    if xdr.uint() != 0:
        raise RpcError(f"the server denies the call: {'version' if xdr.uint() == 0 else 'authentication'}")
    xdr.uint()
    xdr.opaque()
    if status := xdr.uint():
        known = {1: "no such program", 2: "no such version", 3: "no such procedure", 4: "garbled"}
        raise RpcError(f"the server cannot do the call: {known.get(status, status)}")
    return xdr
