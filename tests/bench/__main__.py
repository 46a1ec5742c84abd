"""Measure vsctl against stock agents, in the same run, in turn.

python -m tests.bench [PART ...] [--trials N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.bench import (
    agents,
    cib,
    commands,
    daemon,
    damage,
    filesystems,
    outages,
    peers,
    placement,
    ports,
    proof,
    rest,
    scale,
    storage,
    throughput,
)
from tests.bench.table import Table
from tests.lab.problem import LabProblem

PARTS: dict[str, Callable[[int], Table]] = {
    "agents": agents.measure,
    "filesystems": filesystems.measure,
    "move": outages.moves,
    "failover": outages.failovers,
    "ports": ports.measure,
    "rest": rest.measure,
    "daemon": daemon.measure,
    "storage": storage.measure,
    "damage": damage.measure,
    "throughput": throughput.measure,
    "commands": commands.measure,
    "placement": placement.measure,
    "peers": peers.measure,
    "scale": scale.measure,
    "cib": cib.measure,
    "proof": proof.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--trials", type=int, default=3, help="of each side, in turn (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single value there")
    wanted = parser.parse_args()
    if unknown := set(wanted.parts) - PARTS.keys():
        parser.error(f"there is no part {' '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)  # whatever ends it, the lab is taken down
    tables = {}
    try:
        for part in wanted.parts or PARTS:
            before = os.getloadavg()[0]
            tables[part] = replace(PARTS[part](wanted.trials), load=before)
            print(tables[part].text(), flush=True)
            if wanted.json:
                wanted.json.write_text(
                    json.dumps({name: each.plain() for name, each in tables.items()}, indent=1)
                )
    except KeyboardInterrupt:
        return 130
    except LabProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
