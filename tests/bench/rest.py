"""What do six virtual servers cost a node at rest?"""

from __future__ import annotations

import json
import sys
import time

from tests.bench.sides import BOTH, Ours, Side, Stock, up
from tests.bench.table import Row, Table
from tests.lab.machine import Machine

SETTLE = 30.0
MINUTE = 60.0

# CPU of processes that ended is in their parents' account, as long as these wait for them.
_LOOK = """
import glob, json, os
ticks = os.sysconf("SC_CLK_TCK")
cpu = pss = 0.0
for each in glob.glob("/proc/[0-9]*"):
    try:
        fields = open(each + "/stat").read().rpartition(")")[2].split()
        kept = dict(line.split()[:2] for line in open(each + "/smaps_rollup").readlines()[1:])
    except OSError:
        continue
    cpu += sum(map(int, fields[11:15])) / ticks
    pss += int(kept.get("Pss:", 0)) / 1024
print(json.dumps({"cpu": cpu, "pss": pss, "forks": int(open("/proc/sys/kernel/ns_last_pid").read())}))
"""


def measure(trials: int) -> Table:
    values: dict[type[Side], list[dict[str, float]]] = {side: [] for side in BOTH}
    for _ in range(max(1, trials // 3)):
        for side in BOTH:
            with up(side) as it:
                time.sleep(SETTLE)
                before = [_look(each) for each in it.lab.nodes]
                time.sleep(MINUTE)
                after = [_look(each) for each in it.lab.nodes]
                values[side] += map(_minute, before, after)

    def row(what: str, unit: str, key: str, target: str) -> Row:
        ours, stock = (tuple(each[key] for each in values[side]) for side in (Ours, Stock))
        return Row(what, unit, ours, stock, target)

    return Table(
        "At rest: each node, one minute, six virtual servers on three nodes",
        Ours.name(),
        Stock.name(),
        (
            row("CPU", "s/min", "cpu", "<= 1.2"),
            row("memory, PSS", "MiB", "pss", "no more"),
            row("forks", "/min", "forks", ""),
        ),
        ("Monitors every 10 s on the stock side, as the agents say on ours. Each node is a value.",),
    )


def _look(node: Machine) -> dict[str, float]:
    done = node.run([sys.executable, "-IS", "-c", _LOOK])
    return {key: float(value) for key, value in json.loads(done.stdout).items()}


def _minute(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {
        "cpu": after["cpu"] - before["cpu"],
        "pss": after["pss"],
        "forks": after["forks"] - before["forks"],
    }
