"""What becomes of an uneven cluster, worked out in a process of its own: so its time and memory are told apart.

`answer` starts it: python -m tests.bench.placed ours|exact SERVERS NODES TOLERANCE SEED. Standard output: JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from tests.bench import exact
from tests.bench.uneven import KINDS, case
from tests.bench.usage import used
from tests.lab.place import CHECKOUT
from vsctl.policy.balance import balance

OURS, EXACT = "ours", "exact"


@dataclass(frozen=True)
class Answer:
    """Where everything is then (what is nowhere is absent), and the CPU seconds and mebibytes that took.

    `where` is None if no plan was found in time; `best` is how full the fullest node has to be
    at least, and `least` how many moves are proven to be needed, as far as somebody has looked.
    """

    where: Mapping[str, str] | None
    seconds: float
    memory: float
    best: float = 0.0
    least: int = 0


@cache
def answer(who: str, servers: int, nodes: int, tolerance: float, seed: int) -> Answer:
    """Return what one of the two makes of a cluster."""
    words = (who, *map(str, (servers, nodes, tolerance, seed)))
    said, _, memory = used((sys.executable, "-m", "tests.bench.placed", *words), CHECKOUT)
    return Answer(**json.loads(said), memory=memory)


def main(who: str, servers: int, nodes: int, tolerance: float, seed: int) -> None:
    demands, supplies = case(servers, nodes, seed)
    begun = time.process_time()
    found = balance(demands, supplies, KINDS, tolerance=tolerance)
    seconds, least = time.process_time() - begun, 0
    targets = {each.server: each.target for each in found.moves}
    where = {each.server: targets.get(each.server, str(each.here)) for each in demands}
    if who == OURS:
        then = tuple(replace(each, here=where[each.server]) for each in demands)
        again = balance(then, supplies, KINDS, tolerance=tolerance)
        assert not again.moves, "the second run moves something"
    else:
        begun = time.process_time()
        solved = exact.solve(demands, supplies, found.limit)
        seconds, least = time.process_time() - begun, solved.least
        where = dict(solved.where)
    told = {"where": where or None, "seconds": seconds, "best": found.bound, "least": least}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
