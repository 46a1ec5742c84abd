"""One question to a server, and its answer on standard output: python -m tests.lab.clients.ask QUESTION ...

    mount HOST PATH               ask for an export by MOUNT v3; prints its file handle
    file HOST PATH NAME           make a file there; prints its file handle
    getattr HOST HANDLE           ask for the attributes of a file handle by NFSv3
    nfs4 HOST MINOR               does it talk NFS 4.MINOR?
    file4 HOST PATH               look up a path by NFS 4.0; prints its file handle
    getattr4 HOST HANDLE          does NFS 4.0 know a file handle?
    lock HOST PATH NAME           ask for an exclusive NFSv3 lock, as another owner
    ports HOST                    what the portmapper lists

A refusal is printed and ends with status 1: what a test wants to see, or not.
Ports are the fixed ones, as an attacker would take them; nobody is waited for.
"""

from __future__ import annotations

import socket
import struct
import sys

from tests.lab.clients import nlm
from tests.lab.clients.nfs3 import GETATTR, MOUNT, NFS, Mounted, NfsError
from tests.lab.clients.rpc import RpcError, Transport, Xdr, opaque

NFS_PORT, MOUNT_PORT = 2049, 20048
PATIENCE = 3.0
GETFH, LOOKUP, PUTFH, PUTROOTFH, EXCHANGE_ID = 10, 15, 22, 24, 42


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


def nfs4(host: str, minor: str) -> str:
    """Ask for the root (4.0, RFC 7530) or for a client id (4.1, RFC 8881)."""
    owner = struct.pack("!Q", 1) + opaque(b"vsctl-lab")
    exchange = struct.pack("!I", EXCHANGE_ID) + owner + struct.pack("!III", 0, 0, 0)
    _compound(host, int(minor), [exchange if int(minor) else struct.pack("!I", PUTROOTFH)])
    return "answered"


def file4(host: str, path: str) -> str:
    names = [struct.pack("!I", LOOKUP) + opaque(each.encode()) for each in path.strip("/").split("/")]
    answer = _compound(host, 0, [struct.pack("!I", PUTROOTFH), *names, struct.pack("!I", GETFH)])
    for _ in range(len(names) + 2):
        answer.uint(), answer.uint()  # operation and status
    return answer.opaque().hex()


def getattr4(host: str, handle: str) -> str:
    _compound(host, 0, [struct.pack("!I", PUTFH) + opaque(bytes.fromhex(handle)), struct.pack("!I", GETFH)])
    return "known"


def _compound(host: str, minor: int, operations: list[bytes]) -> Xdr:
    """Return the results of operations that all went well."""
    body = opaque(b"") + struct.pack("!II", minor, len(operations)) + b"".join(operations)
    answer = _Once(host, NFS_PORT).call(NFS, 4, 1, body)
    if status := answer.uint():
        raise NfsError(status, f"NFS 4.{minor}")
    answer.opaque(), answer.uint()  # tag and number of results
    return answer


def lock(host: str, path: str, name: str) -> str:
    handle = Mounted(host, path).lookup(name)
    status = nlm.lock(_Once(host, nlm.NLM_PORT), handle, reclaim=False, owner=b"rival")
    if status != nlm.GRANTED:
        raise RpcError(nlm.NAMES.get(status, str(status)))
    return "granted"


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


_QUESTIONS = {
    "mount": mount,
    "file": file,
    "getattr": getattr3,
    "nfs4": nfs4,
    "file4": file4,
    "getattr4": getattr4,
    "lock": lock,
    "ports": ports,
}

if __name__ == "__main__":
    sys.exit(main())
