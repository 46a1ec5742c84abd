"""Where does each server go when its node is lost, so that the survivors are even by load?

For every node its servers are spread over the survivors, which keep their own:
the largest first, each to the node that is emptiest with it, and then single
servers are moved and pairs exchanged while that helps the fullest node that it
can help; where few are concerned all ways are tried. That is each server's
second choice. For every two nodes the same is done with those that have lost
both choices: that is the third, improved only where a node would be
overloaded. What Pacemaker does at the moment of failure is to follow these
orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from vsctl.policy.demands import Demand, Supply, Vector
from vsctl.policy.rooms import add, mutual

LEAST = 0.1
"""An idle server counts as this part of an average one: who does nothing now may do so later."""
KEPT = 1.10
"""Orders are kept as long as no loss makes a survivor fuller than this times what a new look would."""
EVEN = 1.01
"""So little above what is possible at best nobody looks any further."""
STEPS = 3000
"""So many choices are tried where that may still be better."""
ROUNDING = 1e-9

Ranks = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Loss:
    """What the loss of one node does to the fullest of the others, as a part of its capacity.

    `best` is a bound: no way of spreading the servers makes it less full.
    """

    lost: str
    node: str
    fill: float
    best: float


def ranks(
    demands: Sequence[Demand], supplies: Sequence[Supply], known: Mapping[str, tuple[str, ...]] | None = None
) -> Ranks:
    """Return the first three choices of each server. `here` is the first; `nodes` are all it may be on.

    What is `known` is kept for the servers of each node whose loss it answers well
    enough. A server without `here` gets no order.
    """
    board = _Board(demands, supplies)
    kept = board.chosen(known or {})
    best = {each.lost: each.fill for each in board.losses(board.chosen({}))}
    poor = {each.lost for each in board.losses(kept) if each.fill > KEPT * best[each.lost] + ROUNDING}
    if not poor:
        return kept
    return board.chosen({server: kept[server] for server in kept if kept[server][0] not in poor})


def losses(
    demands: Sequence[Demand], supplies: Sequence[Supply], ranks: Mapping[str, tuple[str, ...]]
) -> tuple[Loss, ...]:
    """Return what the loss of each node comes to, with servers where they are and these orders of nodes."""
    return _Board(demands, supplies).losses(ranks)


def counted(demands: Sequence[Demand]) -> dict[str, Vector]:
    """Return what each server counts as: what it needs, but at least a part of what an average one does."""
    if not demands:
        return {}
    columns = zip(*(each.load for each in demands), strict=True)
    least = tuple(LEAST * sum(column) / len(demands) for column in columns)
    return {each.server: tuple(map(max, each.load, least)) for each in demands}


class _Board:
    def __init__(self, demands: Sequence[Demand], supplies: Sequence[Supply]) -> None:
        self.supplies = {each.node: each for each in supplies}
        there = self.supplies.keys()
        self.demands = {each.server: each for each in demands if each.here in there}
        self.nodes = {
            each.server: tuple(node for node in each.nodes if node in there) for each in self.demands.values()
        }
        self.avoid = mutual(tuple(self.demands.values()))
        self.loads = counted(tuple(self.demands.values()))
        self.normal = {each.server: each.here for each in self.demands.values() if each.here is not None}
        self.on: dict[str, list[str]] = {node: [] for node in there}
        for server, node in self.normal.items():
            self.on[node].append(server)

    def chosen(self, known: Mapping[str, tuple[str, ...]]) -> Ranks:
        """Return three choices of each server; of what is known those that are still right."""
        found: Ranks = {server: (node,) for server, node in self.normal.items()}
        for server in found:
            wanted = known.get(server, ())
            if wanted[:1] == found[server] and not self.demands[server].pinned:
                usable = tuple(node for node in wanted if node in self.nodes[server] or node == wanted[0])
                found[server] = usable[:3]
        for lost in self.supplies:
            self._decide(found, (lost,), self.on[lost])
        losing: dict[tuple[str, str], list[str]] = {}
        for server, choices in found.items():
            if len(choices) > 1:
                one, other = sorted(choices[:2])
                losing.setdefault((one, other), []).append(server)
        for pair in combinations(sorted(self.supplies), 2):
            if pair in losing:
                self._decide(found, pair, losing[pair])
        return found

    def _decide(self, found: Ranks, lost: tuple[str, ...], servers: Sequence[str]) -> None:
        """Add a choice to those servers that have none left when these nodes are lost."""
        waiting = [
            each
            for each in servers
            if len(found[each]) <= len(lost)
            and not self.demands[each].pinned
            and any(node not in lost for node in self.nodes[each])
        ]
        if not waiting:
            return
        where = self._after(found, lost)
        scene = _Scene(self, [node for node in self.supplies if node not in lost], where)
        for server, node in scene.spread(waiting, enough=1.0 if len(lost) > 1 else 0.0).items():
            found[server] = (*found[server], node)

    def _after(self, found: Mapping[str, tuple[str, ...]], lost: tuple[str, ...]) -> dict[str, str]:
        """Return where everything is that has a choice left, or waits for no lost node."""
        where = {}
        for server, choices in found.items():
            left = next((node for node in choices if node not in lost and node in self.supplies), None)
            if left is not None and not (self.demands[server].pinned and left != choices[0]):
                where[server] = left
        return where

    def losses(self, ranks: Mapping[str, tuple[str, ...]]) -> tuple[Loss, ...]:
        return tuple(self._loss(ranks, lost) for lost in self.supplies if len(self.supplies) > 1)

    def _loss(self, ranks: Mapping[str, tuple[str, ...]], lost: str) -> Loss:
        orders = {server: (node, *ranks.get(server, ())) for server, node in self.normal.items()}
        survivors = [node for node in self.supplies if node != lost]
        where = self._after(orders, (lost,))
        scene = _Scene(self, survivors, where)
        own = _Scene(self, survivors, {each: node for each, node in self.normal.items() if node != lost})
        moved = [each for each in where if self.normal[each] == lost]
        node = max(survivors, key=scene.fill)
        return Loss(lost, node, scene.fill(node), own.bound(moved))


class _Scene:
    """Some nodes, and who is where on them."""

    def __init__(self, board: _Board, nodes: Sequence[str], where: Mapping[str, str]) -> None:
        self.board, self.nodes, self.where = board, nodes, dict(where)
        kinds = len(next(iter(board.supplies.values())).capacity) if board.supplies else 0
        self.use: dict[str, Vector] = dict.fromkeys(nodes, (0.0,) * kinds)
        self.count = dict.fromkeys(nodes, 0)
        for server, node in self.where.items():
            self.use[node] = add(self.use[node], board.loads[server])
            self.count[node] += 1

    def fill(self, node: str, *plus: str, minus: str | None = None) -> float:
        """Return how full a node is in its fullest kind, with other servers or without one."""
        use = self.use[node]
        for each in plus:
            use = add(use, self.board.loads[each])
        if minus is not None:
            use = add(use, self.board.loads[minus], -1.0)
        return max(
            (used / most for used, most in zip(use, self.board.supplies[node].capacity, strict=True)),
            default=0.0,
        )

    def bound(self, coming: Iterable[str]) -> float:
        """Return how full the fullest node is at least when these have come, wherever they go."""
        waiting = list(coming)
        whole = self._average(waiting)
        fullest = max(map(self.fill, self.nodes), default=0.0)
        each_alone = (
            min(
                (self.fill(node, server) for node in self.board.nodes[server] if node in self.use),
                default=0.0,
            )
            for server in waiting
        )
        return max((whole, fullest, *each_alone))

    def _average(self, coming: Sequence[str] = ()) -> float:
        """Return how full all nodes together are in their fullest kind, when these have come."""
        supplies = [self.board.supplies[node] for node in self.nodes]
        loads = [*self.use.values(), *(self.board.loads[each] for each in coming)]
        return max(
            (
                sum(each[kind] for each in loads) / sum(each.capacity[kind] for each in supplies)
                for kind in range(len(supplies[0].capacity))
            ),
            default=0.0,
        )

    def spread(self, waiting: Sequence[str], enough: float) -> dict[str, str]:
        """Return a node for each of these, so that the fullest is as little full as can be found, or as is enough."""
        even = max(enough, EVEN * self.bound(waiting))
        free = {each: [node for node in self.nodes if node in self.board.nodes[each]] for each in waiting}
        size = {each: min(self.fill(node, each) - self.fill(node) for node in free[each]) for each in waiting}
        order = sorted(waiting, key=lambda each: (-size[each], each))
        for server in order:
            node = min(
                free[server],
                key=lambda each: (self._company(server, each), self.fill(each, server), self.count[each]),
            )
            self._put(server, node)
        while self._improve(free, even):
            pass
        if max(map(self.fill, self.nodes)) > even and not any(self.board.avoid[each] for each in waiting):
            self._search(order, free, even)
        return {each: self.where[each] for each in waiting}

    def _search(self, order: Sequence[str], free: Mapping[str, Sequence[str]], even: float) -> None:
        """Try all ways of spreading these, as far as that is soon done, and take the one that is most even."""
        best = {each: self.where[each] for each in order}
        least = max(map(self.fill, self.nodes))
        for each in order:
            self._take(each)
        left = STEPS

        def try_from(at: int) -> None:
            nonlocal left, least, best
            if at == len(order):
                least, best = max(map(self.fill, self.nodes)), {each: self.where[each] for each in order}
                return
            server = order[at]
            for node in sorted(free[server], key=lambda each: self.fill(each, server)):
                left -= 1
                if left < 0 or least <= even or self.fill(node, server) >= least - ROUNDING:
                    return
                self._put(server, node)
                try_from(at + 1)
                self._take(server)

        if max(map(self.fill, self.nodes)) < least - ROUNDING:
            try_from(0)
        for server, node in best.items():
            self._put(server, node)

    def _improve(self, free: Mapping[str, Sequence[str]], even: float) -> bool:
        """Move one server, or exchange two, for the sake of the fullest node that this can help."""
        for node in sorted(self.nodes, key=lambda each: (-self.fill(each), each)):
            now = self.fill(node)
            best: tuple[str, str, str | None] | None = None
            if now <= even:
                return False
            least = now - ROUNDING
            here = [each for each in free if self.where[each] == node]
            for server in here:
                company = self._company(server, node)
                for target in free[server]:
                    if target == node or self._company(server, target) > company:
                        continue
                    fuller = max(self.fill(node, minus=server), self.fill(target, server))
                    if fuller < least:
                        least, best = fuller, (server, target, None)
                for other in free:
                    target = self.where[other]
                    if target == node or target not in free[server] or node not in free[other]:
                        continue
                    if self._company(server, target) or self._company(other, node):
                        continue
                    fuller = max(self.fill(node, other, minus=server), self.fill(target, server, minus=other))
                    if fuller < least:
                        least, best = fuller, (server, target, other)
            if best is not None:
                server, target, back = best
                if back is not None:
                    self._take(back)
                    self._put(back, node)
                self._take(server)
                self._put(server, target)
                return True
        return False

    def _company(self, server: str, node: str) -> int:
        return sum(self.where.get(other) == node for other in self.board.avoid[server])

    def _put(self, server: str, node: str) -> None:
        self.where[server] = node
        self.use[node] = add(self.use[node], self.board.loads[server])
        self.count[node] += 1

    def _take(self, server: str) -> None:
        node = self.where.pop(server)
        self.use[node] = add(self.use[node], self.board.loads[server], -1.0)
        self.count[node] -= 1
