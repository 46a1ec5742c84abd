"""Write through NFSv3 or NFSv4.1, synced, record by record, whatever happens to the server."""

from __future__ import annotations

import itertools
import time

from tests.lab.clients import nfs3, nfs41, record
from tests.lab.clients.journal import Journal
from tests.lab.clients.nfs3 import NfsError
from tests.lab.clients.rpc import RpcError

MOUNT_RETRY = 1.0
MOUNTED = {"nfs": nfs3.Mounted, "nfs41": nfs41.Mounted}


def write(kind: str, host: str, path: str, name: str, run: str, every: float, tell: Journal) -> None:
    """Write for ever. An error is what a program would see: it is told, and the file opened again, on the same mount."""
    export = handle = None
    for n in itertools.count():
        while True:
            try:
                if export is None:
                    export = MOUNTED[kind](host, path, tell)
                if handle is None:
                    handle = export.create(name)
                export.write(handle, n * record.SIZE, record.record(run, n))
                break
            except (NfsError, RpcError) as problem:
                tell("error" if n else "waiting", text=str(problem))
                handle = None
                if export is not None and isinstance(problem, RpcError):
                    export.close()
                    export = None
                time.sleep(MOUNT_RETRY)
        tell("ack", n=n)
        time.sleep(every)


def missing(kind: str, host: str, path: str, name: str, run: str, acknowledged: list[int]) -> list[int]:
    """Return the acknowledged records that the server does not have."""
    export = MOUNTED[kind](host, path)
    handle = export.lookup(name)
    return record.missing(run, acknowledged, lambda offset, length: export.read(handle, offset, length))
