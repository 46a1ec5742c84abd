"""How do the filesystems of a server write one configuration together?

Each has a fragment of its own in `<what>.d`; `<what>.conf` is all of them.
Actions of several filesystems run at the same time: a lock lets one at a time
change the whole. It is held for no longer than that takes, and never while
storage or a daemon is waited for.
"""

from __future__ import annotations

from vsctl.agents import files
from vsctl.agents import system as os
from vsctl.agents.ocf import Failure

PATIENCE = 3.0
"""Seconds to wait for a lock, held for milliseconds: fewer than the 4 that a start of smb gives its storage."""


class Lock:
    """Let one process at a time into a `with` on the same file, which is made if need be.

    Failure if another stays in there for longer than PATIENCE.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        import fcntl

        from vsctl.agents import processes

        def locked() -> bool:
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not processes.until(locked, PATIENCE):
            os.close(self.file)
            raise Failure(f"{self.path} has been held by another process for more than {PATIENCE:g} s")

    def __exit__(self, *_: object) -> None:
        os.close(self.file)


def path(whole: str, name: str) -> str:
    """Return the fragment of one filesystem; it exists as long as the filesystem is to be served."""
    return f"{whole}.d/{name}"


def begin(whole: str) -> None:
    """Start with no fragments: what a crash or an earlier life left counts no more."""
    os.makedirs(f"{whole}.d", exist_ok=True)
    with Lock(f"{whole}.lock"):
        for each in os.listdir(f"{whole}.d"):
            os.unlink(f"{whole}.d/{each}")
        files.replace(f"{whole}.conf", "")


def publish(whole: str, name: str, text: str) -> None:
    """Make one filesystem's fragment be `text`, and the whole what all fragments say."""
    with Lock(f"{whole}.lock"):
        files.replace(path(whole, name), text)
        # A name has no dot: what has one is a fragment that was never finished.
        names = sorted(each for each in os.listdir(f"{whole}.d") if "." not in each)
        files.replace(f"{whole}.conf", "".join(files.read(path(whole, each)) for each in names))


def forget(whole: str, name: str) -> None:
    """Remove a fragment; it was published empty before. One that is gone is gone."""
    try:
        os.unlink(path(whole, name))
    except FileNotFoundError:
        pass
