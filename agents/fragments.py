"""How do the filesystems of a server write one configuration together?

Each has a fragment of its own in `<what>.d`; `<what>.conf` is all of them.
Actions of several filesystems run at the same time: a lock lets one change
the whole at a time, until the daemon has understood it.
"""

from __future__ import annotations

from vsctl.agents import system as os


class Lock:
    """Let one process at a time into a `with` on the same file, which is made if need be."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        import fcntl

        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self.file.close()


def path(whole: str, name: str) -> str:
    """Return the fragment of one filesystem; it exists as long as the filesystem is to be served."""
    return f"{whole}.d/{name}"


def begin(whole: str) -> None:
    """Start with no fragments: what a crash or an earlier life left counts no more."""
    os.makedirs(f"{whole}.d", exist_ok=True)
    for each in os.listdir(f"{whole}.d"):
        os.unlink(f"{whole}.d/{each}")
    write(f"{whole}.conf", "")


def publish(whole: str, name: str, text: str) -> None:
    """Make one filesystem's fragment be `text`, and the whole what all fragments say."""
    write(path(whole, name), text)
    parts = (
        read(f"{whole}.d/{each}") for each in sorted(os.listdir(f"{whole}.d")) if not each.startswith(".")
    )
    write(f"{whole}.conf", "".join(parts))


def read(file: str) -> str:
    """Return what a file says; nothing if it is not there."""
    try:
        with open(file) as text:
            return text.read()
    except FileNotFoundError:
        return ""


def write(file: str, text: str) -> None:
    """Replace a file at one blow."""
    directory, _, name = file.rpartition("/")
    with open(f"{directory}/.{name}", "w") as new:
        new.write(text)
    os.replace(f"{directory}/.{name}", file)
