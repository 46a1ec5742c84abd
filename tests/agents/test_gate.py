"""When is NFS silent, and who is told to connect anew?"""

from __future__ import annotations

import subprocess

import pytest

from tests.agents.cast import EVERY, FAILED, GATE, IPV4, IPV6, LAN_A, NET, NFS, NOT_RUNNING, RUNNING, SMB
from tests.agents.node import PYTHON, ROOT, Lan, Node, Session, attempt, serve, until

pytestmark = pytest.mark.node

ROOT_FILESYSTEM = "/srv/vsctl/vs1/root"
STATE = f"{ROOT_FILESYSTEM}/.vsctl"


@pytest.fixture
def ready(lan: Lan) -> Lan:
    """vs1 with all but an open gate, its root filesystem a tmpfs of the node's own."""
    assert lan.node.mount_root("vs1") == ROOT_FILESYSTEM
    for agent, parameters in (("net", NET), ("vip", LAN_A)):
        assert lan.node.agent(agent, "start", **parameters).code == RUNNING
    serve(lan.node, "vs1", NFS, SMB)
    return lan


def monitor(node: Node) -> int:
    return node.agent("gate", "monitor", interval=EVERY, **GATE).code


def hand(node: Node, function: str, *who: str) -> None:
    """Close or open the gate as another agent does."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from vsctl.agents import gate"
    node.run(PYTHON, "-IS", "-c", f"{code}; gate.{function}(*{('vs1', *who)!r})")


def test_it_begins_closed_opens_and_closes(ready: Lan) -> None:
    client = ready.clients["client-a"]
    assert monitor(ready.node) == NOT_RUNNING
    assert attempt(client, IPV4, NFS) == "silence"
    assert attempt(client, IPV4, SMB) == "silence"
    assert ready.node.agent("gate", "start", **GATE).code == RUNNING
    assert monitor(ready.node) == RUNNING
    assert attempt(client, IPV4, SMB) == "answered", "nothing more is to come that would serve SMB"
    assert attempt(client, IPV4, NFS) == "answered"
    assert attempt(client, IPV6, NFS) == "answered"
    assert ready.node.agent("gate", "stop", **GATE).code == RUNNING
    assert monitor(ready.node) == NOT_RUNNING
    assert attempt(client, IPV6, NFS) == "silence"
    assert attempt(client, IPV6, SMB) == "answered"
    assert attempt(ready.node, IPV4, NFS, within="vs1") == "answered", "monitors of the servers still can"


def test_several_may_keep_it_closed(ready: Lan) -> None:
    client = ready.clients["client-a"]
    assert ready.node.agent("gate", "start", **GATE).code == RUNNING
    hand(ready.node, "close", "vs1-exp-data")
    assert monitor(ready.node) == RUNNING
    assert attempt(client, IPV4, NFS) == "silence"
    assert ready.node.agent("gate", "stop", **GATE).code == RUNNING
    assert ready.node.agent("gate", "start", **GATE).code == RUNNING
    assert attempt(client, IPV4, NFS) == "silence"
    hand(ready.node, "open", "vs1-exp-data")
    assert attempt(client, IPV4, NFS) == "answered"
    assert monitor(ready.node) == RUNNING


def test_monitor_sees_what_somebody_else_did(ready: Lan) -> None:
    assert ready.node.agent("gate", "start", **GATE).code == RUNNING
    ready.node.run("ip", "netns", "exec", "vs1", "nft", "add", "table", "inet", "vsctl-gate")
    assert monitor(ready.node) == FAILED
    assert ready.node.agent("gate", "start", **GATE).code == RUNNING
    hand(ready.node, "close", "vs1-exp-data")
    ready.node.run("ip", "netns", "exec", "vs1", "nft", "delete", "table", "inet", "vsctl-gate")
    assert monitor(ready.node) == FAILED


def test_connections_are_recorded_only_on_the_mounted_root_filesystem(ready: Lan) -> None:
    assert ready.node.agent("gate", "start", **GATE).code == RUNNING
    sessions = [Session(ready.clients["client-a"], address, NFS) for address in (IPV4, IPV6)]
    assert monitor(ready.node) == RUNNING
    assert ready.node.run("cat", f"{STATE}/connections").splitlines() == [
        f"{IPV4} {NFS} 192.0.2.99 {sessions[0].local_port}",
        f"{IPV6} {NFS} 2001:db8:a::99 {sessions[1].local_port}",
    ]
    assert ready.node.run("stat", "-c", "%a", STATE, f"{STATE}/connections") == "700\n600\n"
    written = ready.node.run("stat", "-c", "%i %z", f"{STATE}/connections")
    assert monitor(ready.node) == RUNNING
    assert ready.node.run("stat", "-c", "%i %z", f"{STATE}/connections") == written, "unchanged, not written"
    sessions[0].close()
    ready.node.run("umount", ROOT_FILESYSTEM)
    assert monitor(ready.node) == RUNNING
    assert ready.node.run("ls", "-A", ROOT_FILESYSTEM) == ""
    sessions[1].close()


def test_after_a_crash_clients_are_told_at_once(ready: Lan) -> None:
    """The server vanishes without a word and comes back: the opening gate has every connection reset."""
    node, client = ready.node, ready.clients["client-a"]
    assert node.agent("gate", "start", **GATE).code == RUNNING
    sessions = [Session(client, IPV4, NFS), Session(client, IPV6, NFS), Session(client, IPV4, SMB)]
    assert monitor(node) == RUNNING
    node.run("sh", "-c", "ip netns pids vs1 | xargs kill -STOP; ip link set e0a down; ip link set e0b down")
    assert node.agent("net", "stop", **NET).code == RUNNING  # nothing of it reaches the client
    node.run("sh", "-c", "ip link set e0a up; ip link set e0b up")
    ready.cable("e0a", "up")
    node.run("ip", "address", "replace", "2001:db8:a::2/64", "dev", "e0a", "nodad")
    for agent, parameters in (("net", NET), ("vip", LAN_A)):
        answer = node.agent(agent, "start", **parameters)
        assert answer.code == RUNNING, answer.said
    serve(node, "vs1", NFS, SMB)
    assert len(_established(client.command())) == len(sessions)
    answer = node.agent("gate", "start", **GATE)
    assert "3 clients of vs1 were told to connect anew" in answer.said
    until(lambda: not _established(client.command()), "every former connection is reset at the client")
    assert not any(session.answers() for session in sessions)
    for session in sessions:
        session.close()


def _established(there: list[str]) -> list[str]:
    said = subprocess.run(
        [*there, "ss", "-Htn", "state", "established"], capture_output=True, text=True, check=True
    )
    return said.stdout.splitlines()


def test_a_probe_while_the_namespace_is_made_finds_no_gate(lan: Lan) -> None:
    hand(lan.node, "hold")  # as net does, before anything else
    lan.node.run("ip", "netns", "add", "vs1")
    assert lan.node.agent("gate", "monitor", **GATE).code == NOT_RUNNING
    lan.node.run("ip", "netns", "del", "vs1")


def test_a_start_of_net_that_was_interrupted_leaves_no_open_gate(lan: Lan) -> None:
    hand(lan.node, "hold")
    lan.node.run("ip", "netns", "add", "vs1")
    assert lan.node.agent("net", "start", **NET).code == RUNNING
    assert lan.node.agent("gate", "monitor", interval=EVERY, **GATE).code == NOT_RUNNING
    assert "vsctl-gate" in lan.node.run("ip", "netns", "exec", "vs1", "nft", "list", "tables")
