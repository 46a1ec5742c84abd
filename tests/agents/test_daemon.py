"""What does the node daemon do on one node, and how does it come and go? Without a cluster: nobody takes its news."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import vsctl.agents
from tests.agents.cast import EVERY, FAILED, IPV4, IPV4_B, IPV6, LAN_A, NET, NOT_RUNNING, OPEN, RUNNING
from tests.agents.node import PYTHON, Lan, Node, Session, serve, told_of, until
from vsctl.agents.announce import BURST

pytestmark = pytest.mark.node

DAEMON = {"ports": "n1=e0a:lan-a,e0b:lan-a,e1a:lan-b n2=e0a:lan-a", "gateways": "lan-a=192.0.2.99"}
BY_NDP = {**DAEMON, "gateways": "lan-a=2001:db8:a::99"}
"""The only witness has no IPv4 address."""
ASK = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect('/run/vsctl/_daemon/socket')
line.sendall(sys.argv[1].encode() + b'\\n')
while said := line.recv(4096):
    print(said.decode(), end='')
"""

COUNT = f"""
import sys, socket
sys.path.insert(0, {str(Path(vsctl.agents.__path__[0]).parents[1])!r})
from vsctl.agents import rtnetlink
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import traffic
netlink = Netlink()
for port in ("e0a", "e0b", "e1a"):
    print(port, traffic.of_port(netlink, rtnetlink.link(netlink, port).index))
for address, bytes in traffic.of_addresses().items():
    print(socket.inet_ntop(socket.AF_INET6 if len(address) == 16 else socket.AF_INET, address), bytes)
"""


@pytest.fixture
def watched(lan: Lan, request: pytest.FixtureRequest) -> Iterator[Lan]:
    """A node with the daemon, and vs1 announced on e0a. A test may say what the daemon is told."""
    daemon = getattr(request, "param", DAEMON)
    lan.node.run("mount", "-t", "tmpfs", "tmpfs", "/var/log")
    for agent, parameters in (("net", NET), ("vip", LAN_A), ("daemon", daemon)):
        answer = lan.node.agent(agent, "start", **parameters)
        assert answer.code == RUNNING, answer.said
    serve(lan.node, "vs1", OPEN)
    until(lambda: states(lan.node) == {"e0a": "good", "e0b": "good", "e1a": "good"}, "all ports are good")
    yield lan
    assert lan.node.agent("daemon", "stop", **daemon).code == RUNNING


by_arp_and_by_ndp = pytest.mark.parametrize("watched", [DAEMON, BY_NDP], ids=["ARP", "NDP"], indirect=True)


def tell(node: Node, words: str) -> str:
    return node.run(PYTHON, "-c", ASK, words).rstrip("\n")


def states(node: Node) -> dict[str, str]:
    return {port: each["state"] for port, each in json.loads(tell(node, "state"))["ports"].items()}


def heard(node: Node, port: str) -> float | None:
    """Return how long ago the witness answered on a port, in seconds; None if it never did."""
    ago = json.loads(tell(node, "state"))["ports"][port]["heard"].get("gateways")
    return None if ago is None else float(ago)


def announced(node: Node) -> dict[str, str]:
    """Return the port that answers for each address of vs1."""
    lines = node.ip("neighbour", "show", "proxy") + node.ip("-6", "neighbour", "show", "proxy")
    return {line.split()[0]: line.split()[2] for line in lines.splitlines()}


def on(port: str) -> dict[str, str]:
    return {IPV4: port, IPV6: port}


def process(node: Node) -> str:
    return node.run("cat", "/run/vsctl/_daemon/process").split()[0]


def monitor(node: Node) -> int:
    return node.agent("daemon", "monitor", interval=EVERY, **DAEMON).code


def mute(lan: Lan, port: str) -> None:
    """Let nothing pass a port any more; it keeps its carrier."""
    lan.switches.run("bridge", "link", "set", "dev", port, "state", "0")


