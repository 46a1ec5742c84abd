"""Who gets a place when not everybody has one, or when room is short?

The highest priority first. Everybody keeps the node it is on if it may be
there, what it keeps apart from is not, and a hard capacity leaves room beside
servers of the same or a higher priority. Where a node is chosen, it is the one
that will be emptiest. For a server that fits nowhere, one other is moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsctl.policy.demands import Demand, Supply, Vector

ROUNDING = 1e-9


@dataclass(frozen=True)
class Rooms:
    """For each server its node, None where none can carry it; `reasons` of all that are not where they were."""

    where: Mapping[str, str | None]
    reasons: Mapping[str, str]


def assign(demands: Sequence[Demand], supplies: Sequence[Supply], where: Mapping[str, str | None]) -> Rooms:
    """Return a place for every server. `where` each is now; what is on a node that is not there has none."""
    rooms = _Rooms(demands, supplies, where)
    order = sorted(
        demands,
        key=lambda each: (
            -each.priority,
            not each.pinned,
            where.get(each.server) is None,
            len(each.nodes),
            -max(each.load, default=0.0),
        ),
    )
    for demand in order:
        rooms.settle(demand)
    for demand in reversed(order):
        rooms.separate(demand)
    return Rooms({each.server: rooms.found[each.server] for each in demands}, rooms.reasons)


class _Rooms:
    def __init__(
        self, demands: Sequence[Demand], supplies: Sequence[Supply], where: Mapping[str, str | None]
    ) -> None:
        self.by_name = {each.server: each for each in demands}
        self.supplies = {each.node: each for each in supplies}
        self.where = where
        self.found: dict[str, str | None] = {}
        self.reasons: dict[str, str] = {}
        self.avoid = mutual(demands)
        nothing = (0.0,) * max((len(each.capacity) for each in supplies), default=0)
        self.taken: dict[str, Vector] = dict.fromkeys(self.supplies, nothing)
        """By those who have their place already."""
        self.expected: dict[str, Vector] = dict.fromkeys(self.supplies, nothing)
        """By all who run, and those who have their place already."""
        for demand in demands:
            node = where.get(demand.server)
            if node is not None:
                self.expected[node] = add(self.expected[node], demand.load)

    def settle(self, demand: Demand) -> None:
        here = self.where.get(demand.server)
        if here is not None:
            self.expected[here] = add(self.expected[here], demand.load, -1.0)
        allowed = (here,) if demand.pinned and here is not None else demand.nodes
        if (
            here in allowed
            and here is not None
            and self.fits(demand, here)
            and not self.company(demand, here)
        ):
            self._put(demand, here)
            return
        fitting = [node for node in allowed if self.fits(demand, node)]
        lonely = [node for node in fitting if not self.company(demand, node)]
        if here is not None and here in fitting and not lonely:
            self._put(demand, here)
        elif fitting:
            self._put(demand, min(lonely or fitting, key=lambda node: self._crowd(demand, node)))
            self.reasons[demand.server] = self._why(demand, here, fitting)
        elif not self._make_room(demand, allowed):
            self.found[demand.server] = None
            self.reasons[demand.server] = self._why_nowhere(demand, allowed)

    def separate(self, demand: Demand) -> None:
        """Let a server leave company that came after it, if there is a node without any."""
        node = self.found[demand.server]
        if node is None or demand.pinned or not self.avoid[demand.server]:
            return
        company = self.company(demand, node)
        if not company:
            return
        self._take(demand)
        lonely = [each for each in demand.nodes if self.fits(demand, each) and not self.company(demand, each)]
        target = min(lonely, key=lambda each: self._crowd(demand, each)) if lonely else node
        self._put(demand, target)
        if target != node:
            self.reasons.setdefault(demand.server, f"it keeps apart from {' and '.join(company)}")

    def fits(self, demand: Demand, node: str) -> bool:
        supply = self.supplies[node]
        if not supply.hard:
            return True
        after = add(self.taken[node], demand.load)
        return all(used <= most + ROUNDING for used, most in zip(after, supply.ceiling, strict=True))

    def company(self, demand: Demand, node: str) -> tuple[str, ...]:
        """Return who is on a node, or is pinned to it, that a server keeps apart from."""
        return tuple(
            other
            for other in self.avoid[demand.server]
            if (self.found.get(other, self.where.get(other) if self.by_name[other].pinned else None)) == node
        )

    def _put(self, demand: Demand, node: str) -> None:
        self.found[demand.server] = node
        self.taken[node] = add(self.taken[node], demand.load)
        self.expected[node] = add(self.expected[node], demand.load)

    def _take(self, demand: Demand) -> str:
        node = self.found[demand.server]
        assert node is not None
        self.taken[node] = add(self.taken[node], demand.load, -1.0)
        self.expected[node] = add(self.expected[node], demand.load, -1.0)
        return node

    def _crowd(self, demand: Demand, node: str) -> tuple[bool, float]:
        """Return whether somebody would have to leave a node for a server, and how full it would be."""
        supply, after = self.supplies[node], add(self.expected[node], demand.load)
        over = any(used > most + ROUNDING for used, most in zip(after, supply.ceiling, strict=True))
        return over, fullest(after, supply.capacity)

    def _make_room(self, demand: Demand, allowed: Sequence[str]) -> bool:
        """Move one that has its place already elsewhere, if a server fits then."""
        for node in allowed:
            there = [self.by_name[name] for name, at in self.found.items() if at == node]
            for other in sorted(there, key=lambda each: (each.cost, each.server)):
                if other.pinned:
                    continue
                self._take(other)
                if self.fits(demand, node) and not self.company(demand, node):
                    elsewhere = [
                        each
                        for each in other.nodes
                        if each != node and self.fits(other, each) and not self.company(other, each)
                    ]
                    if elsewhere:
                        self._put(other, min(elsewhere, key=lambda each: self._crowd(other, each)))
                        self.reasons[other.server] = f"{node} has room for {demand.server} only without it"
                        self._put(demand, node)
                        if self.where.get(demand.server) != node:
                            self.reasons[demand.server] = self._why(
                                demand, self.where.get(demand.server), [node]
                            )
                        return True
                self._put(other, node)
        return False

    def _why(self, demand: Demand, here: str | None, fitting: Sequence[str]) -> str:
        if here is None:
            return "it runs nowhere"
        if here not in demand.nodes:
            return f"it may not be on {here}"
        company = self.company(demand, here)
        if here in fitting and company:
            return f"it keeps apart from {' and '.join(company)}"
        return f"{here} cannot carry it beside servers of the same or a higher priority"

    def _why_nowhere(self, demand: Demand, allowed: Sequence[str]) -> str:
        if not allowed:
            return "none of the nodes that it may be on is there"
        return f"{' or '.join(allowed)} cannot carry it beside servers of the same or a higher priority"


def mutual(demands: Sequence[Demand]) -> dict[str, tuple[str, ...]]:
    """Return for each server those that it keeps apart from or that keep apart from it."""
    found: dict[str, dict[str, None]] = {each.server: {} for each in demands}
    for demand in demands:
        for other in demand.apart_from:
            if other in found and other != demand.server:
                found[demand.server][other] = None
                found[other][demand.server] = None
    return {server: tuple(others) for server, others in found.items()}


def add(one: Vector, other: Vector, times: float = 1.0) -> Vector:
    return tuple([each + times * more for each, more in zip(one, other, strict=True)])


def fullest(use: Vector, capacity: Vector) -> float:
    """Return how full a node is in its fullest kind."""
    return max((used / most for used, most in zip(use, capacity, strict=True) if most > 0.0), default=0.0)
