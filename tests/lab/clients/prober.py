"""Does a server answer? Asked 20 times a second, each time on a new connection.

It proves that a server is reachable and talks, and nothing about its storage.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import subprocess
import time

from tests.lab.clients.journal import Journal
from tests.lab.clients.nfs3 import NFS, NULL
from tests.lab.clients.rpc import call_message

EVERY = 0.05
PATIENCE = 1.0
WRITING_PATIENCE = 40.0

# SMB2 NEGOTIATE (MS-SMB2 2.2.3) of dialect 2.0.2, behind its NetBIOS length.
_HEADER = struct.pack("<4sHHIHHIIQIIQ16s", b"\xfeSMB", 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, b"")
_BODY = struct.pack("<HHHHI16sQH", 36, 1, 1, 0, 0, b"vsctl-lab-probe.", 0, 0x0202)
NEGOTIATE = struct.pack("!I", len(_HEADER + _BODY)) + _HEADER + _BODY


def probe(host: str, protocol: str, tell: Journal) -> None:
    """Ask for ever; protocol is nfs (a NULL call) or smb (a negotiation)."""
    asyncio.run(_probe(host, protocol, tell))


async def _probe(host: str, protocol: str, tell: Journal) -> None:
    port = {"nfs": 2049, "smb": 445}[protocol]
    asking: set[asyncio.Task[None]] = set()
    for n in itertools.count():
        question = call_message(n, NFS, 3, NULL, b"") if protocol == "nfs" else NEGOTIATE
        task = asyncio.create_task(_ask(host, port, question, n, tell))
        asking.add(task)
        task.add_done_callback(asking.discard)
        await asyncio.sleep(EVERY)


async def _ask(host: str, port: int, question: bytes, n: int, tell: Journal) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(question)
                await reader.readexactly(24)
                tell("ack", n=n)
            finally:
                writer.close()
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as problem:
        tell("refused", n=n, text=f"{type(problem).__name__}: {problem}")


def write_nfs4(host: str, path: str, name: str, every: float, tell: Journal) -> None:
    """Make and write a file by NFSv4, for ever, each time another one, and as a new client of libnfs.

    As a new one it has nothing to reclaim: a server in its grace period lets it wait.
    """
    for n in itertools.count():
        command = ["nfs-cp", "/etc/passwd", f"nfs://{host}{path}/{name}-{n}?version=4"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=WRITING_PATIENCE)
            if done.returncode == 0:
                tell("ack", n=n)
            else:
                tell("refused", n=n, text=(done.stderr or done.stdout).strip())
        except subprocess.TimeoutExpired:
            tell("refused", n=n, text=f"no answer in {WRITING_PATIENCE:g} s")
        time.sleep(every)
