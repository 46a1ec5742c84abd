"""R12: a filesystem that degrades is blocked, repaired and given back by itself; nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.clients import Client
from tests.lab.lab import Lab
from tests.lab.stage import Stage, cluster_file
from tests.requirements.cast import USERS

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
    more:
      type: xfs
      exports: [{nfs: {path: /media, clients: {192.0.2.0/24: rw}}}]
    other:
      exports:
        - nfs: {path: /other, clients: {192.0.2.0/24: rw}}
        - smb: {share: other, path: /other, users: [alice]}
vs2:
  home: n1
  addresses: [192.0.2.12/24]
  filesystems:
    root: {exports: [{nfs: {path: /home, clients: {192.0.2.0/24: rw}}}]}
"""


@pytest.fixture
def stage(bare: Stage) -> Iterator[Stage]:
    """vs1 with three filesystems beside its root, and vs2; repair is automatic."""
    document = cluster_file(bare.lab, SERVERS, policy={"repair": {"mode": "auto"}})
    fresh = bare.document != document
    bare.become(document)
    if fresh:
        bare.add_user("vs1", *USERS["vs1"])
    yield bare


def kernel_name(lab: Lab, node: str, server: str, filesystem: str) -> str:
    """Return what the kernel calls the device of a filesystem on a node."""
    path = f"/dev/disk/by-id/vsctl-lab-{server}-{filesystem}"
    return lab.node(node).run(["readlink", "-f", path]).stdout.strip().rpartition("/")[2]


def break_ext4(lab: Lab, node: str, server: str, filesystem: str) -> None:
    """Let ext4 find an error in itself."""
    name = kernel_name(lab, node, server, filesystem)
    lab.node(node).run(["sh", "-c", f"echo damage > /sys/fs/ext4/{name}/trigger_fs_error"])


def test_damage_of_ext4_is_repaired_and_nobody_is_told_of_a_stale_handle(stage: Stage) -> None:
    lab, c1 = stage.lab, stage.lab.client("c1")
    writers = {
        "data": Client.nfs(c1, "192.0.2.11", "/data/projects"),
        "other": Client.nfs(c1, "192.0.2.11", "/other/other"),
        "vs2": Client.nfs(c1, "192.0.2.12", "/root/home"),
        "smb": Client.smb(c1, "192.0.2.11", "other", *USERS["vs1"]),
    }
    for each in writers.values():
        each.start()
    try:
        for each in writers.values():
            each.wait_for_progress()
        import time; began = time.time()
        break_ext4(lab, "n1", "vs1", "data")
        lab.wait(lambda: lab.where("vs1-fs-data") is None, "data is blocked", 20)
        lab.wait(lambda: stage.serving("vs1"), "data is repaired, and served again", 60)
        for each in writers.values():
            each.wait_for_progress()
        stage.settle()
        from tests.lab import history
        for a in history.acts(lab, began):
            if a.operation != "monitor": print(f"{a.at-began:7.2f}", a)
        for n in ("n1","n2","n3"):
            print(n, lab.node(n).run(["sh","-c","cat /var/log/vsctl/vs1/repair-data.log; tail -n 15 /var/log/vsctl/daemon.log"],check=False).stdout)
    finally:
        for each in writers.values():
            each.stop()
    reports = {name: each.report() for name, each in writers.items()}
    print({name: each.longest_gap for name, each in reports.items()})
    for name, each in writers.items():
        assert not reports[name].errors, f"{name}: {reports[name].errors}"
        assert each.missing() == [], name
    assert max(reports["vs2"].longest_gap, reports["smb"].longest_gap) < 2, "the others do not pause"
    assert stage.node_of("vs1") == "n1", "nothing moved"
    print(stage.vsctl("status", check=False).stdout)
    print(stage.vsctl("repair", "vs1/data", "--status").stdout)
