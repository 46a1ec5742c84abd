"""What does a node do about another one that is stuck and does nothing about it?

A node on which servers are stuck empties itself and has itself fenced
(`stuck`). Its daemon may be unable to: dead and not to be started again, or
waiting for the very storage. Then another node's daemon sets the same
attributes for it, by the same rules. Whether a daemon lives the others see in
its private attribute `storage-watch`, which changes every few seconds as long as it
has lost storage and asks the cluster what is stuck.

Which node acts is nobody's decision: each waits longer the later it comes by
name, so that one is enough, and none is missed.

Pure: what was heard and the clock in, a verdict out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vsctl.agents.noded.stuck import EMPTY, FENCE, NOTHING, PATIENCE

BEAT = 3.0
"""Seconds after which a daemon that watches lost storage says that it lives."""
SILENCE = 12.0
"""Seconds without that until the first deputy acts,"""
STEP = 6.0
"""and so many more for each one before it by name."""


@dataclass(frozen=True)
class Case:
    """A node with stuck servers: what its daemon said last, since when, and since when it is to be empty."""

    beat: str
    since: float
    emptying: float | None = None


def observed(case: Case | None, beat: str, now: float, *, emptying: bool) -> Case:
    """Take in what the daemon of a stuck node says now."""
    if case is None or case.beat != beat:
        case = Case(beat, now, None if case is None else case.emptying)
    begun = case.emptying if case.emptying is not None else now
    return replace(case, emptying=begun if emptying else None)


def is_due(case: Case, rank: int, now: float) -> bool:
    """Say whether the daemon has been silent for so long that a deputy acts, before which `rank` others come."""
    return now - case.since >= SILENCE + rank * STEP


def verdict(case: Case, now: float, most: str) -> str:
    """Say what is to be done to a node, whose end frees a server, in the place of its own daemon.

    `most` is what may be done to the node (`stuck.turn`). What is still there is
    not seen from here: the others get all their time to leave.
    """
    if most == NOTHING:
        return NOTHING
    left = case.emptying is not None and now - case.emptying >= PATIENCE
    return FENCE if left and most == FENCE else EMPTY
