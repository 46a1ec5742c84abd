"""How few moves even out a cluster, and what is proven about that?

The whole problem as OR-Tools' CP-SAT has it: where everything may be, no node above the limit, nobody newly beside
whom it keeps apart from, as few moves as can be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsctl.policy import levelling
from vsctl.policy.demands import Demand, Supply

SECONDS = 60
"""The solver gets so many, on one processor, and then says what it has found and proven by then."""
FINE = 1_000_000
"""Loads as whole parts of a node, which is what the solver counts in; rounded so that no plan of ours is too full."""


@dataclass(frozen=True)
class Solved:
    """`where` is the best it has found, empty if none; `least` how many moves are proven to be needed."""

    where: Mapping[str, str]
    least: int


def solve(demands: Sequence[Demand], supplies: Sequence[Supply], limit: float) -> Solved:
    """Return what the solver makes of it; without a solver what can be proven without one."""
    least = must_leave(demands, supplies, limit)
    try:
        from ortools.sat.python import cp_model  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return Solved({}, least)
    model = cp_model.CpModel()
    at = {
        (each.server, node): model.NewBoolVar("")
        for each in demands
        for node in dict.fromkeys((str(each.here), *each.nodes))
    }
    for each in demands:
        model.AddExactlyOne(at[each.server, node] for node in dict.fromkeys((str(each.here), *each.nodes)))
    for supply in supplies:
        here = [each for each in demands if (each.server, supply.node) in at]
        for kind, capacity in enumerate(supply.capacity):
            loads = (math.floor(each.load[kind] / capacity * FINE) for each in here)
            terms = (load * at[each.server, supply.node] for load, each in zip(loads, here, strict=True))
            model.Add(sum(terms) <= math.ceil(limit * FINE))
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
    model.Minimize(sum(1 - at[each.server, str(each.here)] for each in demands))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = SECONDS
    solver.parameters.num_workers = 1
    status = solver.Solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        found = {server: node for (server, node), chosen in at.items() if solver.Value(chosen)}
        return Solved(found, max(least, math.ceil(solver.BestObjectiveBound() - 1e-6)))
    return Solved({}, least)


def must_leave(demands: Sequence[Demand], supplies: Sequence[Supply], limit: float) -> int:
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
