"""What has the kernel said since?"""

from __future__ import annotations

from vsctl.agents import system as os

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
    found: list[str] = []
    while True:
        try:
            record = os.read(log, _RECORD)
        except BlockingIOError:
            return found
        except OSError as problem:
            if problem.errno != _OVERWRITTEN:
                raise
        else:
            found.append(sentence(record.decode(errors="replace")))


def sentence(record: str) -> str:
    """Return what a record of the log says: `3,1,2,-;words`, a newline, and more about the device."""
    return record.partition(";")[2].partition("\n")[0]
