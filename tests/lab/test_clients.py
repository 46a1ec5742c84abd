"""Do the clients tell the truth? Against servers started by hand in a node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.clients import Client
from tests.lab.clients.prober import EVERY
from tests.lab.lab import Lab
from tests.lab.machine import Machine

pytestmark = pytest.mark.lab

ADDRESS = "192.0.2.101"

GANESHA = """
NFS_CORE_PARAM { Protocols = 3, 4; Enable_NLM = false; Enable_RQUOTA = false; }
NFSV4 { Grace_Period = 8; Lease_Lifetime = 2; RecoveryRoot = /mnt/ganesha; RecoveryBackend = fs; }
EXPORT {
    Export_Id = 1; Path = /mnt/share; Pseudo = /share; Access_Type = RW; Squash = No_Root_Squash;
    Filesystem_Id = 1.1; FSAL { Name = VFS; }
}
"""
SMB = """
[global]
    map to guest = never
    load printers = no
    disable spoolss = yes
[share]
    path = /mnt/share
    read only = no
"""


@pytest.fixture(scope="module")
def lab_settings() -> dict[str, Any]:
    return {"nodes": 1}


@pytest.fixture(scope="module")
def server(lab: Lab) -> Machine:
    """n1, with a disk on /mnt, Ganesha and smbd."""
    node = lab.node("n1")
    node.run(["mount", lab.disk("served").device, "/mnt"])
    node.run(["mkdir", "-p", "/mnt/share", "/mnt/ganesha"])
    node.run(["chmod", "1777", "/mnt/share"])
    node.write("/etc/ganesha/ganesha.conf", GANESHA)
    node.write("/etc/samba/smb.conf", SMB)
    node.run(["useradd", "--no-create-home", "alice"])
    node.run(["smbpasswd", "-s", "-a", "alice"], input="secret\nsecret\n")
    node.run(["rpcbind", "-w"])
    start_ganesha(node)
    start_smbd(node)
    return node


def start_ganesha(node: Machine) -> None:
    node.run(["mkdir", "-p", "/var/run/ganesha"])
    node.spawn(["ganesha.nfsd", "-F", "-L", "/var/log/ganesha.log"])


def start_smbd(node: Machine) -> None:
    node.run(["smbd", "-D"])


@pytest.mark.parametrize("kind", ["nfs", "nfs41"])
def test_an_nfs_writer_waits_for_a_killed_server_and_loses_nothing(
    lab: Lab, server: Machine, kind: str
) -> None:
    make, path = {"nfs": (Client.nfs, "/mnt/share"), "nfs41": (Client.nfs41, "/share")}[kind]
    with (
        make(lab.client("c1"), ADDRESS, path) as writer,
        Client.answers(lab.client("c2"), ADDRESS) as prober,
    ):
        for each in (writer, prober):
            each.wait_for_progress()
        server.run(["pkill", "-KILL", "ganesha.nfsd"])
        lab.wait(lambda: writer.report().lost, "the writer sees the end of its connection")
        start_ganesha(server)
        for each in (writer, prober):
            each.wait_for_progress()
    report = writer.report()
    assert not report.errors, str(report)
    assert EVERY < prober.report().longest_gap < report.longest_gap + 2
    assert writer.missing() == []


def test_an_smb_writer_waits_for_a_killed_server_and_loses_nothing(lab: Lab, server: Machine) -> None:
    with (
        Client.smb(lab.client("c2"), ADDRESS, "share", "alice", "secret") as writer,
        Client.answers(lab.client("c1"), ADDRESS, "smb") as prober,
    ):
        for each in (writer, prober):
            each.wait_for_progress()
        server.run(["pkill", "-KILL", "smbd"])
        lab.wait(lambda: writer.report().lost, "the writer sees the end of its connection")
        start_smbd(server)
        for each in (writer, prober):
            each.wait_for_progress()
    assert not writer.report().errors, str(writer.report())
    assert writer.missing() == []


@pytest.mark.parametrize("kind", ["nfs", "smb"])
def test_a_record_that_was_acknowledged_and_is_gone_is_found(lab: Lab, server: Machine, kind: str) -> None:
    client = {
        "nfs": Client.nfs(lab.client("c1"), ADDRESS, "/mnt/share", file="spoilt"),
        "smb": Client.smb(lab.client("c1"), ADDRESS, "share", "alice", "secret", file="spoilt-smb"),
    }[kind]
    with client:
        lab.wait(lambda: client.report().acknowledged > 5, "six records are written")
    file = {"nfs": "spoilt", "smb": "spoilt-smb"}[kind]
    dd = ["dd", "if=/dev/zero", f"of=/mnt/share/{file}", "bs=64", "seek=3", "count=1", "conv=notrunc"]
    server.run(dd)
    assert client.missing() == [3]


def test_a_stale_handle_is_an_error_that_is_told(lab: Lab, server: Machine) -> None:
    with Client.nfs(lab.client("c1"), ADDRESS, "/mnt/share", file="removed") as writer:
        writer.wait_for_progress()
        server.run(["rm", "/mnt/share/removed"])
        server.run(["pkill", "-KILL", "ganesha.nfsd"])  # it had the file open
        lab.wait(lambda: writer.report().lost, "the writer sees the end of its connection")
        start_ganesha(server)
        lab.wait(lambda: writer.report().errors, "the writer tells of its stale handle")
        writer.wait_for_progress()
    assert "NFS3ERR_STALE" in writer.report().errors[0].text


def test_an_nfs4_writer_writes(lab: Lab, server: Machine) -> None:
    with Client.nfs4(lab.client("c1"), ADDRESS, "/share") as writer:
        writer.wait_for_progress()
