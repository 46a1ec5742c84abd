"""A server whose storage is lost has to leave its node: every stop succeeds, or says in time why it does not."""

import pytest

from tests.servers.node import is_free, wait_for
from tests.servers.servers import Server
from vsctl.agents import paths

pytestmark = pytest.mark.node

PARTS = ("root", "data", "nfs", "smb", "exports", "shares")


@pytest.fixture
def failing(node):
    """A server with both filesystems on storage that fails on demand, and clients that have written; what fails it."""
    server = Server(node, "vs1")
    disks = {name: node.failing_disk("ext4") for name in ("root", "data")}
    for name, (device, _) in disks.items():
        server.parameters[name]["device"] = device
    server.start("root", "data", "nfs", "smb")
    server.add_user("alice", "wonderland")
    server.start("exports", "shares")
    assert server.write("/data/projects/before").status == 0
    assert server.smb("projects", "alice%wonderland", "put /etc/hostname before").status == 0

    def become(how):
        for _, disk in disks.values():
            disk(how)

    yield server, become
    become("good")


def test_errors_let_every_part_stop(failing, node):
    server, become = failing
    become("eio")
    server.write("/data/projects/lost")
    for part in reversed(PARTS):
        stop = server.do(part, "stop")
        assert stop.status == 0, f"{part}: {stop.said}"
    for part in ("root", "data"):
        assert is_free(server.parameters[part]["device"])
        assert server.monitor(part) == 7
    become("good")
    node.run(f"e2fsck -p {server.parameters['data']['device']}", ok=False)
    server.start(*PARTS)
    assert "before" in server.list("/data/projects").said


def test_a_hang_makes_every_part_stop_or_say_why_not(failing, node):
    server, become = failing
    become("hang")
    node.begin(f"nfs-cp /usr/bin/bash '{server.url('/data/projects/large')}'", netns="client")
    said = {}
    for part in reversed(PARTS):
        stop = server.do(part, "stop")
        assert "Traceback" not in stop.said, f"{part}: {stop.said}"
        assert stop.seconds < 20, part
        if stop.status:
            said[part] = stop.said
    assert said, "with storage that hangs something cannot stop"
    assert all("ocf-exit-reason:" in each for each in said.values()), said
    become("good")
    for part in reversed(PARTS):
        wait_for(
            lambda it=part: server.do(it, "stop").status == 0, f"{part} stops when the storage is back", 60
        )
    assert is_free(server.parameters["data"]["device"])


def test_a_hang_that_the_node_knows_of_makes_every_part_say_so_at_once(failing, node):
    server, become = failing
    noted(node, server, "root", "data")
    become("hang")
    node.begin(f"nfs-cp /usr/bin/bash '{server.url('/data/projects/large')}'", netns="client")
    for part in ("data", "root", "exports", "shares"):
        stop = server.do(part, "stop")
        assert (stop.status, "has not answered for seconds, and does not now" in stop.said) == (1, True), (
            stop.said
        )
        assert stop.seconds < 4, f"{part} took {stop.seconds} s"
    assert server.monitor("nfs") == 0, "nothing was taken apart that could not be taken apart whole"
    for part in ("nfs", "smb"):
        assert server.do(part, "stop").seconds < 6, part
    become("good")
    for part in reversed(PARTS):
        stop = server.do(part, "stop")
        assert stop.status == 0, f"{part}: what was noted long ago is not believed: {stop.said}"
    assert is_free(server.parameters["data"]["device"])


def test_a_start_on_storage_that_hangs_says_so_in_time(failing, node):
    server, become = failing
    server.stop("shares", "exports", "smb", "nfs")
    state = paths.state("vs1")
    # Each start has something to write, and to wait for: clients to be told of, a file that is gone.
    node.run(
        f"sh -c 'touch {state}/statd/sm/client; printf 0000 > {state}/statd/state; rm {state}/smb/passwd; sync'"
    )
    become("hang")
    for part in ("nfs", "smb"):
        start = server.do(part, "start")
        assert start.status == 1, start.said
        assert "cannot be prepared: it took more than" in start.said, start.said
        assert start.seconds < 20, part
    become("good")
    server.start("nfs", "smb", "exports", "shares")
    assert "before" in server.list("/data/projects").said


def test_a_start_whose_storage_begins_to_hang_in_the_middle_says_so_in_time(failing, node):
    """The list of clients that held locks is known by name, and what is in it cannot be read any more."""
    server, become = failing
    server.stop("shares", "exports", "smb", "nfs")
    statd = f"{paths.state('vs1')}/statd"
    node.run(f"sh -c 'rm -f {statd}/state; head -c 8192 /dev/zero > {statd}/sm/client; sync'")
    node.run(f"dd if={statd}/sm/client iflag=nocache count=0")
    become("hang")
    start = server.do("nfs", "start")
    assert (start.status, "Traceback" in start.said) == (1, False), start.said
    assert "the list of clients with locks cannot be copied: it took more than" in start.said, start.said
    assert start.seconds < 20
    become("good")
    server.start("nfs")


def noted(node, server, *filesystems):
    """Write down what the node daemon does about devices that hang, in the name of a process that lives."""
    devices = " ".join(server.parameters[each]["device"] for each in filesystems)
    node.run("mkdir -p /run/vsctl/_daemon")
    node.run(f"sh -c 'printf \"%s\\n\" {devices} > /run/vsctl/_daemon/silent'")
    node.run("sh -c 'set -- $(cat /proc/1/stat); echo 1 ${22} > /run/vsctl/_daemon/process'")
