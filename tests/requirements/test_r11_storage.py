"""R11: a node loses a storage unit: exactly the servers on that unit move to a node that reaches it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab.clients import Client
from tests.lab.lab import Lab
from tests.lab.stage import Stage, cluster_file

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

FOUR = """
vs1:
  priority: 100
  home: n1
  addresses: [192.0.2.11/24]
  filesystems:
    root: {exports: [{nfs: {path: /projects, clients: {192.0.2.0/24: rw}}}]}
vs2:
  home: n1
  addresses: [192.0.2.12/24]
  filesystems:
    root: {storage: san2, exports: [{nfs: {path: /home, clients: {192.0.2.0/24: rw}}}]}
vs3:
  home: n1
  addresses: [192.0.2.13/24]
  filesystems:
    root: {storage: san2}
    data: {exports: [{nfs: {path: /scratch, clients: {192.0.2.0/24: rw}}}]}
vs4:
  home: n2
  addresses: [192.0.2.14/24]
  filesystems:
    root: {storage: san2, exports: [{nfs: {path: /office, clients: {192.0.2.0/24: rw}}}]}
"""
"""vs1 and vs3 need san1, and all but vs1 need san2."""
ON_SAN1 = ("vs1-root", "vs3-data")


@pytest.fixture
def four(bare: Stage) -> Iterator[Stage]:
    """Four servers on two units; the disks of san1 can fail."""
    document = cluster_file(bare.lab, FOUR, storage={"san1": {}, "san2": {}})
    there = {each.name for each in bare.lab.disks.all()}
    for name in (f"r11-{each}" for each in ON_SAN1):
        if name not in there:
            bare.lab.disk(name, failing=True)
    for server, filesystem in (each.split("-") for each in ON_SAN1):
        device = f"/dev/disk/by-id/vsctl-lab-r11-{server}-{filesystem}"
        document["virtual_servers"][server]["filesystems"][filesystem]["device"] = device
    bare.become(document)
    for node in bare.lab.nodes:
        bare.lab.wait(lambda it=node.name: unit(bare.lab, it, "san1") == "1", f"{node.name} reaches san1")
    yield bare
    bare.lab.disks.heal()


def unit(lab: Lab, node: str, name: str) -> str | None:
    """Return what Pacemaker knows of a storage unit on a node."""
    now = lab.status()
    found = now.xpath("//node_attributes/node[@name=$node]/attribute[@name=$unit]/@value", node=node, unit=f"storage-{name}") if now is not None else []  # fmt: skip
    return str(found[0]) if found else None


def lose(lab: Lab, node: str, how: str) -> None:
    """Let san1 fail on a node."""
    for each in ON_SAN1:
        lab.disks.fault(f"r11-{each}", node, how)


def clients(lab: Lab) -> dict[str, Client]:
    c1 = lab.client("c1")
    return {
        "vs1": Client.nfs(c1, "192.0.2.11", "/root/projects"),
        "vs2": Client.nfs(c1, "192.0.2.12", "/root/home"),
        "vs3": Client.nfs(c1, "192.0.2.13", "/data/scratch"),
        "vs4": Client.nfs(c1, "192.0.2.14", "/root/office"),
    }


def test_errors_move_exactly_the_servers_of_the_unit(four: Stage) -> None:
    lab, everyone, began = four.lab, clients(four.lab), time.monotonic()
    for each in everyone.values():
        each.start()
    try:
        for each in everyone.values():
            each.wait_for_progress()
        lose(lab, "n1", "eio")
        lab.wait(lambda: unit(lab, "n1", "san1") == "0", "n1 says that it has lost san1", 20)
        known = time.monotonic()
        for name in ("vs1", "vs3"):
            lab.wait(lambda it=name: lab.where(f"{it}-gate") not in (None, "n1"), f"{name} has left n1", 60)
            everyone[name].wait_for_progress(since=known)
        four.settle()
    finally:
        for each in everyone.values():
            each.stop()
    assert {name: four.node_of(name) for name in ("vs2", "vs4")} == {"vs2": "n1", "vs4": "n2"}
    assert {four.node_of(name) for name in ("vs1", "vs3")} <= {"n2", "n3"}
    assert not [each for each in lab.journal("off") if each.at > began], "nobody was fenced for it"
    report = {name: each.report() for name, each in everyone.items()}
    gaps = {name: each.longest_gap for name, each in report.items()}
    for name, each in everyone.items():
        said = {event.text.rpartition(" ")[2] for event in report[name].errors}
        # What the disk answered before the node knew reaches the clients; they go on when it is over.
        assert said <= ({"NFS3ERR_IO", "NFS3ERR_ROFS"} if name in ("vs1", "vs3") else set()), name
        assert each.missing() == [], name
    assert max(gaps["vs2"], gaps["vs4"]) < 2, "the others do not pause"
    assert max(gaps["vs1"], gaps["vs3"]) < 20

    lab.disks.heal()
    lab.wait(lambda: unit(lab, "n1", "san1") == "1", "n1 says by itself that it reaches san1 again", 30)
    four.settle()
    assert {four.node_of(name) for name in ("vs1", "vs3")} <= {"n2", "n3"}, "failback is manual"


def test_where_no_node_reaches_it_servers_stay(four: Stage) -> None:
    lab, began = four.lab, time.monotonic()
    before = {name: four.node_of(name) for name in ("vs2", "vs4")}
    for node in ("n1", "n2", "n3"):
        lose(lab, node, "eio")
    for node in ("n1", "n2", "n3"):
        lab.wait(lambda it=node: unit(lab, it, "san1") == "0", f"{node} says that it has lost san1", 20)
    four.settle()
    assert {name: four.node_of(name) for name in ("vs2", "vs4")} == before
    assert not [each for each in lab.journal("off") if each.at > began], "nobody was fenced for it"
    lab.disks.heal()
    for node in ("n1", "n2", "n3"):
        lab.wait(lambda it=node: unit(lab, it, "san1") == "1", f"{node} reaches san1 again", 30)
    four.vsctl("cleanup")
    lab.wait(lambda: four.serving("vs1") and four.serving("vs3"), "vs1 and vs3 serve again", 60)


def test_a_hang_lets_the_others_leave_before_the_node_is_fenced(four: Stage) -> None:
    lab, everyone = four.lab, clients(four.lab)
    for each in everyone.values():
        each.start()
    try:
        for each in everyone.values():
            each.wait_for_progress()
        hung = time.monotonic()
        lose(lab, "n1", "hang")
        lab.wait(lambda: unit(lab, "n1", "san1") == "0", "n1 says that it has lost san1", 20)
        lab.wait_until_fenced("n1", 120)
        fenced = lab.journal("off", "n1")[-1].at
        for name in ("vs1", "vs3"):
            everyone[name].wait_for_progress(since=fenced)
        four.settle()
    finally:
        for each in everyone.values():
            each.stop()
    report = {name: each.report() for name, each in everyone.items()}
    gaps = {name: each.longest_gap for name, each in report.items()}
    for name, each in everyone.items():
        assert not report[name].errors, f"{name}: {report[name]}"
        assert each.missing() == [], name
    assert [at for at in report["vs2"].acks if hung < at < fenced], "vs2 served until the node was fenced"
    assert four.node_of("vs2") != "n1" and four.node_of("vs4") == "n2"
    assert gaps["vs2"] < 10, "vs2 moved, and did not crash"
    assert gaps["vs4"] < 2
    assert max(gaps["vs1"], gaps["vs3"]) < 90
