"""What does the node daemon cost a node that announces fifty addresses?"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import yaml

from tests.bench.sides import HERE, lab_name
from tests.bench.table import Row, Table
from tests.lab.lab import Lab
from tests.lab.machine import Machine

SERVERS, EACH = 5, 10
"""Virtual servers, and addresses of each, half of them IPv6."""
SETTLE, MINUTE = 30.0, 60.0

# CPU of processes that ended is in their parents' account; those that read storage live as long as the daemon.
_LOOK = """
import glob, json, os
daemon = open("/run/vsctl/_daemon/process").read().split()[0]
stats = {}
for each in glob.glob("/proc/[0-9]*/stat"):
    try:
        stats[each.split("/")[2]] = open(each).read().rpartition(")")[2].split()
    except OSError:
        continue
family = [daemon, *(pid for pid, fields in stats.items() if fields[1] == daemon)]
memory = {"Rss": 0, "Pss": 0}
for pid in family:
    for line in open(f"/proc/{pid}/smaps_rollup").readlines()[1:]:
        name, _, value = line.partition(":")
        if name in memory:
            memory[name] += int(value.split()[0]) / 1024
cpu = sum(int(ticks) for pid in family for ticks in stats[pid][11:15]) / os.sysconf("SC_CLK_TCK")
print(json.dumps({"cpu": cpu, **memory}))
"""


def measure(trials: int) -> Table:
    """Look at the daemons of three nodes, all addresses on the first, once a trial for a minute."""
    seen: dict[str, list[dict[str, float]]] = {"n1": [], "others": []}
    with Lab(3, name=lab_name()) as lab:
        _configure(lab)
        time.sleep(SETTLE)
        for _ in range(trials):
            before = {node.name: _look(node) for node in lab.nodes}
            time.sleep(MINUTE)
            for node in lab.nodes:
                after = _look(node)
                used = (after["cpu"] - before[node.name]["cpu"]) / MINUTE * 100
                seen["n1" if node.name == "n1" else "others"].append({**after, "cpu": used})

    def row(what: str, unit: str, key: str, target: str = "", who: str = "n1") -> Row:
        return Row(what, unit, tuple(each[key] for each in seen[who]), (), target)

    return Table(
        f"The node daemon: {SERVERS * EACH} addresses announced on one node, at rest",
        "vsctl",
        "-",
        (
            row("CPU of one core", "%", "cpu", "< 1"),
            row("memory, RSS", "MiB", "Rss", "< 60"),
            row("memory, PSS", "MiB", "Pss"),
            row("CPU, no address", "%", "cpu", who="others"),
        ),
        (
            "The daemon, the processes that read its storage, and all that it has run. RSS counts what they share twice.",
        ),
    )


def _configure(lab: Lab) -> None:
    document: dict[str, Any] = yaml.safe_load((HERE / "ours.yaml").read_text())
    document["subnets"]["lan-a"]["networks"].append("2001:db8:a::/64")
    document["virtual_servers"] = {
        f"vs{number}": {
            "home": "n1",
            "addresses": [
                address
                for host in range(EACH * number, EACH * number + EACH // 2)
                for address in (f"192.0.2.{host}/24", f"2001:db8:a::{host}/64")
            ],
            "filesystems": {
                "root": {"device": f"/dev/disk/by-id/vsctl-lab-vs{number}", "type": "ext4", "storage": "san1"}
            },
        }
        for number in range(1, SERVERS + 1)
    }
    for name in document["virtual_servers"]:
        lab.disk(name)
    node = lab.node("n1")
    node.write("/etc/vsctl.yaml", yaml.safe_dump(document))
    node.run(["vsctl", "apply", "--wait", "/etc/vsctl.yaml"], timeout=180)


def _look(node: Machine) -> dict[str, float]:
    done = node.run([sys.executable, "-IS", "-c", _LOOK])
    return {key: float(value) for key, value in json.loads(done.stdout).items()}
