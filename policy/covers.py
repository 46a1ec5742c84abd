"""Which servers leave each too full node, and where do they all fit?

A node has few smallest sets of servers without which it is no longer too full.
Looking for a plan among these sets, and not among all servers, finds what
annealing over single moves passes by. The cheapest set of each node, added up,
is a bound that no plan can beat, where all moves cost the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from typing import TypeVar

from vsctl.policy.demands import Vector

T = TypeVar("T")

NOTHING = 1e-9
SETS = 300
"""So many sets of servers are looked at for each node, the cheapest first."""
LOOKED_AT = 20_000
"""So many are weighed to find them; what cannot be settled so has no sets, and is left to others."""
LARGEST = 5
HOT, COLD = 0.3, 0.01
"""How much more excess a step may leave at the beginning and at the end, as part of a usual server."""


class Covers:
    """`loads`, `here`, `nodes`, `costs`, `avoid` are of the servers, by number, `limits` of the nodes."""

    def __init__(
        self,
        loads: Sequence[Vector],
        here: Sequence[int],
        nodes: Sequence[Sequence[int]],
        costs: Sequence[float],
        avoid: Sequence[frozenset[int]],
        limits: Sequence[Vector],
        roll: Callable[[], float],
    ) -> None:
        self.loads, self.here, self.costs, self.avoid, self.limits = loads, here, costs, avoid, limits
        self.targets = [
            [node for node in nodes[number] if node != here[number]] for number in range(len(loads))
        ]
        self.roll = roll
        self.where = list(here)
        kinds = range(len(limits[0]))
        self.use: list[list[float]] = [[0.0 for _ in kinds] for _ in limits]
        self.on: list[list[int]] = [[] for _ in limits]
        for number, node in enumerate(here):
            self.on[node].append(number)
            for kind in kinds:
                self.use[node][kind] += loads[number][kind]
        self.over = [self._excess(node) for node in range(len(limits))]
        self.full = [node for node, each in enumerate(self.over) if each > NOTHING]
        self.sets = {node: self._sets(node) for node in self.full}
        self.others = [
            number for number, node in enumerate(here) if node not in self.sets and self.targets[number]
        ]

    @property
    def known(self) -> bool:
        """Say whether every too full node has sets to choose from."""
        return bool(self.full) and all(self.sets.values())

    @property
    def least(self) -> float:
        """Return what a plan costs at least, as far as sets are known."""
        return sum(each[0][0] for each in self.sets.values() if each)

    def _excess(self, node: int) -> float:
        total = 0.0
        for used, most in zip(self.use[node], self.limits[node]):  # noqa: B905 - this is the inner loop
            if used > most:
                total += used - most
        return total

    def _sets(self, node: int) -> list[tuple[float, tuple[int, ...]]]:
        """Return the cheapest sets of servers whose leaving is enough, the cheapest first."""
        over = [used - most for used, most in zip(self.use[node], self.limits[node], strict=True)]
        wanted = [kind for kind, each in enumerate(over) if each > NOTHING]
        free = [number for number in self.on[node] if self.targets[number]]
        # Who takes most off first: small sets are found early.
        free.sort(key=lambda each: -sum(min(self.loads[each][kind], over[kind]) for kind in wanted))
        largest = {
            kind: sorted((self.loads[each][kind] for each in free), reverse=True)[:LARGEST] for kind in wanted
        }
        looked = 0
        found: list[tuple[float, tuple[int, ...]]] = []

        def add(start: int, chosen: tuple[int, ...], left: list[float], size: int) -> None:
            nonlocal looked
            if all(left[kind] <= NOTHING for kind in wanted):
                found.append((sum(self.costs[each] for each in chosen), chosen))
                return
            more = size - len(chosen)
            if more == 0 or any(left[kind] > sum(largest[kind][:more]) for kind in wanted):
                return
            for at in range(start, len(free)):
                looked += 1
                if looked > LOOKED_AT:
                    return
                load = self.loads[free[at]]
                add(at + 1, (*chosen, free[at]), [one - load[kind] for kind, one in enumerate(left)], size)

        for size in range(1, LARGEST + 1):
            found.clear()
            add(0, (), over, size)
            if len(found) >= SETS // 10 or looked > LOOKED_AT:
                break
        found.sort(key=lambda each: (each[0], sum(sum(self.loads[number]) for number in each[1]), each[1]))
        return found[:SETS]

    def plan(self, budget: float, steps: int) -> list[int] | None:
        """Return a node for each server, with no node too full and all moves within the budget, if that is found."""
        if not self.known or budget < self.least - NOTHING:
            return None
        self._reset()
        chosen: dict[int, tuple[int, ...]] = {}
        left = budget
        for node, sets in self.sets.items():
            left -= sets[0][0]
            chosen[node] = sets[0][1]
            for number in sets[0][1]:
                self._put(number, self._best(number))
        extra: list[int] = []
        usual = sum(max(each) for each in self.loads) / len(self.loads)
        heat, cooling = HOT * usual, (COLD / HOT) ** (1 / steps)
        energy = sum(self.over)
        for _ in range(steps):
            if energy <= NOTHING and self._are_apart():
                return list(self.where)
            heat *= cooling
            undo: list[tuple[int, int]] = []
            dice, price = self.roll(), 0.0
            at, which = -1, -1
            new: tuple[int, ...] = ()
            if dice < 0.55:
                one = self._any(self._any(list(chosen.values())))
                self._move(one, self._any(self.targets[one]), undo)
            elif dice < 0.9:
                at = self._any(self.full)
                cost, new = self._any(self.sets[at])
                price = cost - sum(self.costs[each] for each in chosen[at])
                if price > left + NOTHING or new == chosen[at]:
                    continue
                for each in chosen[at]:
                    if each not in new:
                        self._move(each, at, undo)
                for each in new:
                    if self.where[each] == at:
                        self._move(each, self._best(each), undo)
            elif extra and dice < 0.95:
                which = self._any(extra)
                price = -self.costs[which]
                self._move(which, self.here[which], undo)
            elif self.others:
                which = self._any(self.others)
                price = self.costs[which]
                if which in extra or price > left + NOTHING:
                    continue
                self._move(which, self._best(which), undo)
            changed = sum(self.over)
            worse = changed - energy
            fine = all(self._alone(each) for each, _ in undo)
            if not undo or not fine or (worse > 0.0 and self.roll() >= exp(-worse / heat)):
                for each, back in reversed(undo):
                    self._put(each, back)
                continue
            energy, left = changed, left - price
            if at >= 0:
                chosen[at] = new
            elif price < 0.0:
                extra.remove(which)
            elif price > 0.0:
                extra.append(which)
        return list(self.where) if energy <= NOTHING and self._are_apart() else None

    def _reset(self) -> None:
        for number, node in enumerate(self.here):
            self._put(number, node)

    def _alone(self, number: int) -> bool:
        return all(self.where[other] != self.where[number] for other in self.avoid[number])

    def _are_apart(self) -> bool:
        """Say whether nobody was put beside whom it avoids: where the search begins it may have been."""
        return all(self._alone(number) for number, node in enumerate(self.where) if node != self.here[number])

    def _best(self, number: int) -> int:
        """Return the node that would be least too full with a server; of several any one."""
        load, best, least = self.loads[number], [self.targets[number][0]], None
        for node in self.targets[number]:
            grown = 0.0
            for used, more, most in zip(self.use[node], load, self.limits[node]):  # noqa: B905 - as above
                if used + more > most:
                    grown += used + more - most
            grown -= self.over[node]
            if least is None or grown < least - NOTHING:
                best, least = [node], grown
            elif grown <= least + NOTHING:
                best.append(node)
        return self._any(best)

    def _move(self, number: int, node: int, undo: list[tuple[int, int]]) -> None:
        if self.where[number] != node:
            undo.append((number, self.where[number]))
            self._put(number, node)

    def _put(self, number: int, node: int) -> None:
        before = self.where[number]
        if before == node:
            return
        load, old, new = self.loads[number], self.use[before], self.use[node]
        for kind, each in enumerate(load):
            old[kind] -= each
            new[kind] += each
        self.where[number] = node
        self.over[before], self.over[node] = self._excess(before), self._excess(node)

    def _any(self, among: Sequence[T]) -> T:
        return among[int(self.roll() * len(among))]
