"""Who calls while a way in is closed: connected when it opens, or only with the next try?

Judged by how often the client has tried, which its TCP counts, and not by a clock.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.agents.cast import GATE, IPV4, IPV6, LAN_A, NET, NFS, RUNNING, SMB
from tests.agents.node import PYTHON, ROOT, Lan, Node, Place, serve, until, watching

pytestmark = pytest.mark.node

DAEMON = {"ports": "n1=e0a:lan-a"}

TRIES = 2
"""After so many more in vain TCP waits for four seconds before the next."""

CALL = """
import socket, struct, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
print(struct.unpack_from('=100xI', info)[0])  # tcpi_total_retrans
for line in sys.stdin:
    connection.sendall(line.encode())
    print(connection.recv(4096).decode(), end='')
"""

OPEN_AND_CLOSE = """
import sys
sys.path.insert(0, sys.argv[1])
from vsctl.agents import gate
getattr(gate, sys.argv[2])('vs1', gate.CLOSED_BY_SMB, gate.SMB)
"""


LEAVE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from itertools import pairwise
from vsctl.agents import gate, paths
from vsctl.agents.noded.callers import Callers
from vsctl.agents.noded.loop import Loop
here = sys.argv[2:]
for way in gate.WAYS:
    for server in here:
        os.makedirs(paths.closed_by(server, way.notes) + '/somebody')
read, write = os.pipe()
loop = Loop()
callers = Callers(loop, lambda: here)
def sockets():
    return sum(1 for line in open('/proc/self/net/packet')) - 1
callers.look()
seen = [sockets()]
here.clear()
def hear():
    seen.append(sockets())
    if not seen[-1]:
        loop.end()
loop.watch(read, hear)
os.write(write, b'never read: it is heard in every turn')
loop.run()
print(seen[0], max(before - after for before, after in pairwise(seen)))
"""

LISTEN = """
import os, socket
os.makedirs('/run/vsctl/_daemon')
listener = socket.socket(socket.AF_UNIX)
listener.bind('/run/vsctl/_daemon/socket')
listener.listen()
listener.settimeout(10)
print('ready')
while True:
    line, _ = listener.accept()
    print(line.recv(4096).decode(), end='')
    line.close()
"""


@pytest.fixture
def watched(lan: Lan) -> Iterator[Lan]:
    """vs1 as it is before its gate opens, the daemon, and clients whose pauses double."""
    pauses = "/proc/sys/net/ipv4/tcp_syn_linear_timeouts"
    lan.clients["client-a"].run("sh", "-c", f"[ ! -e {pauses} ] || echo 0 > {pauses}")
    with watching((lan.node,), DAEMON):
        for agent, parameters in (("net", NET), ("vip", LAN_A)):
            assert lan.node.agent(agent, "start", **parameters).code == RUNNING
        yield lan


def call(client: Place, address: str, port: int) -> subprocess.Popen[str]:
    return client.python(CALL, address, str(port))


def heard(caller: subprocess.Popen[str]) -> str:
    assert caller.stdout
    return caller.stdout.readline().rstrip("\n")


def echoes(caller: subprocess.Popen[str]) -> bool:
    assert caller.stdin
    caller.stdin.write("still there?\n")
    caller.stdin.flush()
    return heard(caller) == "still there?"


def tries(client: Place) -> list[int]:
    """Return of each connection that a client waits for how often it has tried again."""
    said = client.run("ss", "-tniH", "state", "syn-sent").replace("\n\t", " ").splitlines()
    words = (dict(each.partition(":")[::2] for each in line.split()) for line in said)
    return [int(each.get("retrans", "0/0").partition("/")[2]) for each in words]


def taps(node: Node) -> int:
    """Return how many sockets hear what goes into vs1."""
    return node.run("ss", "-0nH").count("v-vs1")


def change(node: Node, function: str) -> None:
    """Close or open the way of SMB as its agents do."""
    node.run(PYTHON, "-IS", "-c", OPEN_AND_CLOSE, str(ROOT), function)


def open_gate(node: Node) -> None:
    answer = node.agent("gate", "start", **GATE)
    assert answer.code == RUNNING, answer.said


