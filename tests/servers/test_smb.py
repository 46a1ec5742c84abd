"""SMB servers, shares and accounts: each virtual server its own."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys

import pytest

from tests.cli.test_json import validate
from tests.cli.vsctl import CLUSTER_FILE, settled
from tests.servers.node import is_free, wait_for
from tests.servers.servers import SHARE, Server

pytestmark = pytest.mark.node

BOTTOM_UP = ("root", "data", "smb", "shares")
MORE = f"{SHARE}; quiet%20room /quiet access=ro users=@staff"


@pytest.fixture
def vs1(node):
    server = Server(node, "vs1").start("root", "data", "smb")
    server.add_user("alice", "one two 1", "staff")
    server.add_user("bob", "bobs")
    return server.start("shares")


def test_users_get_what_they_are_given(vs1):
    vs1.start(*BOTTOM_UP)
    assert {vs1.monitor(each) for each in BOTTOM_UP} == {0}
    assert vs1.do("shares", "reload-agent", shares=MORE).status == 0
    assert vs1.smb("projects", "alice%one two 1", "put /etc/hostname a; ls").status == 0
    assert "ACCESS_DENIED" in vs1.smb("quiet room", "alice%one two 1", "mkdir a").said
    assert vs1.node.run("stat -c %u /srv/vsctl/vs1/data/shared/a").said == "200000\n"
    assert "ACCESS_DENIED" in vs1.smb("projects", "bob%bobs").said
    assert "LOGON_FAILURE" in vs1.smb("projects", "alice%wrong").said
    assert "ACCESS_DENIED" in vs1.smb("projects", "%").said
    assert "LOGON_FAILURE" in vs1.smb("projects", "root%").said
    vs1.stop(*reversed(BOTTOM_UP)).stop(*reversed(BOTTOM_UP))
    assert {vs1.monitor(each) for each in BOTTOM_UP} == {7}
    assert all(is_free(vs1.parameters[each]["device"]) for each in ("root", "data"))


def test_two_servers_side_by_side_show_nothing_of_each_other(vs1, node):
    vs2 = Server(node, "vs2").start("root", "data", "smb")
    vs2.parameters["shares"]["shares"] = "secret /secret users=carol"
    vs2.add_user("carol", "carols")
    vs2.start("shares")
    assert vs2.smb("secret", "carol%carols").status == 0
    assert vs1.smb("projects", "alice%one two 1").status == 0
    assert "LOGON_FAILURE" in vs1.smb("projects", "carol%carols").said
    assert "BAD_NETWORK_NAME" in vs1.smb("secret", "alice%one two 1").said
    seen = node.run(f"smbclient -L //{vs1.address} -U 'alice%one two 1'", netns="client", ok=False).said
    assert "projects" in seen
    assert "secret" not in seen
    users = f"rpcclient {vs1.address} -U 'alice%one two 1' -c 'enumdomusers;netshareenumall'"
    seen = node.run(users, netns="client", ok=False).said
    assert "carol" not in seen
    assert "secret" not in seen
    vs1.stop("shares", "smb")
    assert vs2.monitor("smb") == vs2.monitor("shares") == 0


def test_shares_are_added_and_removed_in_flight(vs1):
    process = vs1.process("smbd")
    client = vs1.node.begin(f"smbclient //{vs1.address}/projects -U 'alice%one two 1'", netns="client")
    make(vs1, client, "here")
    assert vs1.do("shares", "reload-agent", shares=MORE).status == 0
    assert vs1.do("shares", "monitor", shares=MORE).status == 0
    assert vs1.do("shares", "reload-agent").status == 0
    gone = vs1.do("shares", "monitor", shares=MORE)
    assert (gone.status, "does not know share quiet room" in gone.said) == (1, True)
    make(vs1, client, "there")
    client.communicate("exit\n")
    assert vs1.node.run("ls /srv/vsctl/vs1/data/shared").said.split() == ["here", "there"]
    assert vs1.process("smbd") == process


def test_a_connected_client_does_not_keep_the_filesystem(vs1):
    client = vs1.node.begin(f"smbclient //{vs1.address}/projects -U 'alice%one two 1'", netns="client")
    make(vs1, client, "here")
    process = vs1.process("smbd")
    vs1.stop("shares", "data")
    assert is_free(vs1.parameters["data"]["device"])
    assert vs1.process("smbd") == process
    assert "NETWORK_NAME_DELETED" in client.communicate("ls\n")[0]


def test_stop_ends_every_process_and_the_client_sees_it_at_once(vs1):
    client = vs1.node.begin(f"smbclient //{vs1.address}/projects -U 'alice%one two 1'", netns="client")
    make(vs1, client, "here")
    vs1.node.run(f"smbclient -L //{vs1.address} -U 'alice%one two 1'", netns="client")  # brings samba-dcerpcd
    assert "samba-dcerpcd" in vs1.node.run("ps ax").said
    vs1.stop("shares", "smb")
    left = vs1.node.run("ps ax -o stat,args").said
    assert not [line for line in left.splitlines() if "vs1/smb/smb.conf" in line and line[0] != "Z"]
    assert client.communicate("ls\n")[0]
    vs1.stop("data", "root")


def test_nobody_is_refused_while_the_server_is_on_its_way(vs1):
    """A client that is refused, or finds no share, waits for seconds; one that is not answered asks again after one."""
    code = "import socket; socket.create_connection(('{}', 445), {}); print('connected')"
    attempt = shlex.join(["/usr/bin/python3", "-c", code.format(vs1.address, 0.5)])
    vs1.stop("shares", "smb")
    assert "timed out" in vs1.node.run(attempt, netns="client", ok=False).said
    vs1.start("smb")
    assert "timed out" in vs1.node.run(attempt, netns="client", ok=False).said, "its share is not there yet"
    patient = shlex.join(["/usr/bin/python3", "-c", code.format(vs1.address, 30)])
    client = vs1.node.begin(patient, netns="client")
    vs1.start("shares")
    assert client.communicate()[0] == "connected\n"


def test_nobody_is_let_in_any_more_while_the_server_stops(vs1):
    """A client whose share was closed would be thrown out again at once, and then wait for seconds."""
    code = f"import socket; socket.create_connection(('{vs1.address}', 445), 0.5); print('connected')"
    attempt = shlex.join(["/usr/bin/python3", "-c", code])
    vs1.gate("start")
    vs1.stop("shares")
    assert vs1.node.run(attempt, netns="client").said == "connected\n", "the gate is open: others are served"
    vs1.start("shares").gate("stop")
    vs1.stop("shares")
    assert "timed out" in vs1.node.run(attempt, netns="client", ok=False).said
    vs1.start("shares")
    assert vs1.node.run(attempt, netns="client").said == "connected\n"


def test_a_killed_smbd_is_noticed_and_comes_back(vs1):
    vs1.kill("smbd")
    wait_for(lambda: vs1.monitor("smb") in (1, 7), "the monitor is green")
    assert vs1.monitor("shares") == 0, (
        "a share that restarted alone would fail, and take the whole server away"
    )
    vs1.stop("shares", "smb").start("smb", "shares")
    assert vs1.smb("projects", "alice%one two 1").status == 0


def test_a_server_that_listens_but_does_not_serve_is_noticed(vs1):
    vs1.node.run(f"kill -STOP {vs1.process('smbd')}")
    assert vs1.monitor("smb") == 1
    assert vs1.monitor("shares") == 0, "a restart of the shares alone would end the server, and not start it"
    vs1.stop("shares", "smb").start("smb", "shares")
    assert vs1.smb("projects", "alice%one two 1").status == 0


def test_another_server_in_its_place_is_noticed(vs1):
    done = vs1.do("smb", "monitor", netbios="OTHER")
    assert (done.status, "answered by 'vs1', not OTHER" in done.said) == (1, True)


def test_a_share_without_its_filesystem_is_noticed(vs1):
    vs1.node.run("umount /srv/vsctl/vs1/data")
    assert vs1.monitor("shares") == 1


def test_accounts_keep_their_ids_and_never_get_anothers(vs1):
    accounts = "from vsctl.agents import accounts as a\n"
    show = "print([(each.name, each.id, each.groups) for each in a.list_('vs1')])"
    vs1.node.python(f"{accounts}a.remove('vs1', 'bob')")
    vs1.add_user("carol", "c", "staff", "lab")
    vs1.add_user("bob", "again")
    vs1.add_user("alice", "new")
    listed = vs1.node.python(accounts + show).said
    assert listed == "[('alice', 200000, ()), ('carol', 200003, ('staff', 'lab')), ('bob', 200002, ())]\n"
    assert vs1.smb("projects", "carol%c").status == 0
    assert "LOGON_FAILURE" in vs1.smb("projects", "alice%one two 1").said
    vs1.stop("shares", "smb").start("smb", "shares")
    assert vs1.smb("projects", "carol%c").status == 0


def test_an_interrupted_change_of_accounts_is_finished(vs1):
    vs1.stop("shares", "smb")
    passwd = "/srv/vsctl/vs1/root/.vsctl/smb/passwd"
    vs1.node.run(f"cp {passwd} {passwd}.new")
    vs1.node.run(f"truncate -s 10 {passwd}")
    vs1.start("smb", "shares")
    assert vs1.smb("projects", "alice%one two 1").status == 0


def test_shares_that_start_without_their_server_wait_for_it(vs1):
    """A start that failed would send the whole virtual server to another node."""
    vs1.stop("shares")
    vs1.kill("smbd")
    for _ in "12":
        started = vs1.do("shares", "start")
        assert (started.status, "its own recovery brings" in started.said) == (0, True), started.said
        assert vs1.monitor("shares") == 0
        vs1.stop("shares", "smb").start("smb")
        vs1.node.run(f"kill -STOP {vs1.process('smbd')}")
    vs1.stop("shares", "smb").start("smb", "shares")
    assert vs1.smb("projects", "alice%one two 1").status == 0


def test_a_directory_stays_shared_whatever_clients_do_with_its_name(vs1):
    """Who may write above it, through an export for one, may rename it and put a link there."""
    top = "/srv/vsctl/vs1/data"
    client = vs1.node.begin(f"smbclient //{vs1.address}/projects -U 'alice%one two 1'", netns="client")
    make(vs1, client, "here")
    vs1.node.run(f"mv {top}/shared {top}/elsewhere")
    vs1.node.run(f"ln -s /etc {top}/shared")
    seen = vs1.do("shares", "monitor")
    assert (seen.status, "was moved to /elsewhere" in seen.said) == (0, True), seen.said
    assert "passwd" not in vs1.smb("projects", "alice%one two 1").said
    assert vs1.smb("projects", "alice%one two 1", "put /etc/hostname a").status == 0
    client.communicate("mkdir there\n")
    assert vs1.node.run(f"ls {top}/elsewhere").said.split() == ["a", "here", "there"]
    vs1.stop("shares", "data")
    assert is_free(vs1.parameters["data"]["device"])


def test_a_shared_directory_that_was_removed_is_made_anew(vs1):
    vs1.node.run("rmdir /srv/vsctl/vs1/data/shared")
    seen = vs1.do("shares", "monitor")
    assert (seen.status, "it is made anew" in seen.said) == (0, True), seen.said
    assert vs1.smb("projects", "alice%one two 1", "put /etc/hostname a").status == 0


def test_accounts_are_not_laid_out_while_they_are_changed(vs1):
    vs1.stop("shares", "smb")
    lock = "/run/vsctl/vs1/accounts.lock"
    holder = vs1.node.begin(f"flock {lock} sh -c 'echo held; read line'")
    assert holder.stdout.readline() == "held\n"
    started = vs1.do("smb", "start")
    assert (started.status, f"{lock} has been held" in started.said) == (1, True), started.said
    holder.communicate("")


def make(vs1, client, directory):
    """Have a connected smbclient make a directory of the share, and wait until it has."""
    client.stdin.write(f"mkdir {directory}\n")
    client.stdin.flush()
    place = f"/srv/vsctl/vs1/data/shared/{directory}"
    wait_for(lambda: vs1.node.run(f"test -d {place}", ok=False).status == 0, f"smbclient made no {directory}")


def test_the_servers_of_others_cannot_be_seen_at_all(vs1, node):
    vs2 = Server(node, "vs2").start("root", "data")
    node.run("touch /srv/vsctl/vs2/data/secret")
    view = f"nsenter -t {vs1.process('smbd')} -m ls"
    assert "secret" not in node.run(f"{view} -R /srv/vsctl").said
    assert node.run(f"{view} /srv/vsctl/vs1/data").said.split() == ["lost+found", "shared"]
    vs1.stop("shares", "data").start("data", "shares")
    assert vs1.smb("projects", "alice%one two 1", "put /etc/hostname a").status == 0
    node.run("test -e /srv/vsctl/vs1/data/shared/a")
    vs2.stop("data", "root")
    assert is_free(vs2.parameters["data"]["device"])


def test_a_password_is_asked_for_until_it_was_written_twice_and_never_shown(node, tmp_path):
    vs1 = Server(node, "vs1").start("root", "data", "smb")
    cib = tmp_path / "cib.xml"
    cib.write_bytes(settled(re.sub(r"\bn1\b", os.uname().nodename, CLUSTER_FILE)))
    smb_user = [sys.executable, "-m", "vsctl.cli", "smb-user", "--cib", str(cib), "vs1"]
    answers = (
        ("password of alice: ", "one two 1"),
        ("once more: ", "one two 2"),
        ("password of alice: ", "one two 1"),
        ("once more: ", "one two 1"),
    )
    status, said = converse(node.command(*smb_user, "add", "alice", "--group", "staff"), answers)
    assert (status, said.splitlines()[-1]) == (0, "alice can use vs1"), said
    assert "two different ones" in said and "one two" not in said
    vs1.start("shares")
    assert vs1.smb("projects", "alice%one two 1").status == 0
    listed = json.loads(node.run(shlex.join([*smb_user, "list", "--json"])).said)
    assert listed == [{"name": "alice", "groups": ["staff"]}]
    validate("smb-user", listed)


def converse(command, answers):
    """Run a command on a terminal of its own, wait for each question and answer it; return its status and all it said."""
    ours, its = pty.openpty()
    running = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=its, stdout=its, stderr=its, close_fds=True
    )
    os.close(its)
    said = ""
    try:
        for question, answer in answers:
            heard = len(said)
            while question not in said[heard:]:
                said += os.read(ours, 4096).decode()
            os.write(ours, f"{answer}\n".encode())
        while part := read(ours):
            said += part
    finally:
        os.close(ours)
    return running.wait(), said


def read(terminal):
    """Return what comes next, nothing when the other side has gone."""
    try:
        return os.read(terminal, 4096).decode()
    except OSError:
        return ""
