"""How does the daemon run a program without waiting for it?"""

from __future__ import annotations

import os
from collections.abc import Callable

from vsctl.agents.noded.loop import Loop

LIMIT = 10.0
"""Seconds a program gets; then it is killed."""
NOTHING_FOUND = 105
"""What cibadmin exits with if nothing is what it was asked for."""
MISSING = 127
"""The status of a program that is not there, as shells have it."""


def start(loop: Loop, command: list[str], then: Callable[[int, str], None]) -> None:
    """Start a program; `then` gets its status and what it said when it has ended."""
    said = os.memfd_create("vsctl")
    try:
        child = _spawn(command, said)
    except FileNotFoundError:
        os.close(said)
        loop.after(0.0, lambda: then(MISSING, f"{command[0]} is not installed"))
        return
    ended = os.pidfd_open(child)
    over = False

    def finish() -> None:
        nonlocal over
        over = True
        loop.unwatch(ended)
        os.close(ended)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        words = os.pread(said, 1 << 20, 0).decode(errors="replace").strip()
        os.close(said)
        then(status, words)

    def kill() -> None:
        if not over:
            os.kill(child, 9)

    loop.watch(ended, finish)
    loop.after(LIMIT, kill)


def _spawn(command: list[str], said: int) -> int:
    nothing = os.open("/dev/null", os.O_RDONLY)
    try:
        return os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, said, 2),
            ],
        )
    finally:
        os.close(nothing)
