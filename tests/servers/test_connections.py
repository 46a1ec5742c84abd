"""Who is connected is written down soon, and never at the price of the node daemon."""

import pytest

from tests.servers.node import wait_for
from tests.servers.servers import Server

pytestmark = pytest.mark.node

LIST = "/srv/vsctl/vs1/root/.vsctl/connections"
DAEMON = """
from vsctl.agents.noded.clients import Clients
from vsctl.agents.noded.loop import Loop
loop = Loop()
def tick():
    print("lives", flush=True)
    loop.after(0.2, tick)
Clients(loop, lambda: ["vs1", "vs2"]).look()
tick()
loop.run()
"""
CLIENT = "import socket; s = socket.create_connection(('{}', 2049)); print('connected', flush=True); input()"


def connect(vs1):
    client = vs1.node.begin(f'/usr/bin/python3 -c "{CLIENT.format(vs1.address)}"', netns="client")
    assert client.stdout.readline() == "connected\n"
    return client


def listed(vs1):
    return vs1.node.run(f"cat {LIST}", ok=False).said.count(f"{vs1.address} 2049 ")


@pytest.fixture
def vs1(node):
    vs1 = Server(node, "vs1").start("root", "nfs")
    vs1.gate("start")
    return vs1


def test_a_client_is_listed_soon_after_it_connected(vs1):
    daemon = vs1.node.begin_python(DAEMON)
    assert daemon.stdout.readline() == "lives\n"
    for count in (1, 2):
        connect(vs1)
        wait_for(lambda: listed(vs1) == count, f"only {listed(vs1)} of {count} clients are listed")  # noqa: B023
    written = vs1.node.run(f"stat -c %Y.%i {LIST}").said
    assert vs1.monitor("nfs") == 0, "what monitors ask is no client's"
    ticks = [daemon.stdout.readline() for _ in range(15)]
    assert ticks == ["lives\n"] * 15
    assert vs1.node.run(f"stat -c %Y.%i {LIST}").said == written


def test_storage_that_hangs_holds_up_no_daemon(vs1):
    daemon = vs1.node.begin_python(DAEMON)
    vs1.node.run("fsfreeze -f /srv/vsctl/vs1/root")
    try:
        connect(vs1)
        assert [daemon.stdout.readline() for _ in range(15)] == ["lives\n"] * 15
        writers = vs1.node.run("pgrep -c -f noded.clients").said
        assert int(writers) == 2, "the daemon, and one process that waits for the storage"
    finally:
        vs1.node.run("fsfreeze -u /srv/vsctl/vs1/root")
    wait_for(lambda: listed(vs1) == 1, "the client is not listed when the storage is back")


def test_a_former_nodes_list_is_not_overwritten_before_it_was_read(vs1):
    vs1.gate("stop")
    vs1.node.run(f"sh -c 'echo 192.0.2.11 2049 192.0.2.100 999 > {LIST}'")
    daemon = vs1.node.begin_python(DAEMON)
    other = vs1.node.begin(
        "/usr/bin/python3 -c \"import socket; s = socket.create_server(('', 445)); print('listens', flush=True); input()\"",
        netns="vs1",
    )
    assert other.stdout.readline() == "listens\n"
    client = vs1.node.begin(
        f'/usr/bin/python3 -c "{CLIENT.format(vs1.address).replace("2049", "445")}"', netns="client"
    )
    assert client.stdout.readline() == "connected\n"
    assert [daemon.stdout.readline() for _ in range(12)] == ["lives\n"] * 12
    assert listed(vs1) == 1
    started = vs1.gate("start")
    assert "1 clients of vs1 were told" in started.said
