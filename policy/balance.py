"""Which servers should move so that the load is even?

Minimum cost of moves, subject to no node being fuller than `tolerance` above
what is possible at best: the whole load on the whole capacity, or the largest
server. Evening out the last per cent would cost many times the moves.

Before that everything gets a place (`rooms`): those that have none, those
where they may not be, and where a node's capacity is hard the highest
priorities first. What is pinned never moves, and nothing is put next to what
it keeps apart from while there is another node for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vsctl.policy.demands import Demand, Supply, Vector
from vsctl.policy.levelling import Bin, Item, level
from vsctl.policy.rooms import add, assign, fullest, mutual

FREE = 0.001
"""What it costs, as part of the cheapest move, to choose another node for a server that moves anyway."""
ROUNDS = 10
"""What has moved may leave room for what had none; so often at most that is looked at again."""

Where = dict[str, str | None]


@dataclass(frozen=True)
class Move:
    """`origin` is None for a server that runs nowhere."""

    server: str
    origin: str | None
    target: str
    cost: float
    reason: str


@dataclass(frozen=True)
class Unplaced:
    """A server that no node can carry. `origin` is where it runs and has to make room, if it runs."""

    server: str
    origin: str | None
    reason: str


@dataclass(frozen=True)
class Fill:
    """How full a node is in its fullest kind, as part of its capacity; `kind` is that of `before`."""

    node: str
    before: float
    after: float
    kind: str


@dataclass(frozen=True)
class Balance:
    """`bound` is how full the fullest node has to be at least, `limit` how full one may be before servers leave it."""

    moves: tuple[Move, ...]
    unplaced: tuple[Unplaced, ...]
    fills: tuple[Fill, ...]
    bound: float
    limit: float

    @property
    def cost(self) -> float:
        return sum(each.cost for each in self.moves)


def balance(
    demands: Sequence[Demand],
    supplies: Sequence[Supply],
    kinds: Sequence[str],
    *,
    tolerance: float = 0.10,
    worth: float = 0.0,
) -> Balance:
    """Return what should move. From where that leads nothing moves any more.

    `worth` is how much of a node a move has to take off too full ones, for each
    unit of its cost; what gains less stays.
    """
    stage = _Stage(_cleaned(demands, supplies), supplies, kinds, tolerance, worth)
    start: Where = {each.server: each.here for each in stage.demands}
    where, reasons = start, {}  # type: Where, dict[str, str]
    for _ in range(ROUNDS):
        after, why = stage.settled(where)
        reasons = {**why, **reasons}
        if after == where:
            break
        where = after
    return stage.told(start, where, reasons)


def _cleaned(demands: Sequence[Demand], supplies: Sequence[Supply]) -> tuple[Demand, ...]:
    """Return the demands without nodes that are not there, all amounts as floats."""
    there = {each.node for each in supplies}
    return tuple(
        replace(
            each,
            load=tuple(map(float, each.load)),
            nodes=tuple(node for node in each.nodes if node in there),
            here=each.here if each.here in there else None,
        )
        for each in demands
    )


@dataclass(frozen=True)
class _Stage:
    demands: tuple[Demand, ...]
    supplies: Sequence[Supply]
    kinds: Sequence[str]
    tolerance: float
    worth: float

    def settled(self, where: Where) -> tuple[Where, dict[str, str]]:
        """Return where everything is after one round of finding places and evening out, and why it is there."""
        rooms = assign(self.demands, self.supplies, where)
        placed = [each for each in self.demands if rooms.where[each.server] is not None]
        if not placed:
            return dict(rooms.where), dict(rooms.reasons)
        levelled = self._levelled(placed, rooms.where, where)
        before = self._use(rooms.where)
        limit = self.limit(placed)
        why = dict(rooms.reasons)
        for demand in placed:
            origin, target = rooms.where[demand.server], levelled[demand.server]
            if origin != target and demand.server not in why:
                assert origin is not None
                why[demand.server] = self._why(origin, before[origin], limit)
        return {**rooms.where, **levelled}, why

    def _levelled(
        self, placed: Sequence[Demand], rooms: Mapping[str, str | None], start: Where
    ) -> dict[str, str | None]:
        numbers = {each.server: number for number, each in enumerate(placed)}
        nodes = {each.node: number for number, each in enumerate(self.supplies)}
        avoid, scale = mutual(placed), self._scale
        least = min(each.cost for each in placed)
        items = []
        for demand in placed:
            here = rooms[demand.server]
            assert here is not None
            items.append(
                Item(
                    load=_times(demand.load, scale),
                    here=nodes[here],
                    nodes=() if demand.pinned else tuple(nodes[each] for each in demand.nodes),
                    cost=demand.cost if here == start[demand.server] else FREE * least,
                    avoid=frozenset(numbers[each] for each in avoid[demand.server]),
                )
            )
        limit = self.limit(placed)
        bins = []
        for supply in self.supplies:
            capacity = _times(supply.capacity, scale)
            ceiling = _times(supply.ceiling, scale)
            wanted = (min(limit * most, never) for most, never in zip(capacity, ceiling, strict=True))
            bins.append(Bin(tuple(wanted), ceiling if supply.hard else None))
        found = level(items, bins, worth=self.worth)
        return {each.server: self.supplies[node].node for each, node in zip(placed, found, strict=True)}

    @property
    def _scale(self) -> Vector:
        """Return what turns each kind into parts of an average node."""
        totals = [sum(each.capacity[kind] for each in self.supplies) for kind in range(len(self.kinds))]
        return tuple(len(self.supplies) / total for total in totals)

    def bound(self, placed: Sequence[Demand]) -> float:
        whole = max(
            sum(each.load[kind] for each in placed) / sum(each.capacity[kind] for each in self.supplies)
            for kind in range(len(self.kinds))
        )
        capacities = {each.node: each.capacity for each in self.supplies}
        scarcest = tuple(map(min, zip(*capacities.values(), strict=True)))
        # Only a server that might fill a node beyond the average can be the largest that matters.
        largest = (
            min(
                fullest(each.load, capacities[node])
                for node in each.nodes or (each.here,)
                if node is not None
            )
            for each in placed
            if fullest(each.load, scarcest) > whole
        )
        return max((whole, *largest))

    def limit(self, placed: Sequence[Demand]) -> float:
        return (1.0 + self.tolerance) * self.bound(placed)

    def _use(self, where: Mapping[str, str | None]) -> dict[str, Vector]:
        found = {each.node: (0.0,) * len(self.kinds) for each in self.supplies}
        for demand in self.demands:
            node = where[demand.server]
            if node is not None:
                found[node] = add(found[node], demand.load)
        return found

    def _why(self, node: str, use: Vector, limit: float) -> str:
        fill, kind = self._fill(node, use)
        if fill > limit:
            return f"{node} is {fill:.0%} full of {kind}, and {limit:.0%} is enough"
        return f"its place on {node} is wanted for a server that leaves a fuller node"

    def _fill(self, node: str, use: Vector) -> tuple[float, str]:
        capacity = next(each.capacity for each in self.supplies if each.node == node)
        fills = [used / most for used, most in zip(use, capacity, strict=True)]
        fill = max(fills)
        return fill, self.kinds[fills.index(fill)]

    def told(self, start: Where, where: Where, reasons: Mapping[str, str]) -> Balance:
        placed = [each for each in self.demands if where[each.server] is not None]
        before, after = self._use(start), self._use(where)
        moves, unplaced = [], []
        for demand in self.demands:
            origin, target = start[demand.server], where[demand.server]
            if target is None:
                unplaced.append(Unplaced(demand.server, origin, reasons[demand.server]))
            elif origin != target:
                moves.append(Move(demand.server, origin, target, demand.cost, reasons[demand.server]))
        return Balance(
            moves=tuple(moves),
            unplaced=tuple(unplaced),
            fills=tuple(
                Fill(node, fill, self._fill(node, after[node])[0], kind)
                for node in before
                for fill, kind in [self._fill(node, before[node])]
            ),
            bound=self.bound(placed) if placed else 0.0,
            limit=self.limit(placed) if placed else 0.0,
        )


def _times(vector: Vector, scale: Vector) -> Vector:
    return tuple(each * factor for each, factor in zip(vector, scale, strict=True))
