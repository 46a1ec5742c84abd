"""Does this node reach a storage unit?

A unit is what is lost at one blow, so one read at a time of one of its devices
in turn is enough. One error proves nothing: lost is a unit when most of its last reads
were errors, or when a read has not come back for so long that nobody who
uses the unit gets on. A read that comes back late is slow, which is said,
and loses nothing. When a lost unit is reached again is `judge`'s business,
as with ports: it has to work for a while first.

Pure: what was read and the clock in, a verdict out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vsctl.agents.noded import judge
from vsctl.agents.noded.judge import Record

LAST = 4
"""So many reads count,"""
ERRORS = 3
"""and a unit is lost when so many of them were errors."""
SLOW = 1.0
"""Seconds after which a read is slow,"""
DEAD = 5.0
"""and after which one that has not come back has lost the unit."""

CALM = 10.0
"""Seconds that a unit which was slow, or did not answer every read, has to be well before it is called good."""

GOOD, SLOWLY, FAILING, LOST, HUNG, WAITING, UNKNOWN = (
    "good",
    "slow",
    "failing",
    "lost",
    "hung",
    "waiting",
    "unknown",
)


@dataclass(frozen=True)
class Answer:
    """What came of one read: after how many seconds, and what was wrong, nothing if it is empty."""

    took: float
    problem: str = ""


@dataclass(frozen=True)
class Reads:
    """The last reads of one unit, oldest first; `asked` is when the one began that has not come back."""

    answers: tuple[Answer, ...] = ()
    asked: float | None = None

    def begun(self, now: float) -> Reads:
        return replace(self, asked=now)

    def answered(self, answer: Answer) -> Reads:
        return Reads((*self.answers, answer)[-LAST:])

    @property
    def problem(self) -> str:
        """What was wrong with the last read that failed, of those that count."""
        return next((each.problem for each in reversed(self.answers) if each.problem), "")


def works(reads: Reads, now: float) -> bool | None:
    """Say whether a unit is reached now; None is no news: too early, or not certain."""
    if _waited(reads, now) >= DEAD:
        return False
    errors = sum(bool(each.problem) for each in reads.answers)
    if errors >= ERRORS:
        return False
    if not reads.answers or reads.answers[-1].problem or _waited(reads, now) >= SLOW:
        return None
    return True


def state(record: Record, reads: Reads, now: float) -> str:
    """Say in a word how a unit is."""
    if _waited(reads, now) >= DEAD:
        return HUNG
    if record.good is None:
        return UNKNOWN
    if not record.works:
        return LOST
    if not record.good:
        return WAITING
    if reads.problem:
        return FAILING
    slow = _waited(reads, now) >= SLOW or any(each.took >= SLOW for each in reads.answers)
    return SLOWLY if slow else GOOD


def told(before: str, state: str, good_since: float, now: float) -> str:
    """Say in a word how a unit is called: one that is slow every now and then is slow, and does not fill logs."""
    calm = state != GOOD or now - good_since >= CALM
    return before if before in (SLOWLY, FAILING) and not calm else state


def sentence(unit: str, state: str, reads: Reads, record: Record, now: float) -> str:
    """Tell an operator how a unit is."""
    if state == HUNG:
        return f"storage {unit} does not answer: a read has waited for {_waited(reads, now):.0f} s"
    if state == LOST:
        return f"storage {unit} is lost: {reads.problem or 'it does not answer'}"
    if state == FAILING:
        return f"storage {unit} does not answer every read: {reads.problem}"
    if state == SLOWLY:
        longest = max([_waited(reads, now), *(each.took for each in reads.answers)])
        return f"storage {unit} is slow: a read takes {longest:.1f} s"
    if state == WAITING:
        return f"storage {unit} answers again, and counts from {judge.usable_at(record, now) - now:.0f} s on"
    return f"storage {unit} answers"


def attributes(records: Mapping[str, Record]) -> list[tuple[str, str]]:
    """Return the node attributes of the units of which something is known, lost ones first."""
    known = {unit: record.good for unit, record in records.items() if record.good is not None}
    return [
        (f"storage-{unit}", str(int(good))) for unit, good in sorted(known.items(), key=lambda each: each[1])
    ]


def unsteady(records: Mapping[str, Record], now: float) -> list[str]:
    """Return the units that are reached again, but have been lost too lately to be relied on.

    One that is only held back, for what it did before a boot, answers as well as any.
    """
    return [
        unit
        for unit, record in records.items()
        if record.works and not record.good and now < judge.calm_at(record, now)
    ]


def until_dead(reads: Reads, now: float) -> float:
    """Return in how many seconds the read that has not come back loses the unit."""
    return DEAD - _waited(reads, now)


def _waited(reads: Reads, now: float) -> float:
    return 0.0 if reads.asked is None else now - reads.asked
