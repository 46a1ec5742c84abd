"""What does an action of an agent cost, against its stock counterpart?

CPU is user and system time of the agent and what it waits for; a server that
goes on running is not counted. Forks are processes beside the agent itself.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass

from tests.bench.sides import lab_name
from tests.bench.table import Row, Table
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.place import CHECKOUT

MONITORS = 5
"""In each trial; the first one after a start may have more to do, and is left out."""

Parameters = dict[str, str]

_VS = {"server": "vs1"}
_PORTS = "n1=e0a,e0b"


@dataclass(frozen=True)
class Resource:
    name: str
    agent: str
    parameters: Parameters
    may_fail: bool = False


NET4 = Resource("vs1-net", "vsctl/net", _VS | {"addresses": "192.0.2.61/24"})
VIP4 = Resource(
    "vs1-vip-lan-a",
    "vsctl/vip",
    _VS | {"subnet": "lan-a", "addresses": "192.0.2.61/24", "ports": _PORTS, "gateways": "192.0.2.1"},
)
NET6 = Resource("vs2-net", "vsctl/net", {"server": "vs2", "addresses": "2001:db8:a::62/64"})
VIP6 = Resource(
    "vs2-vip-lan-a",
    "vsctl/vip",
    {"server": "vs2", "subnet": "lan-a", "addresses": "2001:db8:a::62/64", "ports": _PORTS},
)
FS = Resource(
    "vs1-fs-root",
    "vsctl/fs",
    _VS | {"filesystem": "root", "device": "/dev/disk/by-id/vsctl-lab-ours", "type": "ext4"},
)
NFS = Resource("vs1-nfs", "vsctl/nfs", _VS)
EXPORTS = Resource(
    "vs1-exp-root",
    "vsctl/exports",
    _VS | {"filesystem": "root", "exports": "/data /root/data id=61 squash=root 192.0.2.0/24=rw"},
)
SMB = Resource("vs1-smb", "vsctl/smb", _VS | {"netbios": "VS1"})
SHARES = Resource(
    "vs1-shr-root",
    "vsctl/shares",
    _VS | {"filesystem": "root", "shares": "data /data access=rw users=alice"},
)
GATE = Resource("vs1-gate", "vsctl/gate", _VS)

IP4 = Resource("ip4", "heartbeat/IPaddr2", {"ip": "192.0.2.71", "cidr_netmask": "24", "nic": "e0a"})
IP6 = Resource("ip6", "heartbeat/IPaddr2", {"ip": "2001:db8:a::72", "cidr_netmask": "64", "nic": "e0a"})
FILESYSTEM = Resource(
    "filesystem",
    "heartbeat/Filesystem",
    {"device": "/dev/disk/by-id/vsctl-lab-stock", "directory": "/srv/stock/vs1", "fstype": "ext4"},
)
GANESHA = Resource(
    "ganesha",
    "heartbeat/anything",
    {
        "binfile": "/usr/bin/ganesha.nfsd",
        "cmdline_options": "-F -f /etc/stock/vs1.conf -L /var/log/ganesha/vs1.log -p /run/stock/g.pid",
        "pidfile": "/run/stock/vs1.pid",
    },
)
SMBD = Resource(
    "smbd",
    "heartbeat/anything",
    {
        "binfile": "/usr/sbin/smbd",
        "cmdline_options": "-F --no-process-group -s /etc/stock/vs2.conf",
        "pidfile": "/run/stock/vs2.pid",
    },
)
EXPORTFS = Resource(  # may fail: where the kernel has no NFS server
    "exportfs",
    "heartbeat/exportfs",
    {"clientspec": "192.0.2.0/24", "directory": "/srv/stock/vs1/data", "fsid": "71", "options": "rw"},
    may_fail=True,
)
PORTBLOCK = Resource(
    "portblock",
    "heartbeat/portblock",
    {"protocol": "tcp", "portno": "2049", "action": "unblock", "ip": "192.0.2.71"},
    may_fail=True,
)

PAIRS: tuple[tuple[str, tuple[Resource, ...], tuple[Resource, ...]], ...] = (
    ("net+vip4, IPaddr2", (NET4, VIP4), (IP4,)),
    ("net+vip6, IPaddr2", (NET6, VIP6), (IP6,)),
    ("fs, Filesystem", (FS,), (FILESYSTEM,)),
    ("nfs, anything", (NFS,), (GANESHA,)),
    ("exports, exportfs", (EXPORTS,), (EXPORTFS,)),
    ("smb, anything", (SMB,), (SMBD,)),
    ("shares", (SHARES,), ()),
    ("gate, portblock", (GATE,), (PORTBLOCK,)),
)
_TARGETS = {"start": "0.4 x", "stop": "0.4 x", "monitor": "0.3 x, 10"}

Costs = dict[tuple[str, str, str], list[float]]


def measure(trials: int) -> Table:
    costs: Costs = defaultdict(list)
    with Lab(2, name=lab_name()) as lab:
        node = lab.node("n1")
        lab.disk("ours")
        lab.disk("stock")
        _prepare(node)
        _run(node, _turn(0), defaultdict(list))  # once for nothing: caches, directories, modules
        for _ in range(trials):
            for side in (0, 1):
                _run(node, _turn(side), costs)
        lab.check()
    failed = sorted({name for (name, _, kind), values in costs.items() if kind == "code" and any(values)})
    notes = [
        "net+vip: both agents together. anything: starts a process and watches its id.",
        "CPU target of a monitor: 0.3 of the stock one or 10 ms, whichever is more.",
    ]
    if failed:
        notes.append(f"Not working on this kernel, and measured as far as they go: {', '.join(failed)}.")
    return Table("Agents: what an action costs", "vsctl", "stock agents", tuple(_rows(costs)), tuple(notes))


def _prepare(node: Machine) -> None:
    here = CHECKOUT / "tests/bench/stock"
    node.run(["mkdir", "-p", "/run/stock/vs2/ncalrpc", "/etc/stock", "/srv/stock/vs1", "/var/log/ganesha"])
    node.run(["rpcbind", "-w"])
    for kind, name in (("ganesha", "vs1"), ("smb", "vs2")):
        text = (here / f"{kind}.conf").read_text().replace("@ADDRESS@", "192.0.2.71").replace("@NAME@", name)
        node.write(f"/etc/stock/{name}.conf", text.replace("/srv/stock/vs2", "/srv/stock/vs1"))
    node.run(["mount", "/dev/disk/by-id/vsctl-lab-stock", "/srv/stock/vs1"])
    node.run(["mkdir", "/srv/stock/vs1/data", "/srv/stock/vs1/nfs", "/srv/stock/vs1/smb"])
    node.run(["umount", "/srv/stock/vs1"])


def _turn(side: int) -> list[tuple[Resource, str]]:
    """Return what one side does in a trial: all start, are watched, and stop."""
    resources = [each for pair in PAIRS for each in pair[1 + side]]
    watched = [(each, "monitor") for each in resources for _ in range(MONITORS + 1)]
    return [
        *((each, "start") for each in resources),
        *watched,
        *((each, "stop") for each in reversed(resources)),
    ]


def _run(node: Machine, turn: list[tuple[Resource, str]], costs: Costs) -> None:
    wanted = [[each.name, each.agent, action, each.parameters, each.may_fail] for each, action in turn]
    python = ["env", f"--chdir={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1", sys.executable]
    done = node.run([*python, "-m", "tests.bench.inside"], input=json.dumps(wanted), timeout=300)
    last: tuple[Resource, str] | None = None
    for now, cost in zip(turn, json.loads(done.stdout), strict=True):
        each, action = now
        if action != "monitor" or last == now:
            for kind, value in cost.items():
                costs[each.name, action, kind].append(value)
        last = now


def _rows(costs: Costs) -> list[Row]:
    found = []
    for kind, unit in (("cpu", "ms"), ("forks", ""), ("wall", "ms")):
        for title, ours, stock in PAIRS:
            for action in ("start", "monitor", "stop"):
                target = {"cpu": _TARGETS[action], "forks": "0" if action == "monitor" else "", "wall": ""}[
                    kind
                ]
                found.append(
                    Row(
                        f"{kind} {title.partition(',')[0]} {action}",
                        unit,
                        _sum(costs, ours, action, kind),
                        _sum(costs, stock, action, kind),
                        target,
                    )
                )
    return found


def _sum(costs: Costs, resources: tuple[Resource, ...], action: str, kind: str) -> tuple[float, ...]:
    return tuple(map(sum, zip(*(costs[each.name, action, kind] for each in resources), strict=True)))
