"""How long do ten idle filesystems take to stop and to start?

Ten filesystems of one virtual server, root among them, and ten stock
Filesystem resources without any order between them, in one cluster, in turn.
Through Pacemaker: from the first action's beginning to the last one's end, by
the node's log. Agents alone: one after the other, as one node would run them.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict

from tests.bench.sides import HERE, lab_name
from tests.bench.table import Row, Table
from tests.lab import history
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.place import CHECKOUT

COUNT = 10
SIZE = "16M"

Values = dict[tuple[str, str], list[float]]
_TARGETS = {"stop": "<= 0.5", "start": "<= 0.5"}


def measure(trials: int) -> Table:
    values: Values = defaultdict(list)
    with Lab(3, name=lab_name()) as lab:
        for side in ("ours", "stock"):
            for n in range(COUNT):
                lab.disk(f"{side}{n}", size=SIZE)
        node = lab.node("n1")
        node.run(["vsctl", "apply", "--wait", _cluster_file(node)], timeout=180)
        node.run(["crm", "-F", "configure", "load", "update", _stock(node)])
        lab.wait(lambda: _running(lab, "stock-") == COUNT, "the stock filesystems are mounted", 60)
        for trial in range(trials + 1):
            for group, prefix in (("vs1", "vs1-"), ("stock", "stock-")):
                for action, role in (("stop", "Stopped"), ("start", "Started")):
                    took = _through_pacemaker(lab, group, prefix, action, role)
                    if trial:  # the first one for nothing
                        for what, seconds in took.items():
                            values[group, f"{action} {what}"].append(seconds)
        for group in ("vs1", "stock"):
            _set_role(node, group, "Stopped")
            lab.wait(lambda g=group: _running(lab, f"{g}-") == 0, f"{group} has stopped", 60)  # type: ignore[misc]
        for trial in range(trials + 1):
            for group in ("vs1", "stock"):
                costs = _alone(node, group)
                for action, each in costs.items() if trial else ():
                    for kind, value in each.items():
                        values[group, f"{action} {kind}"].append(value)
        lab.check()
    rows = [
        *(
            _row(values, f"{each}, Pacemaker", "s", f"{each} filesystems", _TARGETS[each])
            for each in _TARGETS
        ),
        *(_row(values, f"{each}, whole server", "s", f"{each} all", "") for each in _TARGETS),
        *(
            _row(values, f"{action}, agents: {kind}", "s" if kind != "forks" else "", f"{action} {kind}", "")
            for action in ("stop", "start")
            for kind in ("wall", "cpu", "forks")
        ),
    ]
    return Table("Ten idle filesystems of one virtual server", "vsctl", "Filesystem", tuple(rows))


def _row(values: Values, what: str, unit: str, key: str, target: str) -> Row:
    return Row(what, unit, tuple(values["vs1", key]), tuple(values["stock", key]), target)


def _device(side: str, n: int) -> str:
    return f"/dev/disk/by-id/vsctl-lab-{side}{n}"


def _cluster_file(node: Machine) -> str:
    """Write the measured cluster with one server of ten filesystems; return where."""
    head = (HERE / "ours.yaml").read_text().partition("virtual_servers:")[0]
    lines = [
        "virtual_servers:",
        "  vs1:",
        "    home: n1",
        "    addresses: [192.0.2.11/24]",
        "    filesystems:",
    ]
    for n in range(COUNT):
        name = f"data{n}" if n else "root"
        exports = ", exports: [{nfs: {path: /data, clients: {192.0.2.0/24: rw}}}]" if n == 0 else ""
        lines.append(f"      {name}: {{device: {_device('ours', n)}, type: ext4, storage: san1{exports}}}")
    node.write("/root/ten.yaml", head + "\n".join(lines) + "\n")
    return "/root/ten.yaml"


def _stock(node: Machine) -> str:
    lines = []
    for n in range(COUNT):
        node.run(["mkdir", "-p", f"/srv/stock/{n}"])
        parameters = f"device={_device('stock', n)} directory=/srv/stock/{n} fstype=ext4"
        timings = "op start timeout=60 op stop timeout=60 op monitor interval=10 timeout=40"
        lines.append(f"primitive stock-{n} ocf:heartbeat:Filesystem params {parameters} {timings}")
    lines.append(f"group stock {' '.join(f'stock-{n}' for n in range(COUNT))} meta ordered=false")
    lines.append("location stock-home stock inf: n1")
    node.write("/root/ten.crm", "\n".join(lines) + "\n")
    return "/root/ten.crm"


def _running(lab: Lab, prefix: str) -> int:
    """Count the resources that run, or have not finished to stop or start."""
    now = lab.status()
    if now is None:
        return -1
    ours = [each for each in now.iter("resource") if each.get("id", "").startswith(prefix)]
    if any(each.get("pending") for each in ours):
        return -1
    return len([each for each in ours if each.get("active") == "true"])


def _set_role(node: Machine, group: str, role: str) -> None:
    node.run(["crm_resource", "--resource", group, "--meta", "-p", "target-role", "-v", role])


def _through_pacemaker(lab: Lab, group: str, prefix: str, action: str, role: str) -> dict[str, float]:
    """Stop or start a group; return how long its filesystems took, and everything that belongs to it."""
    before, count = time.time(), _running(lab, prefix)
    _set_role(lab.node("n1"), group, role)
    lab.wait(lambda: (_running(lab, prefix) == 0) == (action == "stop"), f"{group} begins to {action}", 60)
    if action == "start":
        lab.wait(lambda: _running(lab, prefix) >= max(count, COUNT), f"{group} has started", 60)
        lab.wait(lambda: group != "vs1" or lab.where("vs1-gate") == "n1", "the gate of vs1 is open", 60)
    acts = [
        each
        for each in history.acts(lab, before)
        if each.resource.startswith(prefix) and each.operation == action
    ]
    mounts = [each for each in acts if "-fs-" in each.resource or group == "stock"]
    return {"filesystems": _length(mounts), "all": _length(acts)}


def _length(acts: list[history.Act]) -> float:
    """Return the seconds from the first action's beginning to the last one's end."""
    return max(each.at for each in acts if each.result) - min(each.at for each in acts if not each.result)


def _alone(node: Machine, group: str) -> dict[str, dict[str, float]]:
    """Start and stop the ten filesystems one after the other, without the cluster; return sums."""
    resources = []
    for n in range(COUNT):
        if group == "vs1":
            name = f"data{n}" if n else "root"
            parameters = {"server": "vs1", "filesystem": name, "device": _device("ours", n), "type": "ext4"}
            resources.append([f"vs1-fs-{name}", "vsctl/fs", parameters])
        else:
            parameters = {"device": _device("stock", n), "directory": f"/srv/stock/{n}", "fstype": "ext4"}
            resources.append([f"stock-{n}", "heartbeat/Filesystem", parameters])
    wanted = [
        [name, agent, action, its, False] for action in ("start", "stop") for name, agent, its in resources
    ]
    python = ["env", f"--chdir={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1", sys.executable]
    done = node.run([*python, "-m", "tests.bench.inside"], input=json.dumps(wanted), timeout=300)
    costs = json.loads(done.stdout)
    return {
        action: {
            "wall": sum(each["wall"] for each in part) / 1000,
            "cpu": sum(each["cpu"] for each in part) / 1000,
            "forks": sum(each["forks"] for each in part),
        }
        for action, part in (("start", costs[:COUNT]), ("stop", costs[COUNT:]))
    }
