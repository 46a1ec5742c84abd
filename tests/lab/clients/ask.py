"""One question to a server, and its answer on standard output: python -m tests.lab.clients.ask QUESTION ...

    mount HOST PATH               ask for an export by MOUNT v3; prints its file handle
    file HOST PATH NAME           make a file there; prints its file handle
    getattr HOST HANDLE           ask for the attributes of a file handle by NFSv3
    nfs4 HOST MINOR [HANDLE]      NFS 4.MINOR: does it talk, and does it know a file handle?
    ports HOST                    what the portmapper lists

A refusal is printed and ends with status 1: what a test wants to see, or not.
Ports are the fixed ones, as an attacker would take them; nobody is waited for.
"""

from __future__ import annotations

import socket
import struct
import sys

from tests.lab.clients.nfs3 import GETATTR, MOUNT, NFS, Mounted, NfsError
from tests.lab.clients.rpc import RpcError, Transport, Xdr, opaque

NFS_PORT, MOUNT_PORT = 2049, 20048
PATIENCE = 3.0
PUTFH, PUTROOTFH, EXCHANGE_ID = 22, 24, 42


class _Once(Transport):
    """A connection that gives up at once."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.socket = socket.create_connection((host, port), PATIENCE)

    def close(self) -> None:
        raise RpcError("the server ended the connection")


def main() -> int:
    question, host, *words = sys.argv[1:]
    try:
        print(_QUESTIONS[question](host, *words))
    except (NfsError, RpcError, OSError) as problem:
        print(f"{type(problem).__name__}: {problem}")
        return 1
    return 0


def mount(host: str, path: str) -> str:
    answer = _Once(host, MOUNT_PORT).call(MOUNT, 3, 1, opaque(path.encode()))
    if status := answer.uint():
        raise NfsError(status, f"mount {host}:{path}")
    return answer.opaque().hex()


def file(host: str, path: str, name: str) -> str:
    return Mounted(host, path).create(name).hex()


def getattr3(host: str, handle: str) -> str:
    answer = _Once(host, NFS_PORT).call(NFS, 3, GETATTR, opaque(bytes.fromhex(handle)))
    if status := answer.uint():
        raise NfsError(status, "get attributes")
    return "known"


def nfs4(host: str, minor: str, handle: str = "") -> str:
    """Send a COMPOUND (RFC 7530, RFC 8881): a file handle, the root's, or for 4.1 an EXCHANGE_ID."""
    if minor == "0":
        operation = (
            struct.pack("!I", PUTFH) + opaque(bytes.fromhex(handle)) if handle else struct.pack("!I", PUTROOTFH)
        )
    else:
        owner = struct.pack("!Q", 1) + opaque(b"vsctl-lab")
        operation = struct.pack("!I", EXCHANGE_ID) + owner + struct.pack("!III", 0, 0, 0)
    compound = opaque(b"") + struct.pack("!II", int(minor), 1) + operation
    answer = _Once(host, NFS_PORT).call(NFS, 4, 1, compound)
    if status := answer.uint():
        raise NfsError(status, f"NFS 4.{minor}")
    return "answered"


def ports(host: str) -> str:
    """List what the portmapper has (version 2, procedure DUMP)."""
    answer = _Once(host, 111).call(100000, 2, 4)
    return "\n".join(_listed(answer))


def _listed(answer: Xdr) -> list[str]:
    found = []
    while answer.uint():
        program, version, protocol, port = (answer.uint() for _ in range(4))
        found.append(f"{program} {version} {'tcp' if protocol == 6 else 'udp'} {port}")
    return found


_QUESTIONS = {"mount": mount, "file": file, "getattr": getattr3, "nfs4": nfs4, "ports": ports}

if __name__ == "__main__":
    sys.exit(main())
