"""How long does it take to prove that every single failure is survived?"""

from __future__ import annotations

import os
import resource
import time

from tests.bench.scale import cluster
from tests.bench.table import Row, Table
from vsctl.cli import configuration, proof, scheduler

SERVERS, NODES = 40, 8


def measure(trials: int) -> Table:
    wall, cpu, failures = [], [], 0
    for _ in range(trials):
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        of = cluster(SERVERS, NODES, None)
        found = proof.prove(of, scheduler.settle(configuration.fresh(of)), 1)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert found.holds, found.problems
        failures = len(found.cases)
        wall.append(time.monotonic() - began)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return Table(
        f"vsctl prove --depth 1: {SERVERS} virtual servers on {NODES} nodes, {failures} failures",
        "vsctl",
        "",
        (
            Row("from file to verdict", "s", tuple(wall), (), "about 60"),
            Row("CPU of schedulers", "s", tuple(cpu)),
        ),
        (f"{os.cpu_count()} processors, a scheduler at a time on each.",),
    )
