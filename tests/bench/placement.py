"""How many moves does evening out the load take, against what is proven to be needed?

Needed is what every node has to lose at least, or more, where OR-Tools' CP-SAT
(`pip install .[bench]`) can prove more within its time.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import exact
from tests.bench.placed import EXACT, OURS, answer
from tests.bench.table import Row, Table
from tests.bench.uneven import CLASSES, case, moves, sort

SECONDS_WANTED = {2000: "<= 0.1", 10000: "<= 1"}


def measure(trials: int) -> Table:
    return Table(
        "Placement: moves until no node is fuller than the tolerance above the best possible",
        "vsctl",
        "proven minimum",
        tuple(row for each in CLASSES for row in _rows(*each, trials)),
        (
            f"Proven: no plan has fewer moves; the solver had {exact.SECONDS} s to show that.",
            "Where that is not the least that can be done ours is nearer to it than it seems.",
        ),
    )


def _rows(servers: int, nodes: int, tolerance: float, trials: int) -> Iterator[Row]:
    made, least, seconds = [], [], []
    for seed in range(1, trials + 1):
        ours = answer(OURS, servers, nodes, tolerance, seed)
        made.append(float(moves(case(servers, nodes, seed), ours.where or {})))
        seconds.append(ours.seconds)
        least.append(float(answer(EXACT, servers, nodes, tolerance, seed).least))
    what = sort(servers, nodes, tolerance)
    yield Row(what, "moves", tuple(made), tuple(least), "<= 1.10")
    yield Row(what, "CPU s", tuple(seconds), (), SECONDS_WANTED.get(servers, ""))
