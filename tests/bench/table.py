"""What was measured, and how does it look on an 80-column terminal?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf, isfinite
from statistics import median
from typing import Any

WHAT, FIGURE, RATIO = 25, 17, 5


@dataclass(frozen=True)
class Row:
    """One quantity, trial by trial. `target` is what we want to see, in words; `peer` may be empty, inf is never."""

    what: str
    unit: str
    ours: tuple[float, ...]
    peer: tuple[float, ...] = ()
    target: str = ""

    @property
    def ratio(self) -> float | None:
        """Our median by the peer's; None without one or where the peer's is nothing or never."""
        if not self.ours or not self.peer or not median(self.peer) or not isfinite(median(self.peer)):
            return None
        return median(self.ours) / median(self.peer)

    def line(self) -> str:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        what = f"{self.what} {self.unit}" if self.unit else self.what
        return (
            f"{what:<{WHAT}} {_figure(self.ours):>{FIGURE}} {_figure(self.peer):>{FIGURE}} "
            f"{ratio:>{RATIO}} {self.target}"
        ).rstrip()


@dataclass(frozen=True)
class Table:
    """The rows of one part, what was compared, and what a reader has to know."""

    title: str
    ours: str
    peer: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    load: float = 0.0

    def text(self) -> str:
        head = f"{'median (min-max)':<{WHAT}} {self.ours:>{FIGURE}} {self.peer:>{FIGURE}} {'ratio':>{RATIO}} target"
        lines = [self.title, "-" * len(self.title), head, *(each.line() for each in self.rows)]
        return "\n".join([*lines, *self.notes, f"Load average {self.load:.1f}."]) + "\n"

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        rows = [{**asdict(each), "peer": _plain(each.peer), "ratio": each.ratio} for each in self.rows]
        return {**asdict(self), "rows": rows}


def _plain(values: tuple[float, ...]) -> tuple[float | str, ...]:
    """Return what JSON has a way to say."""
    return tuple("never" if each == inf else each for each in values)


def _figure(values: tuple[float, ...]) -> str:
    if not values:
        return "-"
    if len(values) == 1:
        return _number(values[0])
    return f"{_number(median(values))} ({_number(min(values))}-{_number(max(values))})"


def _number(value: float) -> str:
    if value == inf:
        return "never"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
