"""What does each server need, and what can each node carry?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf

Vector = tuple[float, ...]
"""An amount of each kind of load, such as processors, bytes of memory, bits a second; all in the same order."""


@dataclass(frozen=True)
class Demand:
    """What a server needs. `nodes` are those it may be on, `here` is None if it runs nowhere.

    A pinned one stays where it is; if it runs nowhere `nodes` are its home. `cost`,
    above 0, is what a move costs its clients, in any unit.
    """

    server: str
    load: Vector
    nodes: tuple[str, ...]
    here: str | None = None
    cost: float = 1.0
    priority: int = 0
    pinned: bool = False
    apart_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class Supply:
    """What a node can carry of each kind, above 0; with `hard` never more than that.

    `soft` are the numbers of kinds for which that is not so.
    """

    node: str
    capacity: Vector
    hard: bool = False
    soft: frozenset[int] = frozenset()

    @cached_property
    def ceiling(self) -> Vector:
        """What it must not carry more than."""
        return tuple(
            most if self.hard and kind not in self.soft else inf for kind, most in enumerate(self.capacity)
        )
