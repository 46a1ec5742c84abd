"""Which servers should move, in which order, and what would a failure do before and after?

Pure: a situation in, a plan out. What carries it out is `carrying`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from vsctl.cli.hand import Stay
from vsctl.cli.situation import Situation
from vsctl.policy import shelter, waves
from vsctl.policy.balance import Balance, Move, balance
from vsctl.policy.demands import Supply
from vsctl.policy.model import Cluster
from vsctl.policy.shelter import Loss

WORTH = 0.01
"""A move has to take at least this part of a node off too full ones for each second of outage that it costs."""
EAGER = 2.0
"""The periodic balancer begins only when a node is this many tolerances above the best possible, not one."""


@dataclass(frozen=True)
class Plan:
    """`known` is what each server likes by the CIB; `losses` are before, and `losses_after` when all is done."""

    situation: Situation
    known: Mapping[str, tuple[str, ...]]
    found: Balance
    waves: tuple[tuple[Move, ...], ...]
    stays: tuple[Stay, ...]
    losses: tuple[Loss, ...]
    losses_after: tuple[Loss, ...]
    ranks: Mapping[str, tuple[str, ...]]

    @property
    def moves(self) -> tuple[Move, ...]:
        return tuple(each for wave in self.waves for each in wave)

    @property
    def nothing_to_do(self) -> bool:
        return not self.moves and self.ranks == self.known


def plan(
    cluster: Cluster,
    situation: Situation,
    known: Mapping[str, tuple[str, ...]],
    *,
    patient: bool = False,
) -> Plan:
    """Return what should be done. A `patient` one leaves alone what is only a little uneven."""
    tolerance = cluster.policy.balance.tolerance
    found = balance(situation.demands, situation.supplies, situation.kinds, tolerance=tolerance, worth=WORTH)
    if (
        patient
        and max((each.before for each in found.fills), default=0.0) <= (1 + EAGER * tolerance) * found.bound
    ):
        found = _unmoved(found)
    inside = [each for each in found.moves if each.origin is not None]
    order = waves.waves(
        situation.demands,
        situation.supplies,
        inside,
        cluster.policy.balance.max_moves,
        failing=situation.in_a_failure({}),
    )
    where = {each.server: each.target for wave in order.waves for each in wave}
    liked = ranks(cluster, situation, known, where)
    stays = situation.stays + tuple(
        Stay(each.server, each.origin or "", "no order of moves leaves every server a place after a failure")
        for each in order.left
    )
    return Plan(
        situation,
        known,
        found,
        order.waves,
        stays,
        _losses(situation, known, {}),
        _losses(situation, liked, where),
        liked,
    )


def ranks(
    cluster: Cluster,
    situation: Situation,
    known: Mapping[str, tuple[str, ...]],
    where: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Return what every server should like, with some servers elsewhere than now.

    A server that is not where it belongs for good keeps its first choice: its home, or where it was before
    an operator moved it. Of what is not running nothing changes.
    """
    demands = situation.in_a_failure(where)
    supplies = _standing(situation)
    known_here = {
        each.server: (each.here, *(node for node in known.get(each.server, ()) if node != each.here))
        for each in demands
        if each.here is not None
    }
    chosen = shelter.ranks(demands, supplies, known_here)
    fixed = {each.server for each in situation.stays}
    found = dict(known)
    for server, nodes in chosen.items():
        before = known.get(server, ())
        if server in situation.waiting:
            continue
        home = cluster.server(server).home
        first = before[:1] if home or server in fixed else ()
        possible = cluster.candidates(cluster.server(server))
        wanted = [node for node in dict.fromkeys((*first, *nodes)) if node in possible]
        found[server] = _exchanged([node for node in before if node in possible], wanted)
    return found


def joined(
    cluster: Cluster, situation: Situation, known: Mapping[str, tuple[str, ...]], new: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Return what new servers should like, beside all others, which stay where they are and keep what they like."""
    settled = tuple(
        each if each.here is None else replace(each, nodes=(each.here,), pinned=True)
        for each in situation.demands
    )
    tolerance = cluster.policy.balance.tolerance
    found = balance(settled, situation.supplies, situation.kinds, tolerance=tolerance, worth=WORTH)
    where = {each.server: each.target for each in found.moves if each.origin is None}
    chosen = shelter.ranks(situation.in_a_failure(where), _standing(situation), known)
    homes = {each.name: (each.home,) if each.home else () for each in cluster.servers}
    return {
        server: tuple(dict.fromkeys((*homes[server], *nodes)))
        for server, nodes in chosen.items()
        if server in new
    }


def staying(
    cluster: Cluster, known: Mapping[str, tuple[str, ...]], where: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return what every server likes, with some of them liking where they are best; a home stays the first choice."""
    return {
        server: _exchanged(list(nodes), [where[server]])
        if server in where and not cluster.server(server).home
        else nodes
        for server, nodes in known.items()
    }


def _exchanged(order: list[str], front: Sequence[str]) -> tuple[str, ...]:
    """Return an order with other nodes in front, and as few in other places as can be: each is a change of the CIB."""
    order += [node for node in front if node not in order]
    for place, node in enumerate(front):
        other = order.index(node)
        order[place], order[other] = order[other], order[place]
    return tuple(order)


def _losses(
    situation: Situation, liked: Mapping[str, tuple[str, ...]], where: Mapping[str, str]
) -> tuple[Loss, ...]:
    supplies = _standing(situation)
    return shelter.losses(situation.in_a_failure(where), supplies, liked) if len(supplies) > 1 else ()


def _standing(situation: Situation) -> list[Supply]:
    """Return the nodes that can take a server when another one is lost."""
    used = {node for nodes in situation.candidates.values() for node in nodes}
    return [each for each in situation.supplies if each.node in used]


def _unmoved(found: Balance) -> Balance:
    return replace(found, moves=(), fills=tuple(replace(each, after=each.before) for each in found.fills))
