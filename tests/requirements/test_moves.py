"""Planned moves: NFS clients with open files pause, SMB clients learn of it at once, locks are reclaimed."""

from __future__ import annotations

import time

import pytest

from tests.lab.clients import Client
from tests.lab.stage import Stage
from tests.requirements.cast import USERS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

VS1, VS1_B = "192.0.2.11", "198.51.100.11"


def clients(on: Stage) -> list[Client]:
    c1, c2 = on.lab.client("c1"), on.lab.client("c2")
    return [
        Client.nfs(c1, VS1, "/data/projects", "moved-c1"),
        Client.nfs(c2, VS1_B, "/data/projects", "moved-c2"),
        Client.smb(c1, VS1, "projects", *USERS["vs1"], "moved-smb"),
    ]


def move_there_and_back(on: Stage, rounds: int) -> None:
    """Move vs1 under its clients; hold them to what they lived through."""
    writers = clients(on)
    smb = writers[-1]
    for each in writers:
        each.start()
    try:
        for _ in range(rounds):
            for target in ("n2", "n1"):
                for each in writers:
                    each.wait_for_progress()
                lost, begin = len(smb.report().lost), time.monotonic()
                on.vsctl("move", "vs1", target, "--wait")
                moved = time.monotonic()
                assert on.serving("vs1", target)
                ends = [each.at for each in smb.report().lost[lost:]]
                assert ends and begin < ends[0] < moved, "the SMB client sees the end of its connection"
                for each in writers:
                    each.wait_for_progress(since=moved)
    finally:
        for each in writers:
            each.stop()
    for each in writers:
        assert not each.report().errors, f"{each.what}: {each.report()}"
        assert each.missing() == [], each.what


def test_clients_only_pause_while_a_server_moves(two: Stage) -> None:
    move_there_and_back(two, rounds=1)
    assert two.node_of("vs2") == "n1", "the other one stays"
    (note,) = two.status()["servers"]["vs1"]["notes"]
    assert "vs1 was sent to n1 by hand" in note and "`vsctl failback vs1`" in note
    two.vsctl("failback", "vs1")
    assert two.status()["servers"]["vs1"]["notes"] == []


def test_a_lock_is_reclaimed_after_a_move_and_nobody_takes_it_meanwhile(two: Stage) -> None:
    c1 = two.lab.client("c1")
    with Client.nlm(c1, VS1, "/data/projects", "moved-lock") as locker:
        two.lab.wait(lambda: locker.report().acks, "the lock is granted")
        rival = ("tests.lab.clients.ask", "lock", VS1, "/data/projects", "moved-lock")
        assert c1.ask(*rival).stdout == "RpcError: denied\n"
        begin = time.monotonic()
        two.vsctl("move", "vs1", "n2", "--wait")
        assert "denied" in c1.ask(*rival).stdout
        locker.wait_for_progress(since=begin)
        assert "denied" in c1.ask(*rival).stdout
    assert not locker.report().errors, str(locker.report())
    two.vsctl("failback", "vs1")


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_no_stale_handle_in_twenty_moves(two: Stage) -> None:
    """All NFS traffic of c1 is watched: an answer with status 70 is NFS3ERR_STALE."""
    c1 = two.lab.client("c1")
    c1.spawn(["tcpdump", "-U", "-i", "any", "-w", "/run/lab/moves.pcap", "tcp port 2049"])
    move_there_and_back(two, rounds=10)
    trace = c1.path("/run/lab/moves.pcap").read_bytes()
    # An accepted reply: type 1, status 0, verifier AUTH_NONE of length 0, success; then the NFS status.
    accepted = (1).to_bytes(4, "big") + bytes(16)
    assert trace.count(accepted + bytes(4)) > 100, "the trace has the answers"
    assert accepted + (70).to_bytes(4, "big") not in trace


def test_a_drained_node_is_empty_and_is_used_again(two: Stage) -> None:
    said = two.vsctl("drain", "n1", "--wait").stdout
    assert "vs1 moves n1 ->" in said and "vs2 moves n1 ->" in said
    assert two.vsctl("drain", "n1").stdout == "n1 is drained already\n"
    node = two.status()["nodes"][0]
    assert (node["name"], node["state"], node["servers"]) == ("n1", "drained", [])
    refused = two.vsctl("move", "vs1", "n1", check=False)
    assert refused.returncode == 1 and "vsctl undrain n1" in refused.stderr
    two.vsctl("undrain", "n1")
    two.vsctl("failback")
    two.settle()
    assert two.node_of("vs1") == two.node_of("vs2") == "n1"
