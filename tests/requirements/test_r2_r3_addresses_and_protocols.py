"""R2: all addresses of a server serve at once. R3: by NFS 3, 4.0 and 4.1, and by SMB."""

from __future__ import annotations

import pytest

from tests.lab.clients import Client
from tests.lab.stage import Stage
from tests.requirements.cast import USERS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

ADDRESSES = ("192.0.2.11", "198.51.100.11", "2001:db8:a::11")
OTHER = "192.0.2.12"


def test_all_addresses_of_both_servers_take_writes_at_once(two: Stage) -> None:
    c1, c2 = two.lab.client("c1"), two.lab.client("c2")
    writers = [
        *(Client.nfs(c1, each, "/data/projects", f"from-c1-{n}") for n, each in enumerate(ADDRESSES)),
        *(Client.nfs(c2, each, "/data/projects", f"from-c2-{n}") for n, each in enumerate(ADDRESSES[:2])),
        *(Client.smb(c1, each, "projects", *USERS["vs1"], f"smb-{n}") for n, each in enumerate(ADDRESSES)),
        Client.nfs(c1, OTHER, "/root/home"),
        Client.smb(c1, OTHER, "home", *USERS["vs2"]),
    ]
    for each in writers:
        each.start()
    try:
        for each in writers:
            each.wait_for_progress()
        for each in writers:  # and again: all of them, while all of them are at work
            each.wait_for_progress()
    finally:
        reports = [each.stop() for each in writers]
    for each, report in zip(writers, reports, strict=True):
        assert not report.errors, f"{each.what}: {report}"
        assert each.missing() == [], each.what


def test_status_says_who_announces_each_address(two: Stage) -> None:
    found = two.status()["servers"]["vs1"]["addresses"]
    assert [(each["address"].partition("/")[0], each["announced_by"]) for each in found] == [
        (address, "n1") for address in ADDRESSES
    ]


@pytest.mark.parametrize("minor", ["0", "1"])
def test_nfs4_answers_on_every_address(two: Stage, minor: str) -> None:
    for address in ADDRESSES:
        answer = two.lab.client("c1").ask("tests.lab.clients.ask", "nfs4", address, minor)
        assert answer.stdout == "answered\n", f"4.{minor} on {address}: {answer.stdout}"


def test_what_one_protocol_writes_the_others_read(two: Stage) -> None:
    """NFS 3 writes, NFS 4 and SMB read; SMB writes, NFS reads; what is shared read-only stays as it is."""
    c1 = two.lab.client("c1")
    with Client.nfs(c1, ADDRESSES[0], "/data/projects", "by-nfs") as writer:
        writer.wait_for_progress()
    assert writer.run in c1.run(["nfs-cat", f"nfs://{ADDRESSES[0]}/data/projects/by-nfs?version=4"]).stdout

    c1.write("/tmp/text", "written by smb\n")
    user = ["--user", "%".join(USERS["vs1"])]
    smb = ["smbclient", f"//{ADDRESSES[1]}/projects", *user, "--command"]
    c1.run([*smb, "get by-nfs /tmp/got; put /tmp/text by-smb"])
    assert writer.run in c1.run(["cat", "/tmp/got"]).stdout
    for version in ("3", "4"):
        url = f"nfs://{ADDRESSES[1]}/data/projects/by-smb?version={version}"
        assert "written by smb" in c1.run(["nfs-cat", url]).stdout

    looking = ["smbclient", f"//{ADDRESSES[0]}/look", *user, "--command", "put /tmp/text spoilt"]
    assert "NT_STATUS_ACCESS_DENIED" in c1.run(looking, check=False).stdout
