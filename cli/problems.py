"""What is wrong with what the operator wrote, and where?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """A note is worth knowing and stops nothing."""

    PROBLEM = "problem"
    NOTE = "note"


@dataclass(frozen=True)
class Problem:
    """One sentence about one line of a file; line 0 is the file as a whole.

    `advice` is a note on what could be better: for who asks, not for whoever uses the file.
    """

    file: str
    line: int
    sentence: str
    severity: Severity = Severity.PROBLEM
    advice: bool = False

    @property
    def is_note(self) -> bool:
        return self.severity is Severity.NOTE

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.place}: {'note: ' if self.is_note else ''}{self.sentence}"
