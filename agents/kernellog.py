"""What has the kernel said since?"""

from __future__ import annotations

from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LOG = "/dev/kmsg"
_RECORD = 8192
"""The longest record of the kernel's log, in bytes."""
_OVERWRITTEN = 32
"""EPIPE: more was said than the kernel keeps."""


def at_end() -> int | None:
    """Open the kernel's log at its end; None where there is none."""
    try:
        log = os.open(_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(log, 0, os.SEEK_END)
    except OSError:
        return None
    return log


def read(log: int) -> list[str]:
    """Return the sentences that have come since; OSError if no more ever will."""
    return [sentence(each) for each in _records(log)]


def lately(seconds: float) -> list[str]:
    """Return what the kernel has said in so many seconds until its last word."""
    log = os.open(_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    records = list(_records(log))
    os.close(log)
    first = when(records[-1]) - seconds if records else 0.0
    return [sentence(each) for each in records if when(each) >= first]


def _records(log: int) -> Iterator[str]:
    while True:
        try:
            yield os.read(log, _RECORD).decode(errors="replace")
        except BlockingIOError:
            return
        except OSError as problem:
            if problem.errno != _OVERWRITTEN:
                raise


def sentence(record: str) -> str:
    """Return what a record of the log says: `3,1,2,-;words`, a newline, and more about the device."""
    return record.partition(";")[2].partition("\n")[0]


def when(record: str) -> float:
    """Return the time of a record, in seconds of a clock of the kernel's own."""
    return int(record.split(",", 3)[2]) / 1e6
