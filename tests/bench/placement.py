"""How many moves does evening out the load take, against the proven minimum?

Loads are lognormal in three kinds, 10 % of the servers pinned, 30 % restricted
to some of the nodes, some kept apart in pairs; they start spread by counts. The
minimum is proven by OR-Tools' CP-SAT (`pip install .[bench]`), and on the large
clusters by what every node has to lose at least.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.bench.table import Row, Table
from vsctl.policy import levelling
from vsctl.policy.balance import Balance, balance
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
SOLVED = 500
"""The largest cluster that is given to the solver: beyond it takes minutes."""
SECONDS = 60
SECONDS_WANTED = {2000: "<= 0.1", 10000: "<= 1"}

Case = tuple[tuple[Demand, ...], tuple[Supply, ...]]


def measure(trials: int) -> Table:
    return Table(
        "Placement: moves until no node is fuller than the tolerance above the best possible",
        "vsctl",
        "proven minimum",
        tuple(row for sort in CLASSES for row in _rows(*sort, trials)),
        (
            "Proven by CP-SAT up to 500 servers, else by what each node must lose; - where neither proves one.",
        ),
    )


def _rows(servers: int, nodes: int, tolerance: float, trials: int) -> Iterator[Row]:
    moves, minima, seconds = [], [], []
    for seed in range(1, trials + 1):
        demands, supplies = case(servers, nodes, seed)
        before = time.process_time()
        found = balance(demands, supplies, KINDS, tolerance=tolerance)
        seconds.append(time.process_time() - before)
        moves.append(float(len(found.moves)))
        least = minimum(demands, supplies, found)
        if least is not None:
            minima.append(float(least))
        left = balance(_after(demands, found), supplies, KINDS, tolerance=tolerance)
        assert not left.moves, "the second run moves something"
    what = f"{servers}/{nodes} {tolerance:.1%}"
    yield Row(f"{what}", "moves", tuple(moves), tuple(minima) if len(minima) == len(moves) else (), "<= 1.10")
    yield Row(f"{what}", "CPU s", tuple(seconds), (), SECONDS_WANTED.get(servers, ""))


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


def _after(demands: Sequence[Demand], found: Balance) -> tuple[Demand, ...]:
    targets = {each.server: each.target for each in found.moves}
    return tuple(replace(each, here=targets.get(each.server, each.here)) for each in demands)


def minimum(demands: Sequence[Demand], supplies: Sequence[Supply], found: Balance) -> int | None:
    """Return the proven minimum of moves, None if it is not proven."""
    least = _must_leave(demands, supplies, found.limit)
    if least == len(found.moves):
        return least
    return _solved(demands, supplies, found.limit) if len(demands) <= SOLVED else None


def _must_leave(demands: Sequence[Demand], supplies: Sequence[Supply], limit: float) -> int:
    """Return how many servers have to leave too full nodes at least, wherever they go."""
    total = 0
    for supply in supplies:
        here = [each for each in demands if each.here == supply.node]
        need = 0
        for kind, capacity in enumerate(supply.capacity):
            over = sum(each.load[kind] for each in here) - limit * capacity
            loads = sorted((each.load[kind] for each in here if not each.pinned), reverse=True)
            count = 0
            while over > levelling.NOTHING and count < len(loads):
                over -= loads[count]
                count += 1
            need = max(need, count)
        total += need
    return total


def _solved(demands: Sequence[Demand], supplies: Sequence[Supply], limit: float) -> int | None:
    try:
        from ortools.sat.python import cp_model  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    model, fine = cp_model.CpModel(), 1_000_000
    at = {
        (each.server, node): model.NewBoolVar("")
        for each in demands
        for node in dict.fromkeys((each.here, *each.nodes))
    }
    for each in demands:
        model.AddExactlyOne(at[each.server, node] for node in dict.fromkeys((each.here, *each.nodes)))
    for supply in supplies:
        here = [each for each in demands if (each.server, supply.node) in at]
        for kind, capacity in enumerate(supply.capacity):
            loads = [math.floor(each.load[kind] / capacity * fine) for each in here]
            terms = (load * at[each.server, supply.node] for load, each in zip(loads, here, strict=True))
            model.Add(sum(terms) <= math.ceil(limit * fine))
    where = {each.server: each.here for each in demands}
    for each in demands:
        for other in each.apart_from:
            if where[other] != each.here:
                for supply in supplies:
                    both = [
                        at[name, supply.node] for name in (each.server, other) if (name, supply.node) in at
                    ]
                    if len(both) == 2:
                        model.AddAtMostOne(both)
    model.Minimize(sum(1 - at[each.server, each.here] for each in demands))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = SECONDS
    solver.parameters.num_workers = 1
    return round(solver.ObjectiveValue()) if solver.Solve(model) == cp_model.OPTIMAL else None