def test_it_comes_and_goes_and_leaves_nothing(lan: Lan) -> None:
    lan.node.run("mount", "-t", "tmpfs", "tmpfs", "/var/log")
    before = lan.node.processes()
    assert monitor(lan.node) == NOT_RUNNING
    assert lan.node.agent("daemon", "start", **DAEMON).code == RUNNING
    first = process(lan.node)
    assert monitor(lan.node) == RUNNING
    assert lan.node.agent("daemon", "start", **DAEMON).code == RUNNING
    assert process(lan.node) == first, "one is enough"
    for _ in range(2):
        assert lan.node.agent("daemon", "stop", **DAEMON).code == RUNNING
        assert monitor(lan.node) == NOT_RUNNING
    assert lan.node.processes() == before


def test_addresses_leave_a_dead_port_at_once_and_the_agent_agrees(watched: Lan) -> None:
    session = Session(watched.clients["client-a"], IPV4, OPEN)
    watched.cable("e0a", "down")
    until(lambda: announced(watched.node) == on("e0b"), "both addresses are on e0b")
    assert session.answers()
    assert watched.node.agent("vip", "monitor", interval=EVERY, **LAN_A).code == RUNNING
    watched.cable("e0a", "up")
    until(lambda: states(watched.node)["e0a"] == "good", "e0a is good again")
    assert announced(watched.node) == on("e0b"), "what works stays where it is"
    session.close()


def test_hosts_are_told_of_the_next_port_as_often_as_of_the_first(watched: Lan) -> None:
    client = watched.clients["client-a"]
    with told_of(client, watched.node.hardware("e0b"), IPV4, IPV6, 1 + len(BURST)):
        watched.cable("e0a", "down")


@by_arp_and_by_ndp
def test_a_silent_port_is_left_and_not_used_by_the_agent(watched: Lan) -> None:
    """The only witness goes on answering e0b: so it is e0a."""
    for port in ("e0a", "e0b"):
        until(lambda it=port: heard(watched.node, it) is not None, f"the witness has answered on {port}")
    mute(watched, "e0a")
    until(lambda: announced(watched.node) == on("e0b"), "both addresses are on e0b")
    assert states(watched.node)["e0a"] == "silent"
    assert watched.node.agent("vip", "monitor", interval=EVERY, **LAN_A).code == RUNNING
    assert watched.node.agent("vip", "stop", **LAN_A).code == RUNNING
    assert watched.node.agent("vip", "start", **LAN_A).code == RUNNING
    assert announced(watched.node) == on("e0b"), "by its carrier alone e0a would be the first"
    tell(watched.node, "release e0a")
    assert states(watched.node)["e0a"] == "silent", "nobody can make a dead port good"


@by_arp_and_by_ndp
def test_a_single_dead_witness_costs_nothing(watched: Lan) -> None:
    before = announced(watched.node)
    until(lambda: heard(watched.node, "e0a") is not None, "the witness has answered on e0a")
    watched.switches.run("ip", "link", "set", "client-a", "down")

    def long_ago() -> bool:
        assert states(watched.node)["e0a"] == "good"
        return (heard(watched.node, "e0a") or 0.0) > 2

    until(long_ago, "nobody has answered for two seconds")
    assert announced(watched.node) == before


def test_what_an_agent_has_withdrawn_stays_withdrawn(watched: Lan) -> None:
    assert watched.node.agent("vip", "stop", **LAN_A).code == RUNNING
    watched.cable("e0a", "down")
    until(lambda: states(watched.node)["e0a"] == "lost", "the daemon sees it")
    assert announced(watched.node) == {}
    assert watched.node.agent("vip", "monitor", **LAN_A).code == NOT_RUNNING


