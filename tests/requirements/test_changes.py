"""The cluster file changes under clients: none of them notices. The story `changes` tells what restarts."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.lab import stage
from tests.lab.clients import Client
from tests.lab.stage import Stage, cluster_file
from tests.requirements.cast import TWO_ON_ONE_NODE, USERS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

MORE = """
vs3:
  addresses: [192.0.2.13/24]
  filesystems:
    root: {exports: [{nfs: {path: /more, clients: {192.0.2.0/24: rw}}}]}
"""


def test_clients_notice_no_change_that_is_not_about_them(two: Stage) -> None:
    """An export, a share, an address, a filesystem, a server and a user come and go."""
    c1 = two.lab.client("c1")
    usual = cluster_file(two.lab, TWO_ON_ONE_NODE)
    clients = [
        Client.nfs(c1, "192.0.2.11", "/data/projects", "undisturbed"),
        Client.smb(c1, "192.0.2.11", "projects", *USERS["vs1"], "undisturbed-smb"),
        Client.smb(c1, "192.0.2.12", "home", *USERS["vs2"], "undisturbed-vs2"),
    ]
    for each in clients:
        each.start()
    try:
        for each in clients:
            each.wait_for_progress()
        begin = stage.now()
        for changed in (_more(usual), usual):
            two.apply(changed, "--yes")
        two.add_user("vs1", "carol", "secret")
        listing = ["--user", "carol%secret", "--list", "192.0.2.11"]
        assert "projects" in c1.run(["smbclient", *listing]).stdout
        two.vsctl("smb-user", "vs1", "remove", "carol", node=two.node_of("vs1"))
        assert c1.run(["smbclient", *listing], check=False).returncode != 0, "carol is gone"
        for each in clients:
            each.wait_for_progress()
    finally:
        for each in clients:
            each.stop()
    two.settle()
    for each in clients:
        report = each.report()
        assert not report.errors and not report.lost, f"{each.what}: {report}; {report.lost}"
        assert each.missing() == []
    restarted = {
        name for name, what in two.touched_since(begin).items() if name in WERE_THERE and "stop" in what
    }
    assert restarted == set()


WERE_THERE = {
    *(
        "vs1-net",
        "vs1-fs-root",
        "vs1-fs-data",
        "vs1-nfs",
        "vs1-smb",
        "vs1-exp-data",
        "vs1-shr-data",
        "vs1-gate",
    ),
    *("vs1-vip-lan-a", "vs1-vip-lan-b", "vs2-net", "vs2-fs-root", "vs2-nfs", "vs2-smb", "vs2-gate"),
}


def _more(usual: dict[str, Any]) -> dict[str, Any]:
    """Return the file with an export, a share, an address, a filesystem and a server more."""
    document: dict[str, Any] = yaml.safe_load(yaml.safe_dump(usual))
    servers = document["virtual_servers"]
    servers["vs1"]["addresses"].append("2001:db8:b::11/64")
    servers["vs1"]["filesystems"]["data"]["exports"] += [
        {"nfs": {"path": "/new", "clients": {"192.0.2.0/24": "ro"}}},
        {"smb": {"share": "new", "path": "/new", "users": ["alice"]}},
    ]
    servers["vs1"]["filesystems"]["more"] = {
        "device": stage.device("vs1", "more"),
        "type": "ext4",
        "storage": "san1",
        "exports": [{"nfs": {"path": "/srv", "clients": {"192.0.2.0/24": "rw"}}}],
    }
    third = yaml.safe_load(MORE)
    third["vs3"]["filesystems"]["root"] |= {
        "device": stage.device("vs3", "root"),
        "type": "ext4",
        "storage": "san1",
    }
    servers |= third
    return document
