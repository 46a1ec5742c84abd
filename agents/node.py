"""What do the virtual servers on a node share, and who undoes it when?

Files in `/run/vsctl/_node` (no server's name begins with `_`), changed only
under one lock: the settings of the kernel that we changed and their former
values, and what the packet filter lets through.
"""

from __future__ import annotations

from vsctl.agents import files, paths
from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_DIRECTORY = f"{paths.RUN}/_node"


class locked:  # noqa: N801 - reads as a word: `with locked():`
    """Keep the other agents away from what the servers of a node share.

    BlockingIOError if one is at it and `wait` is not said.
    """

    def __init__(self, *, wait: bool = True) -> None:
        self._wait = wait

    def __enter__(self) -> None:
        import fcntl

        os.makedirs(_DIRECTORY, mode=0o700, exist_ok=True)
        self._file = os.open(f"{_DIRECTORY}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | (0 if self._wait else fcntl.LOCK_NB))
        except OSError:
            os.close(self._file)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def read(name: str) -> list[str]:
    """Return the lines of a shared file, none if it does not exist."""
    return read_lines(f"{_DIRECTORY}/{name}")


def write(name: str, lines: list[str]) -> None:
    """Replace a shared file; no lines, no file."""
    write_lines(f"{_DIRECTORY}/{name}", lines)


def read_lines(path: str) -> list[str]:
    return files.read(path).splitlines()


def write_lines(path: str, lines: list[str]) -> None:
    """Replace a file at one blow; no lines, no file."""
    if not lines:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        return
    files.replace(path, "".join(f"{line}\n" for line in lines))
