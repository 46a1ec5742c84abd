"""In which order are servers moved, so few at a time that a failure in between finds room?

What arrives has to fit beside all that is on its node, leavers included, since
nobody knows which of them is quicker. After each wave as few servers are
without a place after the loss of any one node as at the beginning or at the
end, whichever is more. The fullest nodes are relieved first: who stops half way
has had the better half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vsctl.policy.balance import Move
from vsctl.policy.demands import Demand, Supply, Vector
from vsctl.policy.rooms import ROUNDING, add, assign, fullest, mutual


@dataclass(frozen=True)
class Waves:
    """`left` are moves that no order allows."""

    waves: tuple[tuple[Move, ...], ...]
    left: tuple[Move, ...]


def waves(
    demands: Sequence[Demand],
    supplies: Sequence[Supply],
    moves: Sequence[Move],
    most: int,
    *,
    failing: Sequence[Demand] | None = None,
) -> Waves:
    """Return the moves in waves of at most `most`. Demands say where the servers are before.

    `failing` are the same servers with the nodes that they may be on when theirs
    is lost, if those are others than they may be moved to.
    """
    ground = _Ground(demands, supplies, demands if failing is None else failing)
    where = {each.server: each.here for each in demands if each.here is not None}
    end = {**where, **{each.server: each.target for each in moves}}
    homeless = max(ground.homeless(where), ground.homeless(end))
    remaining, found = list(moves), []
    while remaining:
        wave = ground.wave(where, remaining, most, homeless)
        if not wave and len(remaining) <= most:
            # Those that exchange their places go together.
            wave = list(remaining)
        if not wave:
            break
        where.update({each.server: each.target for each in wave})
        remaining = [each for each in remaining if each not in wave]
        found.append(tuple(wave))
    return Waves(tuple(found), tuple(remaining))


class _Ground:
    def __init__(
        self, demands: Sequence[Demand], supplies: Sequence[Supply], failing: Sequence[Demand]
    ) -> None:
        self.demands = {each.server: each for each in demands}
        self.supplies = {each.node: each for each in supplies}
        self.failing = failing
        self.avoid = mutual(demands)
        self.hard = any(each.hard for each in supplies)

    def wave(self, where: Mapping[str, str], moves: Sequence[Move], most: int, homeless: int) -> list[Move]:
        use = self._use(where)
        crowded = {**where}
        chosen: list[Move] = []
        order = sorted(
            moves,
            key=lambda each: (
                -self._fill(use, each.origin),
                -max(self.demands[each.server].load),
                each.server,
            ),
        )
        for move in order:
            if len(chosen) == most:
                break
            grown = add(use[move.target], self.demands[move.server].load)
            ceiling = self.supplies[move.target].ceiling
            if any(used > limit + ROUNDING for used, limit in zip(grown, ceiling, strict=True)):
                continue
            if any(
                move.target in (where.get(other), crowded.get(other)) for other in self.avoid[move.server]
            ):
                continue
            after = {**crowded, move.server: move.target}
            if self.homeless(after) > homeless:
                continue
            use[move.target], crowded = grown, after
            chosen.append(move)
        return chosen

    def homeless(self, where: Mapping[str, str]) -> int:
        """Count the servers without a place after the loss of a node, over all nodes."""
        if not self.hard:
            return 0
        total = 0
        for lost in self.supplies:
            left = {node: each for node, each in self.supplies.items() if node != lost}
            there = [
                replace(
                    each,
                    here=None if where.get(each.server) == lost else where.get(each.server),
                    nodes=tuple(node for node in each.nodes if node in left),
                )
                for each in self.failing
                if each.server in where and not (each.pinned and where[each.server] == lost)
            ]
            found = assign(there, tuple(left.values()), {each.server: each.here for each in there})
            total += sum(node is None for node in found.where.values())
        return total

    def _use(self, where: Mapping[str, str]) -> dict[str, Vector]:
        use = {node: (0.0,) * len(each.capacity) for node, each in self.supplies.items()}
        for server, node in where.items():
            use[node] = add(use[node], self.demands[server].load)
        return use

    def _fill(self, use: Mapping[str, Vector], node: str | None) -> float:
        return 0.0 if node is None else fullest(use[node], self.supplies[node].capacity)
