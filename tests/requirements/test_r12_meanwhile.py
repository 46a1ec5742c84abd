"""R12: before and while a repair goes on nodes die, servers move, and the whole cluster restarts: it ends well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import stage as moments
from tests.lab.clients import Client
from tests.lab.stage import Stage, cluster_file
from tests.requirements.damaged import break_ext4, device, is_over, progress, quarantine, unharmed, working
from tests.servers.quarantined import TABLE_AND_SIZE

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SERVERS = """
vs1:
  priority: 100
  home: n1
  addresses: [192.0.2.11/24]
  filesystems:
    root:
    data: {exports: [{nfs: {path: /projects, clients: {192.0.2.0/24: rw}}}]}
    slow: {exports: [{nfs: {path: /slow, clients: {192.0.2.0/24: rw}}}]}
    late: {exports: [{nfs: {path: /late, clients: {192.0.2.0/24: rw}}}]}
    brief: {exports: [{nfs: {path: /brief, clients: {192.0.2.0/24: rw}}}]}
    torn: {exports: [{nfs: {path: /torn, clients: {192.0.2.0/24: rw}}}]}
vs2:
  home: n2
  addresses: [192.0.2.12/24]
  filesystems:
    root: {exports: [{nfs: {path: /home, clients: {192.0.2.0/24: rw}}}]}
vs3:
  home: n3
  addresses: [192.0.2.13/24]
  filesystems:
    root: {exports: [{nfs: {path: /media, clients: {192.0.2.0/24: rw}}}]}
