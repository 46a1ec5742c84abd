"""Synthetic clusters whose load is uneven.

Loads are lognormal in three kinds, 10 % of the servers pinned, 30 % restricted
to some of the nodes, some kept apart in pairs; they start spread by counts.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from vsctl.policy.demands import Demand, Supply

KINDS = ("processors", "memory", "network")
CLASSES = (
    (100, 8, 0.15),
    (100, 8, 0.10),
    (500, 16, 0.15),
    (500, 16, 0.10),
    (500, 16, 0.075),
    (2000, 32, 0.10),
    (2000, 32, 0.075),
    (10000, 64, 0.10),
)
"""Virtual servers, nodes, and how far above the best possible a node may be."""

Case = tuple[tuple[Demand, ...], tuple[Supply, ...]]


def case(servers: int, nodes: int, seed: int) -> Case:
    """Return a cluster that is spread by counts."""
    dice = random.Random(seed)
    names = [f"n{at}" for at in range(nodes)]
    loads = [tuple(dice.lognormvariate(0, 0.7) for _ in KINDS) for _ in range(servers)]
    pinned = [dice.random() < 0.10 for _ in range(servers)]
    allowed = [
        sorted(dice.sample(names, dice.randint(max(2, nodes // 4), max(2, nodes // 2))))
        if dice.random() < 0.30
        else names
        for _ in range(servers)
    ]
    apart: dict[int, int] = dict(dice.sample(range(servers), 2) for _ in range(servers // 20))  # type: ignore[misc]
    counts, where = dict.fromkeys(names, 0), list[str]()
    for number in range(servers):
        company = {where[other] for other in _kept_apart(apart, number) if other < number}
        free = [each for each in allowed[number] if each not in company] or allowed[number]
        node = min(free, key=lambda each: (counts[each], dice.random()))
        counts[node] += 1
        where.append(node)
    capacity = tuple(sum(load[kind] for load in loads) / nodes / 0.8 for kind in range(len(KINDS)))
    demands = tuple(
        Demand(
            server=f"vs{number}",
            load=loads[number],
            nodes=(where[number],) if pinned[number] else tuple(allowed[number]),
            here=where[number],
            pinned=pinned[number],
            apart_from=(f"vs{apart[number]}",) if number in apart else (),
        )
        for number in range(servers)
    )
    return demands, tuple(Supply(each, capacity) for each in names)


def _kept_apart(apart: dict[int, int], number: int) -> list[int]:
    return [one if other == number else other for one, other in apart.items() if number in (one, other)]


def sort(servers: int, nodes: int, tolerance: float) -> str:
    """Return what a class is called in a table."""
    return f"{servers}/{nodes} {100 * tolerance:g}%"


def moves(of: Case, where: Mapping[str, str]) -> int:
    """Return how many servers have to move to be where they are then."""
    return sum(where.get(each.server, each.here) != each.here for each in of[0])


def fullest(of: Case, where: Mapping[str, str]) -> float:
    """Return how full the fullest node is then, in its fullest kind, as part of what it can carry."""
    demands, supplies = of
    return max(
        sum(each.load[kind] for each in demands if where.get(each.server) == supply.node) / most
        for supply in supplies
        for kind, most in enumerate(supply.capacity)
    )
