"""Which moves bring every node below its limit at least cost?

A plain greedy search comes first: from the fullest node, the move that takes
most excess away for its cost. On large clusters that is as good as the proven
minimum. On small ones it needs a few moves too many, because few servers are on
a node and the room on the others is odd: there a plan within a smaller budget
is looked for by simulated annealing, among the sets of servers that may leave
each node (`covers`) and among single moves, and the smallest budget that will
do is found by halving. What it may try is counted, not timed, and its dice are
always the same, so that the same input gives the same output.

Everything is numbered here, and loads are plain tuples: this is the one place
where 10000 servers have to be looked at in a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp

from vsctl.policy.covers import Covers
from vsctl.policy.demands import Vector

NOTHING = 1e-9
"""Loads are sums of fractions: a smaller difference is none."""
MANY = 1000
"""With more servers than this greedy moves are as few as can be (measured), and nothing cheaper is looked for."""
STEPS = 40_000
STEPS_A_MOVE = 50
ROUNDS = 6
PACKING_STEPS = 40_000
"""So many steps are weighed for one budget, less where few moves are possible; so many budgets are tried."""
HOT, COLD = 0.2, 0.02
"""How much more excess a step may leave at the beginning and at the end of a search, as part of a usual server."""
LEAST_RELIEF = 0.02
"""Where the excess cannot be taken away, another plan has to take away this part of it more to be better."""


@dataclass(frozen=True)
class Item:
    """A server: its load, where it is, the nodes it may go to (none if it may not move), what a move costs."""

    load: Vector
    here: int
    nodes: tuple[int, ...]
    cost: float
    avoid: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Bin:
    """A node: the load that it should not exceed, and the one that it must not."""

    limit: Vector
    ceiling: Vector | None = None


def level(items: Sequence[Item], bins: Sequence[Bin], *, worth: float = 0.0) -> list[int]:
    """Return the node of each item, with least cost of moves among those that leave no excess.

    Where the excess cannot be taken away it is made small. A move that takes
    less than `worth` times its cost away is not made. From what is returned
    nothing more is moved.
    """
    board = _Board(items, bins)
    board.relieve(worth)
    while len(items) <= MANY and _Search(board).improve(worth):
        board.relieve(worth)
    return board.where


class _Board:
    """Where everything is just now, and how much every node has too much."""

    def __init__(self, items: Sequence[Item], bins: Sequence[Bin]) -> None:
        self.items, self.bins = items, bins
        self.limits = [each.limit for each in bins]
        self.where = [each.here for each in items]
        self.on: list[set[int]] = [set() for _ in bins]
        sums = [[0.0] * len(each.limit) for each in bins]
        for number, item in enumerate(items):
            self.on[item.here].add(number)
            total = sums[item.here]
            for kind, amount in enumerate(item.load):
                total[kind] += amount
        self.use: list[Vector] = [tuple(each) for each in sums]
        self.over = [_excess(use, limit) for use, limit in zip(self.use, self.limits, strict=True)]
        self.moved: set[int] = set()

    @property
    def cost(self) -> float:
        return sum(self.items[each].cost for each in sorted(self.moved))

    @property
    def excess(self) -> float:
        return sum(self.over)

    def put(self, number: int, node: int) -> None:
        item, origin = self.items[number], self.where[number]
        if origin == node:
            return
        self.on[origin].discard(number)
        self.on[node].add(number)
        self.where[number] = node
        self._set(origin, _less(self.use[origin], item.load))
        self._set(node, _more(self.use[node], item.load))
        if node == item.here:
            self.moved.discard(number)
        else:
            self.moved.add(number)

    def _set(self, node: int, use: Vector) -> None:
        self.use[node] = use
        self.over[node] = _excess(use, self.limits[node])

    def may(self, number: int, node: int) -> bool:
        """Say whether nothing that the item avoids is on a node, and the node can carry it at all."""
        item, ceiling = self.items[number], self.bins[node].ceiling
        if any(self.where[each] == node for each in item.avoid):
            return False
        return ceiling is None or _excess(_more(self.use[node], item.load), ceiling) <= NOTHING

    def fullest(self) -> list[int]:
        """Return the nodes with excess, the worst first."""
        over = self.over
        return sorted(
            (node for node, each in enumerate(over) if each > NOTHING), key=lambda node: (-over[node], node)
        )

    def leaving(self, node: int) -> list[tuple[float, int]]:
        """Return what each item would take off the excess of a node, and the item, most first."""
        use, over, limit = self.use[node], self.over[node], self.limits[node]
        return sorted(
            (
                (over - _excess(_less(use, self.items[each].load), limit), each)
                for each in self.on[node]
                if self.items[each].nodes
            ),
            key=lambda found: (-found[0], found[1]),
        )

    def relieve(self, worth: float) -> None:
        """Move from the fullest node what helps most for its cost, until nothing helps."""
        while True:
            for node in self.fullest():
                step = self._best_from(node, worth)
                if step:
                    self.put(*step)
                    break
            else:
                return

    def _best_from(self, node: int, worth: float) -> tuple[int, int] | None:
        best, rate = None, 0.0
        for gain, number in self.leaving(node):
            item = self.items[number]
            least = max(rate, worth) * item.cost + NOTHING
            if gain <= least:
                continue
            for target in item.nodes:
                if target == node:
                    continue
                grown = _excess(_more(self.use[target], item.load), self.limits[target])
                left = gain - (grown - self.over[target])
                if left > least and self.may(number, target):
                    best, rate = (number, target), left / item.cost
                    least = max(rate, worth) * item.cost + NOTHING
        return best


class _Search:
    """Looks for a plan that is better than the one on the board: less excess, or as little for less cost."""

    def __init__(self, board: _Board) -> None:
        self.board = board
        self.free = [number for number, each in enumerate(board.items) if each.nodes]
        self.usual = sum(max(each.load) for each in board.items) / len(board.items)
        possible = sum(len(board.items[each].nodes) for each in self.free)
        self.steps = min(STEPS, STEPS_A_MOVE * possible, 100 * STEPS // len(board.items))
        self.dice = 20261122
        self.best = list(board.where)
        self.cost, self.excess = board.cost, board.excess

    def improve(self, worth: float) -> bool:
        """Leave the best plan found on the board, and say whether it leaves less excess than before."""
        excess, cost, before = self.excess, self.cost, list(self.best)
        if not self.free or not self.usual:
            return False
        if excess > NOTHING:
            self._anneal(1.5 * cost + 2 * max(self.board.items[each].cost for each in self.free))
            if excess - self.excess < max(LEAST_RELIEF * excess, worth * (self.cost - cost)):
                self.best, self.cost, self.excess = before, cost, excess
        if self.excess <= NOTHING < self.cost:
            self._save()
        for number, node in enumerate(self.best):
            self.board.put(number, node)
        return excess - self.excess > NOTHING

    def _save(self) -> None:
        """Look for less cost, halfway between the least there can be and that of the best plan, and again."""
        costs = {self.board.items[each].cost for each in self.free}
        grain = min(costs) if len(costs) == 1 else self.cost / 20
        covers = self._covers()
        bound = least = max(self._least_cost(), covers.least)
        for _ in range(ROUNDS):
            if round((self.cost - least) / grain) < 1:
                # What was not found within a budget may be there all the same.
                least = max(bound, self.cost - grain)
            steps = round((self.cost - least) / grain)
            if steps < 1:
                return
            budget = least + (steps - 1) // 2 * grain
            if not self._pack(covers, budget) and not self._anneal(budget):
                least = budget + grain

    def _covers(self) -> Covers:
        items = self.board.items
        return Covers(
            [each.load for each in items],
            [each.here for each in items],
            [each.nodes for each in items],
            [each.cost for each in items],
            [each.avoid for each in items],
            self.board.limits,
            self._roll,
        )

    def _pack(self, covers: Covers, budget: float) -> bool:
        """Look for a plan within a budget that leaves no excess, among the sets that may leave each node."""
        found = covers.plan(budget, PACKING_STEPS)
        if found is None:
            return False
        self.best = found
        for number, node in enumerate(found):
            self.board.put(number, node)
        self.cost, self.excess = self.board.cost, self.board.excess
        return True

    def _anneal(self, budget: float) -> bool:
        """Look for a plan within a budget that leaves less excess, or none; remember it and say so."""
        board, items, dice = self.board, self.board.items, self._roll
        self._begin(budget)
        moved, left, excess = sorted(board.moved), budget - board.cost, board.excess
        least = max(self.excess, 2 * NOTHING)
        steps, heat, cooling = self.steps, HOT * self.usual, (COLD / HOT) ** (1 / self.steps)
        for _ in range(steps):
            heat *= cooling
            number = self._any(moved) if moved and dice() < 0.4 else self._any(self.free)
            item, origin, node = items[number], board.where[number], self._any(items[number].nodes)
            if node == origin or (origin == item.here and board.over[origin] <= 0.0 and dice() < 0.8):
                continue
            price = item.cost * ((node != item.here) - (origin != item.here))
            back = None
            if price > 0.0 and (price > left + NOTHING or dice() < 0.1):
                # One more does not fit the budget: instead of one of those made.
                back = self._any(moved) if moved else number
                price -= items[back].cost
                if back == number or price > left + NOTHING:
                    continue
            changed = self._changed(number, node, back)
            over = {each: _excess(use, board.limits[each]) for each, use in changed.items()}
            worse = sum(over.values()) - sum(board.over[each] for each in over)
            if worse > 0.0 and dice() >= exp(-worse / heat):
                continue
            if not self._allowed(number, node, back):
                continue
            if back is not None:
                board.put(back, items[back].here)
                moved.remove(back)
            board.put(number, node)
            if origin == item.here:
                moved.append(number)
            elif node == item.here:
                moved.remove(number)
            left -= price
            excess += worse
            if excess <= least - NOTHING:
                least, self.best = excess, list(board.where)
                self.cost, self.excess = board.cost, board.excess
                if excess <= NOTHING:
                    return True
        return False

    def _begin(self, budget: float) -> None:
        """Put the best plan on the board, without the moves that matter least where it costs too much."""
        board = self.board
        for number, node in enumerate(self.best):
            board.put(number, node)
        while board.cost > budget + NOTHING:
            without = []
            for number in sorted(board.moved):
                node = board.where[number]
                board.put(number, board.items[number].here)
                without.append((board.excess, number))
                board.put(number, node)
            number = min(without)[1]
            board.put(number, board.items[number].here)

    def _changed(self, number: int, node: int, back: int | None) -> dict[int, Vector]:
        """Return what is used on the nodes concerned when an item has moved, and another one has gone back."""
        board = self.board
        origin, load = board.where[number], board.items[number].load
        changed = {origin: _less(board.use[origin], load), node: _more(board.use[node], load)}
        if back is not None:
            there, home, load = board.where[back], board.items[back].here, board.items[back].load
            changed[there] = _less(changed.get(there, board.use[there]), load)
            changed[home] = _more(changed.get(home, board.use[home]), load)
        return changed

    def _allowed(self, number: int, node: int, back: int | None) -> bool:
        """Say whether the item may go, once the other one has gone back, which must be allowed itself."""
        board = self.board
        if back is None:
            return board.may(number, node)
        there = board.where[back]
        if not board.may(back, board.items[back].here):
            return False
        board.put(back, board.items[back].here)
        fine = board.may(number, node)
        board.put(back, there)
        return fine

    def _roll(self) -> float:
        """Return the next of a row of numbers from 0 to 1 that look like chance (Knuth's MMIX generator)."""
        self.dice = (6364136223846793005 * self.dice + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self.dice >> 11) / 9007199254740992.0

    def _any(self, among: Sequence[int]) -> int:
        return among[int(self._roll() * len(among))]

    def _least_cost(self) -> float:
        """Return a bound: what it costs at least to take its excess off every node, wherever it may go."""
        board = self.board
        costs = {each.cost for each in board.items if each.nodes}
        total = 0.0
        start: list[list[int]] = [[] for _ in board.bins]
        for number, item in enumerate(board.items):
            start[item.here].append(number)
        for numbers, limit in zip(start, board.limits, strict=True):
            least = 0.0
            for kind, most in enumerate(limit):
                over = sum(board.items[each].load[kind] for each in numbers) - most
                least = max(least, self._cover(numbers, kind, over)) if over > NOTHING else least
            total += ceil(least / min(costs) - NOTHING) * min(costs) if len(costs) == 1 else least
        return total

    def _cover(self, numbers: Sequence[int], kind: int, over: float) -> float:
        """Return what it costs at least to take an amount of one kind of load off a node."""
        items = self.board.items
        loads = sorted(
            (
                (items[each].load[kind] / items[each].cost, items[each].load[kind])
                for each in numbers
                if items[each].nodes
            ),
            reverse=True,
        )
        cost = 0.0
        for rate, load in loads:
            if over <= load:
                return cost + (over / rate if rate else 0.0)
            over -= load
            cost += load / rate if rate else 0.0
        return cost


def _excess(use: Vector, limit: Vector) -> float:
    total = 0.0
    for used, most in zip(use, limit):  # noqa: B905 - strict costs a fifth of the time of all this
        if used > most:
            total += used - most
    return total


def _more(use: Vector, load: Vector) -> Vector:
    return tuple(map(float.__add__, use, load))


def _less(use: Vector, load: Vector) -> Vector:
    return tuple(map(float.__sub__, use, load))
