"""What did a client that wrote all the time go through?"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from itertools import pairwise

RECORD = 32


@dataclass(frozen=True)
class Write:
    """One synced write, or the lock (number 0)."""

    number: int
    begin: float
    end: float
    error: int

    def __str__(self) -> str:
        what = f"write {self.number}" if self.number else "the lock"
        return f"{what}: {errno.errorcode.get(self.error, 'no error')} after {self.end - self.begin:.3f} s"


@dataclass(frozen=True)
class Gap:
    """The longest time in which no write was acknowledged."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True)
class Journal:
    """The lock and the writes of one client, in order."""

    writes: tuple[Write, ...]

    @classmethod
    def read(cls, text: str, shift: float = 0.0) -> Journal:
        """Read what `inside/hold.py` has told so far, its times moved by `shift` seconds.

        A last line that is not whole is left out.
        """
        return cls(tuple(_write(line, shift) for line in text.splitlines(keepends=True) if line.endswith("\n")))

    @property
    def errors(self) -> tuple[Write, ...]:
        return tuple(write for write in self.writes if write.error)

    @property
    def acknowledged(self) -> tuple[Write, ...]:
        return tuple(write for write in self.writes if write.number and not write.error)

    @property
    def gap(self) -> Gap:
        """The longest pause between two acknowledged writes. ValueError if there are fewer than two."""
        pauses = (Gap(one.end, next_one.end) for one, next_one in pairwise(self.acknowledged))
        return max(pauses, key=lambda gap: gap.seconds)

    def missing_from(self, content: bytes) -> tuple[Write, ...]:
        """Name the acknowledged writes that a file with this content does not hold."""
        return tuple(write for write in self.acknowledged if _record(content, write) != b"%31d\n" % write.number)


def _record(content: bytes, write: Write) -> bytes:
    return content[(write.number - 1) * RECORD : write.number * RECORD]


def _write(line: str, shift: float) -> Write:
    number, begin, end, error = line.split()
    return Write(int(number), float(begin) + shift, float(end) + shift, int(error))