def test_who_has_called_is_connected_without_calling_again(watched: Lan) -> None:
    node, client = watched.node, watched.clients["client-a"]
    serve(node, "vs1", NFS, SMB)
    callers = [call(client, address, port) for address in (IPV4, IPV6) for port in (NFS, SMB)]
    until(lambda: tries(client) == [TRIES] * 4, "each has tried again twice")
    open_gate(node)
    assert [heard(each) for each in callers] == [f"{TRIES}"] * 4
    assert all(echoes(each) for each in callers)
    until(lambda: taps(node) == 0, "nobody listens to what goes into an open server")


def test_a_way_that_closes_for_a_moment_costs_nobody_a_try(watched: Lan) -> None:
    node, client = watched.node, watched.clients["client-a"]
    serve(node, "vs1", NFS, SMB)
    open_gate(node)
    until(lambda: taps(node) == 0, "both ways are open")
    change(node, "close")
    until(lambda: taps(node) == 1, "the way of SMB is listened to")
    caller = call(client, IPV4, SMB)
    until(lambda: tries(client) == [TRIES], "the client has tried again twice")
    change(node, "open")
    assert heard(caller) == f"{TRIES}"


def test_a_call_that_is_repeated_too_late_does_no_harm(watched: Lan) -> None:
    """The daemon stands still until the client has connected by itself."""
    node, client = watched.node, watched.clients["client-a"]
    serve(node, "vs1", NFS, SMB)
    callers = [call(client, address, SMB) for address in (IPV4, IPV6)]
    until(lambda: tries(client) == [1, 1], "each has tried again")
    daemon = node.run("cat", "/run/vsctl/_daemon/process").split()[0]
    node.run("kill", "-STOP", daemon)
    open_gate(node)
    assert all(int(heard(each)) > 1 for each in callers), "by its own next try"
    assert duplicates(node) == 0
    node.run("kill", "-CONT", daemon)
    until(lambda: duplicates(node) == 2, "both calls have gone in again")
    assert all(echoes(each) for each in callers)


def duplicates(node: Node) -> int:
    """Return how often vs1 was called on a connection that it had."""
    lines = node.run("ip", "netns", "exec", "vs1", "cat", "/proc/net/netstat").splitlines()
    heads, values = (each.split() for each in lines if each.startswith("TcpExt:"))
    return int(values[heads.index("TCPSYNChallenge")])


def test_nobody_is_refused_because_a_call_is_repeated(watched: Lan) -> None:
    """The gate opens the way of SMB, too, when what serves SMB did not start."""
    node, client = watched.node, watched.clients["client-a"]
    serve(node, "vs1", NFS)
    call(client, IPV4, SMB)
    until(lambda: tries(client) == [TRIES], "the client has tried again twice")
    open_gate(node)
    until(lambda: taps(node) == 0, "both ways are open")
    assert tries(client) == [TRIES], "it waits for its own next try"


def test_the_daemon_is_told_of_each_way_that_opens_or_closes(lan: Lan) -> None:
    """At once: by itself it would look a second later, when Linux has called in vain again."""
    told = lan.node.python(LISTEN)
    assert heard(told) == "ready"
    assert lan.node.agent("net", "start", **NET).code == RUNNING
    assert heard(told) == "ways vs1", "there is a way into it now, and it is closed"
    for function in ("open", "close"):
        change(lan.node, function)
        assert heard(told) == "ways vs1"


def test_a_server_that_leaves_is_not_listened_to(watched: Lan) -> None:
    node = watched.node
    until(lambda: taps(node) == 2, "both ways are closed, and listened to")
    others = packet_sockets(node) - 2
    assert node.agent("vip", "stop", **LAN_A).code == RUNNING
    assert node.agent("net", "stop", **NET).code == RUNNING
    until(lambda: packet_sockets(node) == others, "nothing of it is left")


def test_something_is_heard_after_each_socket_of_many_servers_that_leave_at_once(lan: Lan) -> None:
    lan.node.ip("link", "add", "v-vs1", "type", "veth", "peer", "name", "v-vs2")
    assert lan.node.run(PYTHON, "-IS", "-c", LEAVE, str(ROOT), "vs1", "vs2") == "4 1\n"


def packet_sockets(node: Node) -> int:
    """Return how many the daemon has; those who repeat announcements have some for seconds."""
    daemon = node.run("cat", "/run/vsctl/_daemon/process").split()[0]
    return node.run("ss", "-0npH").count(f"pid={daemon},")