"""
SLOW = ("slow", "late")
"""Filesystems of vs1 whose disks can be made so slow that their check takes minutes; each is damaged once."""


@pytest.fixture
def stage(prepared: Stage) -> Iterator[Stage]:
    yield prepared
    prepared.lab.heal()


@pytest.fixture(scope="module")
def prepared(bare: Stage) -> Stage:
    document = cluster_file(bare.lab, SERVERS)
    for name in SLOW:
        bare.lab.disk(f"meanwhile-{name}", failing=True)
        document["virtual_servers"]["vs1"]["filesystems"][name]["device"] = (
            f"/dev/disk/by-id/vsctl-lab-meanwhile-{name}"
        )
    bare.become(document)
    return bare


def test_a_failover_does_not_wait_for_a_repair_that_takes_minutes(stage: Stage) -> None:
    lab, c1 = stage.lab, stage.lab.client("c1")
    clients = {
        "slow": Client.nfs(c1, "192.0.2.11", "/slow/slow"),
        "data": Client.nfs(c1, "192.0.2.11", "/data/projects"),
        "vs2": Client.nfs(c1, "192.0.2.12", "/root/home"),
        "vs3": Client.nfs(c1, "192.0.2.13", "/root/media"),
    }
    with working(clients):
        where = begin_long_repair(stage, "slow")
        process = lab.node(where).run(["cat", PROCESS.format("slow")]).stdout
        weight = lab.node(where).run(["sh", "-c", "ionice -p $(pgrep -x e2fsck)"]).stdout
        assert weight.strip() == "best-effort: prio 7", "others read and write first"
        so_far = lab.wait(lambda: progress(stage, "slow"), "the repair says how many percent are done", 60)
        killed, lost = ("n2", "vs2") if where != "n2" else ("n3", "vs3")
        lab.kill(killed)
        lab.wait_until_fenced(killed)
        clients[lost].wait_for_progress(since=lab.journal("off", killed)[-1].at)
        assert stage.node_of(lost) != killed
        assert lab.node(where).run(["cat", PROCESS.format("slow")]).stdout == process, (
            "the repair has gone on"
        )
        assert quarantine(stage, "slow")["stage"] == "repair"
        lab.wait(lambda: (progress(stage, "slow") or 0) > so_far, f"it gets further than {so_far} %", 60)
        lab.disks.heal()
        lab.wait(lambda: is_over(stage, "slow"), "slow is repaired, and served again", 120)
        assert quarantine(stage, "slow")["on"] == where
    gaps = {name: round(each.longest_gap, 2) for name, each in unharmed(clients).items()}
    print(gaps)
    others = {name: gaps[name] for name in ("data", "vs2", "vs3") if name != lost}
    assert max(others.values()) < 5, f"the others go on: {gaps}"
    lab.heal()
    stage.settle()


def test_a_cluster_that_restarts_in_the_middle_begins_the_repair_anew(stage: Stage) -> None:
    lab = stage.lab
    clients = {
        "late": Client.nfs(lab.client("c1"), "192.0.2.11", "/late/late"),
        "data": Client.nfs(lab.client("c1"), "192.0.2.11", "/data/projects"),
    }
    with working(clients):
        begin_long_repair(stage, "late")
        for node in lab.nodes:
            lab.kill(node.name)
        dark = moments.now()
        for node in lab.nodes:
            lab.boot(node.name)
        where = lab.wait(lambda: lab.where("vs1-repair-late"), "late is being repaired again", 120)
        clients["data"].wait_for_progress()
        assert lab.where("vs1-fs-late") is None
        assert lab.node(where).run(["cat", PROCESS.format("late")]).stdout
        assert quarantine(stage, "late")["stage"] == "repair"
        lab.disks.heal()
        lab.wait(lambda: is_over(stage, "late"), "late is repaired, and served again", 120)
        found = quarantine(stage, "late")
        assert float(str(found["ended"])) > dark, found
    unharmed(clients)
    lab.heal()
    stage.settle()


def test_a_node_that_dies_when_damage_was_found_and_nothing_has_stopped_yet(stage: Stage) -> None:
    """What was found is configuration by then: nobody mounts it before it has been repaired elsewhere."""
    lab, home = stage.lab, stage.node_of("vs1")
    clients = {
        "brief": Client.nfs(lab.client("c1"), "192.0.2.11", "/brief/brief"),
        "data": Client.nfs(lab.client("c1"), "192.0.2.11", "/data/projects"),
    }
    with working(clients):
        hold = "kill -STOP $(pgrep -x pacemaker-execd)"  # no agent runs there any more
        lab.node(home).run(["sh", "-c", hold])
        since = break_ext4(lab, home, "vs1-brief")
        lab.wait(lambda: quarantine(stage, "brief").get("stage") == "repair", "brief is in quarantine")
        lab.kill(home)
        killed = moments.now()
        lab.wait_until_fenced(home)
        lab.wait(lambda: is_over(stage, "brief"), "brief is repaired, and served again", 120)
    lab.heal()
    stage.settle()
    found = quarantine(stage, "brief")
    assert (found["node"], found["on"] == home) == (home, False), found
    acts = [each for each in stage.acts_since(since) if each.resource == "vs1-fs-brief"]
    assert not [each for each in acts if each.result and each.at < killed], "it had not stopped"
    mounted = next(each.at for each in acts if each.operation == "start")
    assert mounted >= float(str(found["ended"])), "it is mounted only when it has been repaired"
    unharmed(clients)


def test_what_can_be_mounted_nowhere_does_not_drag_its_server_around(stage: Stage) -> None:
    """The inode table is corrupt on the disk, and well in the memory of the node that has it mounted."""
    lab, home = stage.lab, stage.node_of("vs1")
    there = next(each.name for each in lab.nodes if each.name != home)
    node, disk = lab.node(home), device(lab, home, "vs1-torn")
    said = node.run(["sh", "-c", f"sync -f /srv/vsctl/vs1/torn; dumpe2fs {disk}"]).stdout
    table, size = (int(said.partition(each)[2].split()[0].partition("-")[0]) for each in TABLE_AND_SIZE)
    spoil = ["if=/dev/urandom", f"of={disk}", f"bs={size}", "count=1", f"seek={table}", "conv=notrunc"]
    node.run(["dd", *spoil, "oflag=direct"])
    clients = {"data": Client.nfs(lab.client("c1"), "192.0.2.11", "/data/projects")}
    with working(clients):
        moved = moments.now()
        stage.vsctl("move", "vs1", there)
        lab.wait(lambda: quarantine(stage, "torn").get("stage"), "torn is found damaged")
        lab.wait(lambda: is_over(stage, "torn"), "torn is repaired, and served again", 120)
        stage.settle()
    assert quarantine(stage, "torn")["result"] == "repaired"
    started = [
        each for each in stage.acts_since(moved) if each.resource == "vs1-net" and each.operation == "start"
    ]
    assert {each.node for each in started} == {there}, "it has gone where it was to go, and nowhere else"
    unharmed(clients)
    stage.vsctl("failback")
    stage.settle()


WHEN_READ = "slow 0.8"
"""Storage that is slow and no more: a check reads about a hundred times."""
PROCESS = "/run/vsctl/_repair/vs1.{}/process"


def begin_long_repair(stage: Stage, filesystem: str) -> str:
    """Damage a filesystem of vs1 whose check then takes minutes wherever it is; return the node that checks it."""
    lab, disk = stage.lab, f"meanwhile-{filesystem}"
    for node in ("n2", "n3"):
        lab.disks.fault(disk, node, WHEN_READ)
    break_ext4(lab, "n1", disk)
    lab.wait(lambda: lab.where(f"vs1-fs-{filesystem}") is None, f"{filesystem} is blocked", 30)
    lab.disks.fault(disk, "n1", WHEN_READ)
    where = lab.wait(lambda: lab.where(f"vs1-repair-{filesystem}"), f"{filesystem} is being repaired", 30)
    lab.wait(
        lambda: "checking" in stage.vsctl("repair", f"vs1/{filesystem}", "--status").stdout,
        "the repair says how far it is",
    )
    return where
