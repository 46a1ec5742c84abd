"""R12: a filesystem that degrades is blocked, repaired and given back by itself; nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.clients import Client
from tests.lab.guest import Guest, Holder
from tests.lab.stage import Stage, cluster_file
from tests.requirements.cast import USERS
from tests.requirements.damaged import (
    break_ext4,
    corrupt_directory,
    course,
    device,
    is_over,
    quarantine,
    shut_xfs_down,
    unharmed,
    working,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SERVERS = """
vs1:
  priority: 100
  home: n1
  addresses: [192.0.2.11/24]
  filesystems:
    root:
    data:
      exports:
        - nfs: {path: /projects, clients: {192.0.2.0/24: rw}}
        - smb: {share: projects, path: /projects, users: [alice]}
    spare:
      type: xfs
      exports: [{nfs: {path: /media, clients: {192.0.2.0/24: rw}}}]
    other:
      exports:
        - nfs: {path: /other, clients: {192.0.2.0/24: rw}}
        - smb: {share: other, path: /other, users: [alice]}
    slow:
      exports: [{nfs: {path: /slow, clients: {192.0.2.0/24: rw}}}]
    home:
      exports: [{nfs: {path: /home, clients: {192.0.2.0/24: rw}}}]
vs2:
  home: n1
  addresses: [192.0.2.12/24]
  filesystems:
    root: {exports: [{nfs: {path: /home, clients: {192.0.2.0/24: rw}}}, {smb: {share: home, path: /home, users: [bob]}}]}
vs9:
  home: n1
  addresses: [192.0.2.19/24]
  filesystems:
    root:
      type: xfs
      exports: [{nfs: {path: /home, clients: {192.0.2.0/24: rw}}}, {smb: {share: home, path: /home, users: [bob]}}]
