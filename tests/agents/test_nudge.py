"""When a way is there again, do both ends of a connection hear of it, or do they wait for their next try?"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from socket import AF_INET, inet_ntop

import pytest

from tests.agents.cast import ANNOUNCER, ANNOUNCER_B, DAEMON_B, DETOURED, IPV4, IPV4_B, IPV6, OPEN, RUNNING
from tests.agents.node import ROOT, Lan, Node, Place, until, watching
from vsctl.agents import names, nudge

pytestmark = pytest.mark.node

TRIES = 4
"""After so many in vain TCP waits for three seconds before the next."""
SOON = 2.5

SERVER = """
import socket, sys
listener = socket.create_server(('::', int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print('ready')
connection, _ = listener.accept()
print('connected')
for line in sys.stdin:
    if line == 'say\\n':
        connection.sendall(line.encode())
    else:
        print(connection.recv(4096).decode(), end='')
"""

CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
for line in sys.stdin:
    if line == 'say\\n':
        connection.sendall(line.encode())
    else:
        print(connection.recv(4096).decode(), end='')
"""

NUDGE = """
import sys
sys.path.insert(0, sys.argv[1])
from vsctl.agents import names, nudge
from vsctl.agents.addresses import some
nudge.nudge('vs1', [each.packed for each in some(sys.argv[2])])
"""


def tell(program: subprocess.Popen[str], words: str) -> None:
    assert program.stdin
    program.stdin.write(f"{words}\n")
    program.stdin.flush()


def heard(program: subprocess.Popen[str]) -> str:
    assert program.stdout
    return program.stdout.readline()


def tries(place: Place, server: str | None = None) -> int:
    """Return how often something has been sent again in vain."""
    inside = ["ip", "netns", "exec", server] if server else []
    said = place.run(*inside, "ss", "-tniH", f"( sport = {OPEN} or dport = {OPEN} )")
    return max(
        (int(each.partition(":")[2]) for each in said.split() if each.startswith("backoff:")), default=0
    )


@pytest.fixture(params=[IPV4, IPV6])
def address(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ends(lan: Lan, address: str) -> Iterator[tuple[subprocess.Popen[str], subprocess.Popen[str]]]:
    """A connection between a client and vs1."""
    for agent, parameters in (("net", DETOURED), ("vip", ANNOUNCER)):
        assert lan.node.agent(agent, "start", **parameters).code == RUNNING
    server = lan.node.python(SERVER, str(OPEN), server="vs1")
    assert heard(server) == "ready\n"
    client = lan.clients["client-a"].python(CLIENT, address, str(OPEN))
    assert heard(server) == "connected\n"
    yield client, server


@pytest.mark.parametrize("who", ["client", "server"])
def test_what_has_waited_is_sent_again_at_once(
    lan: Lan, address: str, ends: tuple[subprocess.Popen[str], subprocess.Popen[str]], who: str
) -> None:
    """The switch is silent meanwhile; nothing else tells either end when it is not any more."""
    client, server = ends
    speaker, listener = (client, server) if who == "client" else (server, client)
    place, inside = (lan.clients["client-a"], None) if who == "client" else (lan.node, "vs1")
    lan.switches.run("bridge", "link", "set", "dev", "client-a", "state", "0")
    tell(listener, "hear")
    tell(speaker, "say")
    until(lambda: tries(place, inside) >= TRIES, f"the {who} has asked in vain")
    lan.switches.run("bridge", "link", "set", "dev", "client-a", "state", "3")
    began = time.monotonic()
    assert lan.node.python(NUDGE, str(ROOT), address).wait(10) == 0
    assert heard(listener) == "say\n"
    assert time.monotonic() - began < SOON


CROWD = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (10000, 10000))
where, port, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if where == 'server':
    listener = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=number)
    print('ready')
    ends = [listener.accept()[0] for _ in range(number)]
else:
    ends = [socket.create_connection((where, port), timeout=30) for _ in range(number)]
print('connected')
for line in sys.stdin:
    if line == 'say\\n':
        ends[-1].sendall(line.encode())
    else:
        print(ends[-1].recv(4096).decode(), end='')
"""


def unreachables(place: Place) -> int:
    """Return how many such errors a client has got, IPv4 and IPv6."""
    lines = [each.split() for each in place.run("cat", "/proc/net/snmp").splitlines()]
    heads, values = (each for each in lines if each[0] == "Icmp:")
    six = dict(each.split() for each in place.run("cat", "/proc/net/snmp6").splitlines())
    return int(values[heads.index("InDestUnreachs")]) + int(six["Icmp6InDestUnreachs"])


def test_who_waits_comes_first_and_a_crowd_costs_no_more_than_it_may(lan: Lan, address: str) -> None:
    """The last of many more connections than are told: its server waits, the others are idle."""
    crowd, client = str(nudge.MOST + 500), lan.clients["client-a"]
    for agent, parameters in (("net", DETOURED), ("vip", ANNOUNCER)):
        assert lan.node.agent(agent, "start", **parameters).code == RUNNING
    server = lan.node.python(CROWD, "server", str(OPEN), crowd, server="vs1")
    assert heard(server) == "ready\n"
    clients = client.python(CROWD, address, str(OPEN), crowd)
    assert heard(clients) == heard(server) == "connected\n"
    lan.switches.run("bridge", "link", "set", "dev", "client-a", "state", "0")
    tell(clients, "hear")
    tell(server, "say")
    until(lambda: tries(lan.node, "vs1") >= TRIES, "the server has asked in vain")
    lan.switches.run("bridge", "link", "set", "dev", "client-a", "state", "3")
    others, began = lan.node.processes(), time.monotonic()
    assert lan.node.python(NUDGE, str(ROOT), address).wait(10) == 0
    assert heard(clients) == "say\n"
    assert time.monotonic() - began < SOON
    until(lambda: not lan.node.processes() - others, "the nudge has ended")
    print(f"{crowd} connections took {time.monotonic() - began:.2f} s, {unreachables(client)} errors")
    assert nudge.MOST < unreachables(client) <= nudge.MOST * (1 + len(nudge.AGAIN))


def test_a_peer_that_begins_to_route_is_noticed(
    lan: Lan, peer: Node, address: str, ends: tuple[subprocess.Popen[str], subprocess.Popen[str]]
) -> None:
    client, server = ends
    for port in ("e0a", "e0b"):
        lan.cable(port, "down")
    tell(server, "hear")
    tell(client, "say")
    until(lambda: tries(lan.clients["client-a"]) >= TRIES, "the client has asked in vain")
    assert lan.node.agent("vip", "stop", **ANNOUNCER).code == RUNNING
    assert peer.agent("vip", "start", **ANNOUNCER).code == RUNNING
    began = time.monotonic()
    assert heard(server) == "say\n"
    assert time.monotonic() - began < SOON


def test_a_peer_that_comes_back_after_a_gap_is_noticed(lan: Lan, peer: Node) -> None:
    """Nobody routes for some seconds, and then the same peer does again."""
    assert lan.node.agent("net", "start", **DETOURED).code == RUNNING
    server = lan.node.python(SERVER, str(OPEN), server="vs1")
    assert heard(server) == "ready\n"
    lan.cable("e1a", "down")
    lan.switches.ip("link", "set", "peer-e0b", "down")  # who answers by another port counts as another peer
    assert peer.agent("vip", "start", **ANNOUNCER_B).code == RUNNING
    with watching((lan.node, peer), DAEMON_B):
        until(lambda: answers_by_peer(lan.node), "vs1 answers through the peer")
        client = lan.clients["client-b"].python(CLIENT, IPV4_B, str(OPEN))
        assert heard(server) == "connected\n"
        assert peer.agent("vip", "stop", **ANNOUNCER_B).code == RUNNING
        until(lambda: not knows_peer(lan.node), "the node has seen that nobody routes", 30)
        lan.switches.run("bridge", "link", "set", "dev", "client-b", "state", "0")
        tell(server, "hear")
        tell(client, "say")
        until(lambda: tries(lan.clients["client-b"]) >= TRIES, "the client has asked in vain")
        lan.switches.run("bridge", "link", "set", "dev", "client-b", "state", "3")
        assert peer.agent("vip", "start", **ANNOUNCER_B).code == RUNNING
        began = time.monotonic()
        assert heard(server) == "say\n"
        assert time.monotonic() - began < SOON


def answers_by_peer(node: Node) -> bool:
    return "default" in node.ip("route", "show", "table", str(names.detour_table("vs1", "lan-b")))


def knows_peer(node: Node) -> bool:
    meeting = inet_ntop(AF_INET, names.meeting("vs1", "lan-b", AF_INET))
    return any(f"{meeting} " in each and "lladdr" in each for each in node.ip("neighbour").splitlines())
