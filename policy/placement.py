"""Which node does each server belong on, and where does it go when that node is lost?

A server with a home belongs there. The others are spread so that the counts of
the nodes differ as little as homes, allowed nodes and `apart_from` permit, in
the normal state and after the loss of any one node.

The spreading is an optimal semi-matching: an assignment is as even as it can
be when no chain of moves leads from a node to one with at least two servers
less (Harvey, Ladner, Lovász, Tamir: Semi-matchings for bipartite graphs and
load balancing). Shortest chains first moves few servers. Keeping apart makes
that problem hard (it is graph colouring); it is respected by never moving a
server next to one it avoids.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from vsctl.policy import apart
from vsctl.policy.model import Cluster

EXACT_RANKS = 3
"""So many places are chosen with all others in view; a later one matters only after as many losses."""
IMPROVEMENTS = 50
"""How many exchanges at most are made for the sake of lost nodes; constraints seldom leave room for any."""


@dataclass(frozen=True)
class Placement:
    """For each server all nodes it may be on, best first. `by_load` are those whose order goes by load."""

    by_server: tuple[tuple[str, tuple[str, ...]], ...]
    by_load: frozenset[str] = frozenset()

    def ranks(self, server: str) -> tuple[str, ...]:
        return dict(self.by_server).get(server, ())

    def first(self, server: str) -> str:
        return self.ranks(server)[0]


def place(
    cluster: Cluster, placed: Mapping[str, str], ranked: Mapping[str, tuple[str, ...]] | None = None
) -> Placement:
    """Return where each server belongs. `placed` is where each belonged last time, and is kept if even.

    `ranked` are the orders of nodes that evening out the load has found: they
    stand, and the other servers are spread beside them.
    """
    board = _Board.of(cluster)
    kept = _kept(board, ranked or {})
    board = replace(board, homes={**board.homes, **{server: ranks[0] for server, ranks in kept.items()}})
    normal = board.spread(_start(board, placed), board.movable)
    normal = _prepared_for_losses(board, normal)
    found = {} if len(kept) == len(board.servers) else _ranks(board, normal)
    found |= {server: _completed(board, server, ranks) for server, ranks in kept.items()}
    return Placement(
        tuple((server, found[server]) for server in board.servers if server in found), frozenset(kept)
    )


def _kept(board: _Board, ranked: Mapping[str, tuple[str, ...]]) -> Ranks:
    """Return what is left of orders by load: nodes that the servers may still be on, their home first."""
    kept = {}
    for server in board.servers:
        ranks = tuple(node for node in ranked.get(server, ()) if node in board.candidates[server])
        home = board.homes.get(server)
        if ranks and home in board.candidates[server]:
            ranks = (home, *(node for node in ranks if node != home))
        if ranks:
            kept[server] = ranks
    return kept


Assignment = dict[str, str]
Ranks = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Board:
    """What may stand where. `movable` are the servers without a home, `pinned` wait for their node."""

    nodes: tuple[str, ...]
    servers: tuple[str, ...]
    candidates: Mapping[str, tuple[str, ...]]
    homes: Mapping[str, str]
    pinned: frozenset[str]
    avoid: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, cluster: Cluster) -> _Board:
        avoid: dict[str, set[str]] = {each.name: set() for each in cluster.servers}
        for one, other in apart.pairs(cluster):
            avoid[one.name].add(other.name)
            avoid[other.name].add(one.name)
        return cls(
            nodes=tuple(each.name for each in cluster.nodes),
            servers=tuple(each.name for each in cluster.servers),
            candidates={each.name: cluster.candidates(each) for each in cluster.servers},
            homes={each.name: each.home for each in cluster.servers if each.home},
            pinned=frozenset(each.name for each in cluster.servers if each.pinned),
            avoid={name: frozenset(others) for name, others in avoid.items()},
        )

    @property
    def movable(self) -> frozenset[str]:
        return frozenset(self.servers) - self.homes.keys()

    def reachable(self, server: str, lost: frozenset[str]) -> tuple[str, ...]:
        return tuple(node for node in self.candidates[server] if node not in lost)

    def conflicts(self, server: str, node: str, where: Assignment) -> int:
        return sum(where.get(other) == node for other in self.avoid[server])

    def spread(
        self, where: Assignment, movable: Iterable[str], lost: frozenset[str] = frozenset()
    ) -> Assignment:
        """Add the movable servers that stand nowhere, then move movable ones until all is even."""
        where = dict(where)
        free = set(movable)
        counts = Counter(where.values())
        new = [each for each in self.servers if each in free and each not in where]
        # The least free first: the others find a place beside them.
        for server in sorted(new, key=lambda each: (-len(self.avoid[each]), len(self.candidates[each]))):
            nodes = self.reachable(server, lost)
            if nodes:
                node = min(nodes, key=lambda each: (self.conflicts(server, each, where), counts[each]))
                where[server] = node
                counts[node] += 1
        while self._shorten(where, counts, free, lost):
            pass
        return where

    def _shorten(self, where: Assignment, counts: Counter[str], free: set[str], lost: frozenset[str]) -> bool:
        """Carry out one shortest chain of moves from a fuller node to one with at least two servers less."""
        on: dict[str, list[str]] = {node: [] for node in self.nodes}
        for server in self.servers:
            if server in free and server in where:
                on[where[server]].append(server)
        for start in sorted(self.nodes, key=lambda each: -counts[each]):
            came: dict[str, tuple[str, str]] = {start: ("", "")}
            queue = deque([start])
            while queue:
                here = queue.popleft()
                if counts[here] <= counts[start] - 2:
                    self._carry_out(where, came, start, here)
                    counts[start] -= 1
                    counts[here] += 1
                    return True
                for server in on[here]:
                    conflicts = self.conflicts(server, here, where)
                    for node in sorted(self.reachable(server, lost), key=counts.__getitem__):
                        if node not in came and self.conflicts(server, node, where) <= conflicts:
                            came[node] = (server, here)
                            queue.append(node)
        return False

    @staticmethod
    def _carry_out(where: Assignment, came: Mapping[str, tuple[str, str]], start: str, here: str) -> None:
        while here != start:
            server, before = came[here]
            where[server] = here
            here = before

    def after(self, normal: Assignment, lost: frozenset[str]) -> Assignment:
        """Return where the servers are when nodes are lost: those from there elsewhere, no other moved."""
        staying = {server: node for server, node in normal.items() if node not in lost}
        return self.spread(staying, set(normal) - staying.keys() - self.pinned, lost)


def _start(board: _Board, placed: Mapping[str, str]) -> Assignment:
    """Return what is settled: homes, and where servers were placed before."""
    return {
        server: node
        for server in board.servers
        if (node := board.homes.get(server) or placed.get(server)) in board.candidates[server]
    }


def _unevenness(board: _Board, where: Assignment) -> int:
    """Return the sum of squares of the counts: the same servers are the more even the smaller it is."""
    conflicts = sum(board.conflicts(server, node, where) for server, node in where.items())
    return sum(count * count for count in Counter(where.values()).values()) + 1000 * conflicts


def _losses(board: _Board, normal: Assignment) -> int:
    return sum(_unevenness(board, board.after(normal, frozenset({node}))) for node in board.nodes)


def _prepared_for_losses(board: _Board, normal: Assignment) -> Assignment:
    """Exchange servers between nodes where that makes a loss more even and the normal state no less."""
    if not _some_loss_is_uneven(board, normal):
        return normal
    best, cost = normal, _losses(board, normal)
    usual = _unevenness(board, normal)
    for _ in range(IMPROVEMENTS):
        for changed in _neighbours(board, best):
            if _unevenness(board, changed) <= usual and (less := _losses(board, changed)) < cost:
                best, cost = changed, less
                break
        else:
            return best
    return best


def _some_loss_is_uneven(board: _Board, normal: Assignment) -> bool:
    for lost in board.nodes:
        counts = Counter(board.after(normal, frozenset({lost})).values())
        survivors = [counts[node] for node in board.nodes if node != lost]
        if survivors and max(survivors) - min(survivors) > 1:
            return True
    return False


def _neighbours(board: _Board, where: Assignment) -> Iterable[Assignment]:
    free = [each for each in board.servers if each in board.movable and each in where]
    for server in free:
        for node in board.candidates[server]:
            if node != where[server]:
                yield {**where, server: node}
    for one, other in combinations(free, 2):
        here, there = where[one], where[other]
        if here != there and there in board.candidates[one] and here in board.candidates[other]:
            yield {**where, one: there, other: here}


def _ranks(board: _Board, normal: Assignment) -> Ranks:
    """Return the order of nodes for each server: where it is, where when that is lost, and so on."""
    ranks: Ranks = {server: (normal[server],) for server in board.servers if server in normal}
    for _ in range(1, min(EXACT_RANKS, len(board.nodes))):
        found: dict[frozenset[str], Assignment] = {}
        longer: Ranks = {}
        for server, known in ranks.items():
            lost = frozenset(known)
            if len(known) < len(board.candidates[server]) and lost not in found:
                found[lost] = _with_lost(board, ranks, lost)
            next_node = found.get(lost, {}).get(server)
            longer[server] = (*known, next_node) if next_node else known
        ranks = longer
    return {server: _completed(board, server, known) for server, known in ranks.items()}


def _with_lost(board: _Board, ranks: Mapping[str, tuple[str, ...]], lost: frozenset[str]) -> Assignment:
    """Return where everything is with these nodes lost: at its first place that is left, else spread."""
    staying = {}
    for server, known in ranks.items():
        left = next((node for node in known if node not in lost), None)
        if left and (server not in board.pinned or left == known[0]):
            staying[server] = left
    waiting = {each for each in ranks if each in board.pinned and ranks[each][0] in lost}
    where = board.spread(staying, set(ranks) - staying.keys() - waiting, lost)
    # A pinned server waits, but an operator may move it: it needs an order of nodes all the same.
    for server in (each for each in board.servers if each in waiting):
        counts = Counter(where.values())
        nodes = board.reachable(server, lost)
        if nodes:
            where[server] = min(nodes, key=counts.__getitem__)
    return where


def _completed(board: _Board, server: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Add the nodes left, in the order of the file, beginning after the last one known."""
    start = board.nodes.index(known[-1])
    turn = (*board.nodes[start:], *board.nodes[:start])
    return (*known, *(node for node in turn if node not in known and node in board.candidates[server]))