"""
BOB = ("bob", "builder")


SLOW = "r12-slow"
"""A disk that can be made slow."""


@pytest.fixture(scope="module")
def stage(bare: Stage) -> Iterator[Stage]:
    """vs1 with five filesystems beside its root; vs2 and vs9 have only their root; nothing says how to repair.

    That of vs9 is an XFS: disks stay in a lab, and nobody else has one of that name.
    """
    document = cluster_file(bare.lab, SERVERS)
    bare.lab.disk(SLOW, failing=True)
    document["virtual_servers"]["vs1"]["filesystems"]["slow"]["device"] = f"/dev/disk/by-id/vsctl-lab-{SLOW}"
    bare.become(document)
    bare.add_user("vs1", *USERS["vs1"])
    for each in ("vs2", "vs9"):
        bare.add_user(each, *BOB)
    yield bare
    bare.lab.disks.heal()


def test_damage_of_ext4_is_repaired_and_nobody_is_told_of_a_stale_handle(stage: Stage) -> None:
    lab, c1 = stage.lab, stage.lab.client("c1")
    clients = {
        "data": Client.nfs(c1, "192.0.2.11", "/data/projects"),
        "other": Client.nfs(c1, "192.0.2.11", "/other/other"),
        "vs2": Client.nfs(c1, "192.0.2.12", "/root/home"),
        "smb": Client.smb(c1, "192.0.2.11", "other", *USERS["vs1"]),
    }
    with working(clients):
        seen = course(stage, "vs1", "data", break_ext4(lab, "n1", "vs1-data"))
        assert seen.noticed < seen.blocked, "the daemon hears of it, and it stops because of that"
        lab.wait(lambda: is_over(stage, "data"), "data is repaired, and served again", 60)
        stage.settle()
    reports = unharmed(clients)
    others = {name: reports[name].longest_gap for name in ("vs2", "smb", "other")}
    assert max(others.values()) < 2, f"the others go on: {others}"
    assert reports["data"].longest_gap < 40
    assert stage.node_of("vs1") == "n1", "nothing moved"
    assert quarantine(stage, "data")["node"] == "n1"
    assert "is not blocked" in stage.vsctl("repair", "vs1/data", "--status").stdout


@pytest.mark.full
def test_open_files_of_a_kernel_client_wait_or_go_on(stage: Stage, record_property: Any) -> None:
    """Opened once, before the damage; NFSv4 clients open what has waited anew by themselves."""
    lab, versions = stage.lab, ("3", "4.0", "4.1")
    plugs = (("k1", 250), ("k2", 251))
    with ExitStack() as guests:
        guest, reader = (guests.enter_context(Guest.on(lab, "lan-a", *each)) for each in plugs)
        holders: dict[str, list[Holder]] = {"home": [], "other": []}
        for version in versions:
            for filesystem, held in holders.items():
                place = f"/mnt/{filesystem}-{version}"
                for each in (guest, reader):
                    each.mount(f"192.0.2.11:/{filesystem}/{filesystem}", f"vers={version}", place)
                held.append(Holder(guest, f"{place}/open-{version}", locked=False))
        with ExitStack() as opened:
            programs = [opened.enter_context(each) for held in holders.values() for each in held]
            for program in programs:
                program.wait_for_progress()
            before = {each.file: each.report().longest_gap for each in holders["other"]}
            record_property("gaps of other before, by which the others are to be measured", before)
            break_ext4(lab, stage.node_of("vs1"), "vs1-home")
            lab.wait(lambda: lab.where("vs1-fs-home") is None, "home is blocked", 20)
            for program in holders["other"]:
                program.wait_for_progress()
            lab.wait(lambda: is_over(stage, "home"), "home is repaired, and served again", 60)
            for program in programs:
                program.wait_for_progress()
        for filesystem, held in holders.items():
            reports = {each.file: each.report() for each in held}
            record_property(f"gaps of {filesystem}", {file: it.longest_gap for file, it in reports.items()})
            assert not any(it.errors for it in reports.values()), str(reports)
            assert not any(each.missing(reader) for each in held)


def test_an_xfs_that_has_shut_itself_down_is_repaired(stage: Stage) -> None:
    lab = stage.lab
    clients = {"spare": Client.nfs(lab.client("c1"), "192.0.2.11", "/spare/media")}
    with working(clients):
        seen = course(stage, "vs1", "spare", shut_xfs_down(lab, "n1", "vs1", "spare"))
        assert seen.noticed < seen.blocked, "the daemon sees it, and it stops because of that"
        lab.wait(lambda: is_over(stage, "spare"), "spare is repaired, and served again", 90)
    said = {each.text.rpartition(" ")[2] for each in clients["spare"].report().errors}
    assert said <= {"NFS3ERR_IO"}, "what XFS answered before anybody knew, and no stale handle"
    assert clients["spare"].missing() == []


@pytest.mark.parametrize(("server", "type"), [("vs2", "ext4"), ("vs9", "xfs")])
def test_all_clients_wait_while_the_root_filesystem_is_repaired(stage: Stage, server: str, type: str) -> None:
    lab, c1 = stage.lab, stage.lab.client("c1")
    address = f"192.0.2.1{server[-1]}"
    clients = {
        "nfs": Client.nfs(c1, address, "/root/home"),
        "smb": Client.smb(c1, address, "home", *BOB),
        "vs1": Client.nfs(c1, "192.0.2.11", "/data/projects"),
    }
    with working(clients):
        if type == "ext4":
            break_ext4(lab, "n1", f"{server}-root")
        else:
            shut_xfs_down(lab, "n1", server, "root")
        lab.wait(lambda: is_over(stage, "root", server), f"{server} is repaired, and serves again", 90)
    reports = {name: each.report() for name, each in clients.items()}
    said = {each.text.rpartition(" ")[2] for each in reports["nfs"].errors}
    assert said <= ({"NFS3ERR_IO"} if type == "xfs" else set()), "what XFS answered before anybody knew"
    for name, each in clients.items():
        assert each.missing() == [], name
    assert not reports["smb"].errors
    assert reports["smb"].lost, "its server ended, and it was told so"
    assert not reports["vs1"].errors
    assert reports["vs1"].longest_gap < 2
    assert stage.node_of(server) == "n1"


def test_a_directory_that_is_really_corrupt_is_repaired(stage: Stage) -> None:
    lab, n1 = stage.lab, stage.lab.node("n1")
    seen = course(stage, "vs1", "other", corrupt_directory(stage, "vs1", "other", "ext4"))
    assert seen.noticed < seen.blocked, "the daemon hears of it, and it stops because of that"
    lab.wait(lambda: is_over(stage, "other"), "other is repaired, and served again", 90)
    found = quarantine(stage, "other")
    assert found["result"] == "repaired", found
    kept = n1.run(["sh", "-c", "cat /srv/vsctl/vs1/other/lost+found/* 2>/dev/null"], check=False).stdout
    assert "kept" in kept, "what had a name in the directory is in lost+found"
    assert "lost+found" in lab.node(str(found["on"])).run(["cat", str(found["log"])]).stdout


def test_a_repair_goes_on_elsewhere_when_its_node_dies(stage: Stage) -> None:
    lab = stage.lab
    clients = {"slow": Client.nfs(lab.client("c1"), "192.0.2.11", "/slow/slow")}
    with working(clients):
        for node in ("n2", "n3"):
            lab.disks.fault(SLOW, node, "slow 0.4")
        break_ext4(lab, "n1", SLOW)
        first = lab.wait(lambda: lab.where("vs1-repair-slow"), "slow is being repaired", 30)
        if first == "n1":
            pytest.skip("the repair chose the node of vs1, whose disk is not slow")
        lab.wait(
            lambda: "checking" in stage.vsctl("repair", "vs1/slow", "--status", node="n1").stdout,
            "the repair says how far it is",
        )
        lab.kill(first)
        lab.wait_until_fenced(first)
        lab.disks.heal()
        lab.wait(lambda: is_over(stage, "slow"), "slow is repaired, and served again", 120)
        assert quarantine(stage, "slow")["on"] != first
    unharmed(clients)
    lab.heal()


def test_what_cannot_be_repaired_stays_blocked_and_the_rest_is_served(stage: Stage) -> None:
    lab, n1 = stage.lab, stage.lab.node("n1")
    there = device(lab, "n1", "vs1-spare")
    start = n1.run(["xfs_db", "-r", "-c", "sb 0", "-c", "print logstart", there]).stdout.split()[-1]
    at = (
        n1.run(["xfs_db", "-r", "-c", f"convert fsblock {start} daddr", there]).stdout.split()[-1].strip("()")
    )
    clients = {"data": Client.nfs(lab.client("c1"), "192.0.2.11", "/data/projects")}
    with working(clients):
        n1.run(
            ["sh", "-c", "cd /srv/vsctl/vs1/spare/media; seq 50 | xargs touch; sync; seq 51 99 | xargs touch"]
        )
        n1.run(["xfs_io", "-x", "-c", "shutdown", "/srv/vsctl/vs1/spare"])
        n1.run(
            [
                "dd",
                "if=/dev/urandom",
                f"of={there}",
                "bs=512",
                "count=4000",
                f"seek={at}",
                "conv=notrunc,fsync",
            ]
        )
        # By itself where it is the first time that spare is damaged today, at once where it is not.
        lab.wait(lambda: person(stage, "spare"), "spare waits for a person", 60)
        asked = stage.vsctl("repair", "vs1/spare", "--wait", check=False)
        assert asked.returncode == 1, asked.stdout
        assert "its log cannot be replayed" in " ".join(asked.stdout.split())
        clients["data"].wait_for_progress()
        status = stage.vsctl("status", check=False)
        said = " ".join(status.stdout.split())
        assert (status.returncode, "xfs_repair -L" in said) == (1, True)
        assert "/spare/media of vs1 is waited for" in said
        assert "nothing to do" in stage.vsctl("apply", "/etc/vsctl.yaml").stdout, "apply keeps a quarantine"
    unharmed(clients)
    lab.node("n2").run(["xfs_repair", "-L", device(lab, "n2", "vs1-spare")])
    assert stage.vsctl("repair", "vs1/spare", "--wait").returncode == 0
    lab.wait(lambda: stage.serving("vs1"), "spare is served again", 60)


def person(stage: Stage, filesystem: str) -> dict[str, object] | None:
    found = quarantine(stage, filesystem)
    return found if found.get("stage") == "person" else None
