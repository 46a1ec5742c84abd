"""Four servers on two storage units, one of which every node can lose on its own, with clients of both kinds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from tests.lab.clients import Client, Report
from tests.lab.lab import Lab
from tests.lab.stage import Stage, cluster_file

FOUR = """
vs1:
  priority: 100
  home: n1
  addresses: [192.0.2.11/24]
  filesystems:
    root: {exports: [{nfs: {path: /projects, clients: {192.0.2.0/24: rw}}}, {smb: {share: projects, path: /smb, users: [alice]}}]}
vs2:
  home: n1
  addresses: [192.0.2.12/24]
  filesystems:
    root: {storage: san2, exports: [{nfs: {path: /home, clients: {192.0.2.0/24: rw}}}, {smb: {share: home, path: /smb, users: [alice]}}]}
vs3:
  home: n1
  addresses: [192.0.2.13/24]
  filesystems:
    root: {storage: san2}
    data: {exports: [{nfs: {path: /scratch, clients: {192.0.2.0/24: rw}}}, {smb: {share: scratch, path: /smb, users: [alice]}}]}
vs4:
  home: n2
  addresses: [192.0.2.14/24]
  filesystems:
    root: {storage: san2, exports: [{nfs: {path: /office, clients: {192.0.2.0/24: rw}}}, {smb: {share: office, path: /smb, users: [alice]}}]}
"""
"""vs1 and vs3 need san1, and all but vs1 need san2; vs4 is elsewhere."""
LOST = ("vs1", "vs3")
"""The servers that need san1,"""
OTHERS = ("vs2", "vs4")
"""and the others."""
ON_SAN1 = ("vs1-root", "vs3-data")
EXPORTS = {"vs1": "/root/projects", "vs2": "/root/home", "vs3": "/data/scratch", "vs4": "/root/office"}
SHARES = {"vs1": "projects", "vs2": "home", "vs3": "scratch", "vs4": "office"}
ADDRESSES = {server: f"192.0.2.1{number}" for number, server in enumerate(EXPORTS, 1)}
ALICE = ("alice", "wonderland")
EVERY = ("--every", "0.05")


def prepare(stage: Stage, servers: str = FOUR, **more: Any) -> Stage:
    """Put the four on a stage, all at home, their storage good and alice known to them."""
    lab = stage.lab
    document = cluster_file(lab, servers, storage={"san1": {}, "san2": {}}, **more)
    there = {each.name for each in lab.disks.all()}
    for name in (f"r11-{each}" for each in ON_SAN1):
        if name not in there:
            lab.disk(name, failing=True)
    for server, filesystem in (each.split("-") for each in ON_SAN1):
        device = f"/dev/disk/by-id/vsctl-lab-r11-{server}-{filesystem}"
        document["virtual_servers"][server]["filesystems"][filesystem]["device"] = device
    fresh = stage.document != document
    if not fresh:
        _await_san1(stage)  # or nobody could go home to where it was lost
    stage.become(document)
    if fresh:
        for server in EXPORTS:
            stage.add_user(server, *ALICE)
    _await_san1(stage)
    return stage


def _await_san1(stage: Stage) -> None:
    for node in stage.lab.nodes:
        stage.lab.wait(lambda it=node.name: is_reached(stage, it), f"{node.name} reaches san1")


def is_reached(stage: Stage, node: str) -> bool:
    """Whether san1 counts on a node; where it is held back, as it has hung there before, it is released."""
    said = unit(stage.lab, node)
    if said == "0":
        stage.vsctl("release", f"{node}/san1", check=False)
    return said == "1"


def unit(lab: Lab, node: str) -> str | None:
    """Return what Pacemaker knows of san1 on a node."""
    now = lab.status()
    found = (
        now.xpath("//node_attributes/node[@name=$node]/attribute[@name='storage-san1']/@value", node=node)
        if now is not None
        else []
    )
    return str(found[0]) if found else None


def await_unit(lab: Lab, node: str, value: str, limit: float = 30) -> None:
    lab.wait(lambda: unit(lab, node) == value, f"{node} says {value} of san1", limit)


def lose(lab: Lab, how: str, *nodes: str) -> float:
    """Let san1 fail on nodes, eio, hang or slow S; return when that began."""
    began = time.monotonic()
    for node in nodes:
        for each in ON_SAN1:
            lab.disks.fault(f"r11-{each}", node, how)
    return began


@contextmanager
def working(stage: Stage, servers: Iterable[str] = tuple(EXPORTS)) -> Iterator[dict[str, Client]]:
    """Have an NFS and an SMB client write to every server meanwhile: `vs1 nfs`, `vs1 smb`, and so on."""
    lab, c1 = stage.lab, stage.lab.client("c1")
    found = {}
    for server in servers:
        host = ADDRESSES[server]
        found[f"{server} nfs"] = Client(c1, "nfs", host, EXPORTS[server], "--file", "records", *EVERY)
        who = ("--user", ALICE[0], "--password", ALICE[1])
        found[f"{server} smb"] = Client(c1, "smb", host, SHARES[server], "--file", "records", *who, *EVERY)
    for each in found.values():
        each.start()
    try:
        for each in found.values():
            each.wait_for_progress()
        for server in servers:
            lab.wait(lambda it=server: _are_noted(stage, it), f"{server} has noted its clients")
        yield found
    finally:
        for each in found.values():
            each.stop()


def _are_noted(stage: Stage, server: str) -> bool:
    """Whether the clients of a server are on its list. Only who is on it learns from the next node of a crash: others
    that wait for an answer do so for ever."""
    node = stage.lab.node(stage.node_of(server))
    ports = "( sport = :2049 or sport = :445 )"
    now = node.run(["ip", "netns", "exec", server, "ss", "-tnH", "state", "established", ports]).stdout
    clients = {line.split()[3].rpartition(":")[2] for line in now.splitlines()}
    noted = node.run(["cat", f"/run/vsctl/{server}/connections"], check=False).stdout
    return clients <= {line.split()[3] for line in noted.splitlines()}


def of(everyone: dict[str, Client], servers: Iterable[str]) -> dict[str, Client]:
    return {name: each for name, each in everyone.items() if name.split()[0] in servers}


def gaps(everyone: dict[str, Client], since: float) -> dict[str, float]:
    """Return how long each client waited at the longest since a moment, and say it: pytest shows it with -s."""
    found = {name: longest(each.report(), since) for name, each in everyone.items()}
    print({name: round(gap, 2) for name, gap in found.items()})
    return found


def longest(report: Report, since: float) -> float:
    """Return the longest time without an acknowledgement after a moment."""
    acks = [since, *(at for at in report.acks if at > since), report.until]
    return max(after - before for before, after in pairwise(acks))
