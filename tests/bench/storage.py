"""What does a lost storage unit cost clients, and what does watching storage cost a node?

Two units, four virtual servers, an NFS and an SMB client of each
(`tests/requirements/storage.py`); one node loses one unit, by errors and by a hang. Ours only: the stock
configuration needs a monitor depth that nobody sets, and its figures are in the notes.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict

from tests.bench.sides import lab_name
from tests.bench.table import Row, Table
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.stage import Stage, cluster_file
from tests.requirements import storage
from tests.requirements.storage import LOST, lose, of, working

UNITS, FILESYSTEMS = 10, 20
MINUTE = 60.0
_TARGETS = {"eio": "<= 4", "hang": "<= 15"}
_WORDS = {"eio": "errors", "hang": "hang"}


def measure(trials: int) -> Table:
    rows: list[Row] = []
    values: dict[str, list[float]] = defaultdict(list)
    with Lab(3, name=lab_name()) as lab:
        stage = Stage(lab)
        for _ in range(trials):
            for how in _TARGETS:
                for what, seconds in _lost(stage, how).items():
                    values[what].append(seconds)
        rows += [
            Row(
                what,
                "s",
                tuple(found),
                target=_TARGETS["eio" if "errors" in what else "hang"] if "unit" in what else "",
            )
            for what, found in values.items()
        ]
        stage.clear()
        rows += _cost(stage)
        lab.check()
    return Table(
        "One node loses a storage unit: the longest time without an answer",
        "vsctl",
        "",
        tuple(rows),
        (
            "unit: clients of servers on it; beside: of a server of that node that is not; elsewhere: on another.",
            "A good hand-written stock configuration: 12.9 s by errors, 83 s by a hang with the node fenced.",
            f"CPU: per cent of a core, a minute, {UNITS} units and {FILESYSTEMS} filesystems, each node a value.",
        ),
    )


def _lost(stage: Stage, how: str) -> dict[str, float]:
    lab = stage.lab
    storage.prepare(stage)
    stage.settle()
    with working(stage) as everyone:
        began = lose(lab, how, "n1")
        if how == "hang":
            lab.wait_until_fenced("n1", 120)
        for each in of(everyone, LOST).values():
            each.wait_for_progress(since=began + 2.0, limit=120)
        stage.settle()
        for each in everyone.values():
            each.wait_for_progress()
    waited = {name: storage.longest(each.report(), began) for name, each in everyone.items()}
    lab.heal()
    stage.settle()
    where = {"unit": LOST, "beside": ("vs2",), "elsewhere": ("vs4",)}
    return {
        f"{_WORDS[how]} {kind} {place}": max(waited[f"{server} {kind}"] for server in servers)
        for place, servers in where.items()
        for kind in ("nfs", "smb")
    }


def _cost(stage: Stage) -> list[Row]:
    """Measure every node's daemon and readers with many units, and with none."""
    lab = stage.lab
    servers = {
        f"vs{number}": {
            "home": f"n{number % 3 + 1}",
            "addresses": [f"192.0.2.{20 + number}/24"],
            "filesystems": {
                name: {"storage": f"san{(5 * number + at) % UNITS + 1}"}
                for at, name in enumerate(("root", "a", "b", "c", "d"))
            },
        }
        for number in range(1, FILESYSTEMS // 5 + 1)
    }
    units: dict[str, dict[str, object]] = {f"san{number}": {} for number in range(1, UNITS + 1)}
    document = cluster_file(lab, json.dumps(servers), storage=units)
    stage.apply(document, "--yes")
    stage.settle()
    watching = _minute(lab)
    for node in lab.nodes:
        node.run([sys.executable, "-IS", "-c", _BLIND])
    return [
        Row("daemon and readers", "%", watching, target=""),
        Row(
            "of it for storage",
            "%",
            tuple(a - b for a, b in zip(watching, _minute(lab), strict=True)),
            target="< 0.5",
        ),
    ]


def _minute(lab: Lab) -> tuple[float, ...]:
    before = [_cpu(each) for each in lab.nodes]
    began = time.monotonic()
    time.sleep(MINUTE)
    passed = time.monotonic() - began
    return tuple(100 * (_cpu(each) - was) / passed for each, was in zip(lab.nodes, before, strict=True))


def _cpu(node: Machine) -> float:
    return float(node.run([sys.executable, "-IS", "-c", _LOOK]).stdout)


# Reading goes on in processes of the daemon's, which it waits for as for the programs that it runs.
_LOOK = """
import os
daemon = int(open("/run/vsctl/_daemon/process").read().split()[0])
total = 0
for each in filter(str.isdigit, os.listdir("/proc")):
    try:
        fields = open(f"/proc/{each}/stat").read().rpartition(")")[2].split()
    except OSError:
        continue
    if daemon in (int(each), int(fields[1])):
        total += sum(map(int, fields[11:15]))
print(total / os.sysconf("SC_CLK_TCK"))
"""

# The daemon reads its settings again; Pacemaker does not know, and reloads them with the next change.
_BLIND = """
import socket
place = "/run/vsctl/_daemon/settings"
kept = [line for line in open(place) if not line.startswith("storage ")]
open(place, "w").writelines(kept)
line = socket.socket(socket.AF_UNIX)
line.connect("/run/vsctl/_daemon/socket")
line.sendall(b"reload\\n")
assert line.recv(99) == b"done\\n"
"""
