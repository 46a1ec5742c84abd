"""Has this node gone down because a storage unit hung, and how long has it to do without that unit now?

A node whose unit hangs is fenced. All that its daemon knew of it was in /run: after the
boot the unit looks well, servers come back, and where storage comes and goes the node is
fenced again, and again. The diary is not in /run. So at the first start after a boot each unit that hung
last is written down as having ended the node, and from the second such end within a day on a unit has to work
for ever longer until it counts, here alone: its servers stay where they are meanwhile, and no others are concerned.
"""

from __future__ import annotations

from collections.abc import Iterable

from vsctl.agents.noded import commands, storage
from vsctl.agents.noded.diary import FILE, Diary
from vsctl.agents.noded.judge import Record
from vsctl.agents.noded.loop import Loop

KIND = "storage"
ENDED, RELEASED = "ended", "released"
"""What the diary says of a unit that hung when the node went down, and of one that an operator has called all right."""
DAY = 24 * 3600.0
"""Seconds for which an end counts; a clock that was wrong after a boot makes it count for longer."""
FIRST, GROWTH, LONGEST = 300.0, 4, 6 * 3600.0
"""Seconds that a unit has to work after the second end, how many times as long after each further one, and at most."""


def hold(ends: int) -> float:
    """Return how long a unit has to work after so many ends of its node, in seconds."""
    return min(FIRST * float(GROWTH) ** min(ends - 2, 30), LONGEST) if ends > 1 else 0.0


def count(history: Iterable[tuple[float, str]], wall: float) -> int:
    """Return how often a unit has ended the node lately, since an operator has called it all right; oldest first."""
    ends = 0
    for when, state in history:
        if state == RELEASED:
            ends = 0
        elif state == ENDED and wall - when < DAY:
            ends += 1
    return ends


def after_boot(diary: Diary, wall: float, now: float) -> dict[str, Record]:
    """Write down which units have ended this node; return what is known of those that have to work for longer.

    `wall` is in seconds since the epoch, `now` the clock of records.
    """
    found = {}
    for unit, state in diary.known(KIND).items():
        if state == storage.HUNG:
            diary.write(KIND, unit, ENDED, wall)
        if seconds := hold(count(diary.history(KIND, unit), wall)):
            found[unit] = Record(works=False, since=now, good=False, hold=seconds)
    return found


def keep(loop: Loop) -> None:
    """Have the diary reach the disk, without waiting for it: the node may be fenced soon."""
    commands.start(loop, ["sync", FILE], lambda *_: None)