def test_a_killed_daemon_is_missed_and_the_next_one_knows_what_it_knew(watched: Lan) -> None:
    watched.cable("e0a", "down")
    until(lambda: announced(watched.node) == on("e0b"), "both addresses are on e0b")
    watched.node.run("kill", "-KILL", process(watched.node))
    until(lambda: monitor(watched.node) == NOT_RUNNING, "the monitor misses it")
    assert watched.node.agent("vip", "monitor", interval=EVERY, **LAN_A).code == RUNNING
    watched.cable("e0a", "up")
    assert watched.node.agent("daemon", "start", **DAEMON).code == RUNNING
    losses = json.loads(tell(watched.node, "state"))["ports"]["e0a"]["losses"]
    assert len(losses) == 1
    assert announced(watched.node) == on("e0b")


def test_a_hung_daemon_is_noticed_and_can_be_ended(watched: Lan) -> None:
    watched.node.run("kill", "-STOP", process(watched.node))
    answer = watched.node.agent("daemon", "monitor", interval=EVERY, **DAEMON)
    assert answer.code == FAILED
    assert "does not answer" in answer.said
    assert watched.node.agent("daemon", "stop", **DAEMON).code == RUNNING
    assert monitor(watched.node) == NOT_RUNNING


def test_ports_change_in_flight(watched: Lan) -> None:
    first = process(watched.node)
    changed = {**DAEMON, "ports": "n1=e0a:lan-a,e1a:lan-b"}
    assert watched.node.agent("daemon", "reload-agent", **changed).code == RUNNING
    until(lambda: states(watched.node) == {"e0a": "good", "e1a": "good"}, "it watches two ports")
    assert process(watched.node) == first


@pytest.mark.parametrize(("address", "other"), [(IPV4, IPV6), (IPV6, IPV4)])
def test_traffic_of_addresses_and_ports_is_measured(watched: Lan, address: str, other: str) -> None:
    session = Session(watched.clients["client-a"], address, OPEN)
    before = counted(watched.node)
    until(
        lambda: session.answers() and counted(watched.node)[address] > before[address] + 1000, "it is counted"
    )
    after = counted(watched.node)
    assert after["e0a"] - before["e0a"] >= after[address] - before[address], "all of it came by e0a"
    assert after[other] == before[other] == after.get(IPV4_B, 0) == 0
    session.close()


def counted(node: Node) -> dict[str, int]:
    said = node.run(PYTHON, "-c", COUNT)
    return {each: int(value) for each, value in (line.split() for line in said.splitlines())}


def test_what_happened_is_written_down(watched: Lan) -> None:
    watched.cable("e0a", "down")
    until(lambda: announced(watched.node) == on("e0b"), "both addresses are on e0b")
    until(lambda: "port e0a lost" in diary(watched.node), "the loss is written down")
    watched.cable("e0a", "up")
    until(lambda: "port e0a waiting" in diary(watched.node), "it is back")
    assert watched.node.agent("vip", "stop", **LAN_A).code == RUNNING
    until(lambda: "address vs1/lan-a -" in diary(watched.node), "it is withdrawn")
    lines = diary(watched.node)
    assert lines.index("address vs1/lan-a e0a") < lines.index("port e0a lost")
    assert "address vs1/lan-a e0b" in lines
    first = process(watched.node)
    for action in ("stop", "start"):
        assert watched.node.agent("daemon", action, **DAEMON).code == RUNNING
    assert process(watched.node) != first
    until(lambda: diary(watched.node)[len(lines) :] != [], "the next one goes on")
    assert diary(watched.node)[: len(lines)] == lines
    assert not {"subnet lan-a good", "address vs1/lan-a -"} & set(diary(watched.node)[len(lines) :]), (
        "nothing twice"
    )


def diary(node: Node) -> list[str]:
    """Return the events of a node without their times."""
    return [line.partition(" ")[2] for line in node.run("cat", "/var/log/vsctl/events").splitlines()]


def test_strangers_are_told_what_can_be_said(watched: Lan) -> None:
    assert tell(watched.node, "dance") == "say ping, state, reload, release PORT or release UNIT"
    assert tell(watched.node, "release e9z") == "this node has no port e9z, only e0a e0b e1a"
