"""Which NFSv3 clients hold locks, and are to be told when their server is back?

statd keeps a file for each in `sm`. A server that is asked to let go of its
exports forgets its locks, and has statd forget the clients. So before that the
list is set aside, in `held`, and recalled when the server starts.
"""

from __future__ import annotations

import sys
import time

from vsctl.agents import background, files, ganesha, paths
from vsctl.agents import system as os
from vsctl.agents.ocf import log, words

LIMIT = 2.0
"""Seconds for storage to take the list: a server whose storage is lost must be able to leave."""


def set_aside(server: str) -> None:
    """Remember the clients that hold locks now; those remembered before stay so.

    Where the storage takes nothing any more statd cannot forget them either.
    """
    try:
        background.within(LIMIT, lambda: _set_aside(f"{paths.state(server)}/statd"))
    except OSError as problem:
        log(
            f"who holds locks of {server} cannot be remembered: {words(problem)}; "
            "NFSv3 clients may not be told to reclaim them"
        )


def _set_aside(state: str) -> None:
    import shutil

    os.makedirs(f"{state}/held", mode=0o700, exist_ok=True)
    for name in _names(f"{state}/sm"):
        shutil.copyfile(f"{state}/sm/{name}", f"{state}/held/{name}", follow_symlinks=False)


def recall(server: str) -> bool:
    """Give the clients back to statd, and say whether there are any to be told.

    They heed only a number of the server's that they have not seen: it goes up by two, and stays odd.
    """
    state = f"{paths.state(server)}/statd"
    for name in _names(f"{state}/held"):
        os.makedirs(f"{state}/sm", mode=0o700, exist_ok=True)
        os.rename(f"{state}/held/{name}", f"{state}/sm/{name}")
    if not (_names(f"{state}/sm") or _names(f"{state}/sm.bak")):
        return False
    try:
        with open(f"{state}/state", "r+b") as file:
            number = int.from_bytes(file.read(4), sys.byteorder)
            file.seek(0)
            file.write((number + 2).to_bytes(4, sys.byteorder))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        pass  # sm-notify begins with one
    return True


def let_reclaim(server: str, seconds: float) -> None:
    """Note that a server which starts now gives locks back to those who had them, for so many seconds."""
    files.replace(_until(server), f"{time.monotonic() + seconds!r}\n")


def time_to_reclaim(server: str) -> float:
    """Return for how many more seconds locks can be reclaimed, or less than none."""
    return float(files.read(_until(server)) or 0) - time.monotonic()


def _until(server: str) -> str:
    return f"{ganesha.directory(server)}/reclaims"


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
