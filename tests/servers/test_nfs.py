"""NFS servers and exports: each virtual server its own, added and removed in flight."""

import pytest

from tests.servers.node import is_free, wait_for
from tests.servers.servers import EXPORT, Server

pytestmark = pytest.mark.node

BOTTOM_UP = ("root", "data", "nfs", "exports")
MORE = f"{EXPORT}; /more%20room /more id=77 squash=all 192.0.2.100=ro *=rw"


@pytest.fixture
def vs1(node):
    return Server(node, "vs1")


def test_clients_use_an_export_by_every_version(vs1):
    vs1.start(*BOTTOM_UP).start(*BOTTOM_UP)
    assert {each: vs1.monitor(each) for each in BOTTOM_UP} == dict.fromkeys(BOTTOM_UP, 0)
    assert vs1.write("/data/projects/a").status == 0
    for version in (3, 4):
        assert " a" in vs1.list("/data/projects", version).said
    assert vs1.node.run("stat -c %u:%a /srv/vsctl/vs1/data/projects").said == "0:1777\n"
    vs1.stop(*reversed(BOTTOM_UP)).stop(*reversed(BOTTOM_UP))
    assert {vs1.monitor(each) for each in BOTTOM_UP} == {7}
    assert all(is_free(vs1.parameters[each]["device"]) for each in ("root", "data"))


def test_two_servers_side_by_side_show_nothing_of_each_other(vs1, node):
    vs2 = Server(node, "vs2")
    vs2.parameters["exports"]["exports"] = "/secret /data/secret id=99 squash=root 192.0.2.100=rw"
    vs1.start(*BOTTOM_UP)
    vs2.start(*BOTTOM_UP)
    assert vs1.write("/data/projects/a").status == 0
    assert vs2.write("/data/secret/b").status == 0
    assert vs1.list("/data/secret").status != 0
    assert "secret" not in vs1.list("/", 4).said
    assert "secret" not in node.run(f"showmount -e {vs1.address}", netns="client").said
    handle = node.python(
        _IN_CLIENT + f"print(rpc.mount(at('{vs2.address}', 20048), '/data/secret').hex())"
    ).said
    code = f"print(rpc.file_id(at('{{}}', 2049), bytes.fromhex('{handle.strip()}')))"
    assert node.python(_IN_CLIENT + code.format(vs2.address)).said != "None\n"
    assert node.python(_IN_CLIENT + code.format(vs1.address)).said == "None\n"
    vs1.stop(*reversed(BOTTOM_UP))
    assert vs2.monitor("nfs") == vs2.monitor("exports") == 0
    assert " b" in vs2.list("/data/secret").said


def test_who_is_on_no_list_gets_nothing_and_the_closest_entry_counts(vs1):
    vs1.parameters["exports"]["exports"] = (
        "/none /none id=1 198.51.100.0/24=rw nowhere.invalid=rw; /look /look id=2 192.0.2.0/24=rw 192.0.2.100=ro"
    )
    vs1.start(*BOTTOM_UP)
    assert vs1.list("/none").status != 0
    assert vs1.list("/look").status == 0
    assert vs1.write("/look/a").status != 0


def test_exports_are_added_and_removed_in_flight(vs1):
    vs1.start(*BOTTOM_UP)
    process = vs1.process("ganesha")
    assert vs1.do("exports", "reload-agent", exports=MORE).status == 0
    assert vs1.do("exports", "monitor", exports=MORE).status == 0
    assert vs1.list("/more").status == 0
    assert vs1.write("/data/projects/a").status == 0
    assert vs1.do("exports", "reload-agent").status == 0
    assert vs1.list("/more").status != 0
    assert " a" in vs1.list("/data/projects").said
    assert vs1.process("ganesha") == process


def test_an_export_can_become_another(vs1):
    vs1.start(*BOTTOM_UP)
    other = "/other /data/projects id=4661 192.0.2.0/24=rw"
    assert vs1.do("exports", "reload-agent", exports=other).status == 0
    assert vs1.do("exports", "monitor", exports=other).status == 0
    assert vs1.monitor("exports") == 1, "the former export is not what is served"


def test_filesystems_export_side_by_side_and_apart(vs1):
    root = {"filesystem": "root", "exports": "/pub /pub id=5 192.0.2.0/24=rw"}
    vs1.start(*BOTTOM_UP)
    assert vs1.do("exports", "start", **root).status == 0
    vs1.stop("exports", "data")
    assert vs1.do("exports", "monitor", **root).status == 0
    vs1.start("data", "exports")
    assert vs1.list("/pub").status == vs1.list("/data/projects").status == 0


def test_a_client_with_an_open_file_does_not_keep_the_filesystem(vs1):
    vs1.start(*BOTTOM_UP)
    vs1.node.run("truncate -s 8M /srv/vsctl/vs1/data/projects/big")
    # Nobody reads what it says, so it stops in the middle of the file and keeps it open.
    vs1.node.begin(f"nfs-cat '{vs1.url('/data/projects/big', 4)}'", netns="client")
    files = f"ls -l /proc/{vs1.process('ganesha')}/fd"
    wait_for(
        lambda: "/big" in vs1.node.run(files, ok=False).said,
        "Ganesha does not open the file that the client reads",
    )
    vs1.stop("exports", "data")
    assert is_free(vs1.parameters["data"]["device"])


def test_nothing_is_told_stale_while_one_filesystem_recovers(vs1):
    vs1.start(*BOTTOM_UP)
    vs1.write("/data/projects/a")
    client = vs1.node.begin(f"timeout 30 nfs-ls '{vs1.url('/data/projects')}'", netns="client")
    assert " a" in client.communicate()[0]
    vs1.stop("exports")
    assert "tproxy" in vs1.node.run("nft list ruleset", netns="vs1").said
    client = vs1.node.begin(f"timeout 30 nfs-ls '{vs1.url('/data/projects')}'", netns="client")
    vs1.stop("data")
    assert client.poll() is None, "the client was answered"
    vs1.start("data", "exports")
    assert "drop" not in vs1.node.run("nft list ruleset", netns="vs1").said
    assert " a" in client.communicate()[0]


def test_the_gate_does_not_wait_for_ever_for_a_filesystem(vs1):
    """It is closed where the kernel has no relay."""
    vs1.start(*BOTTOM_UP)
    vs1.gate("start")
    vs1.node.python("from vsctl.agents import gate; gate.close('vs1', 'vs1-exp-data')")
    held = "/run/vsctl/vs1/gate/vs1-exp-data"
    vs1.node.run(f"touch -d '1 minute ago' {held}")
    assert vs1.node.agent("gate", "monitor", server="vs1").status == 0
    assert "drop" not in vs1.node.run("nft list ruleset", netns="vs1").said


def test_what_is_not_on_its_own_filesystem_is_not_exported(vs1):
    vs1.start("root", "nfs")
    refused = vs1.do("exports", "start")
    assert (refused.status, "is not mounted" in refused.said) == (1, True)
    vs1.start("data")
    vs1.node.run("ln -s /etc /srv/vsctl/vs1/data/projects")
    refused = vs1.do("exports", "start")
    assert (refused.status, "file or link" in refused.said) == (1, True)
    refused = vs1.do("exports", "start", filesystem="root", exports="/.vsctl /x id=1 *=rw")
    assert (refused.status, "state of vs1" in refused.said) == (1, True)


def test_a_killed_ganesha_is_noticed_and_comes_back_alone(vs1):
    vs1.start(*BOTTOM_UP)
    assert vs1.write("/data/projects/a").status == 0
    vs1.kill("ganesha")
    assert vs1.monitor("nfs") == 1
    assert vs1.monitor("exports") == 0, (
        "an export that restarted alone would fail, and take the whole server away"
    )
    assert vs1.monitor("data") == vs1.monitor("root") == 0
    vs1.stop("exports", "nfs").start("nfs", "exports")
    assert vs1.monitor("nfs") == vs1.monitor("exports") == 0
    assert " a" in vs1.list("/data/projects").said


def test_exports_that_start_without_their_server_wait_for_it(vs1):
    """A start that failed would send the whole virtual server to another node."""
    vs1.start(*BOTTOM_UP).stop("exports")
    waited = "/run/vsctl/vs1/relay/waited/data"
    vs1.kill("ganesha")
    for _ in "12":
        started = vs1.do("exports", "start")
        assert (started.status, "its own recovery brings" in started.said) == (0, True), started.said
        assert vs1.monitor("exports") == 0
        assert vs1.node.run(f"test -e {waited}", ok=False).status == 0, "clients may ask what is not served"
        vs1.stop("exports", "nfs").start("nfs")
        vs1.node.run(f"kill -STOP {vs1.process('ganesha')}")
    vs1.stop("exports", "nfs").start("nfs", "exports")
    assert vs1.monitor("exports") == 0
    assert vs1.list("/data/projects").status == 0
    assert vs1.node.run(f"test -e {waited}", ok=False).status == 1


def test_a_directory_stays_exported_whatever_clients_do_with_its_name(vs1):
    """Who may write above it, through another export or share, may rename it and put a link there."""
    vs1.parameters["exports"]["exports"] = f"/ /data/top id=7 squash=root 192.0.2.0/24=rw; {EXPORT}"
    vs1.start(*BOTTOM_UP)
    vs1.write("/data/projects/a")
    top = "/srv/vsctl/vs1/data"
    vs1.node.run(f"mv {top}/projects {top}/elsewhere")
    vs1.node.run(f"ln -s /etc {top}/projects")
    seen = vs1.do("exports", "monitor")
    assert (seen.status, "was moved to /elsewhere" in seen.said) == (0, True), seen.said
    for version in (3, 4):
        listed = vs1.list("/data/projects", version).said
        assert " a" in listed
        assert "passwd" not in listed
    assert (
        vs1.do(
            "exports", "reload-agent", exports=f"{vs1.parameters['exports']['exports']}; /b /b id=8"
        ).status
        == 0
    )
    assert vs1.write("/data/projects/b").status == 0
    assert vs1.node.run(f"ls {top}/elsewhere").said.split() == ["a", "b"]
    vs1.stop("exports")
    refused = vs1.do("exports", "start")
    assert (refused.status, "file or link" in refused.said) == (1, True), refused.said
    vs1.stop("exports", "data")
    assert is_free(vs1.parameters["data"]["device"])


def test_an_exported_directory_that_was_removed_is_made_anew(vs1):
    vs1.start(*BOTTOM_UP)
    vs1.node.run("rmdir /srv/vsctl/vs1/data/projects")
    seen = vs1.do("exports", "monitor")
    assert (seen.status, "it is made anew" in seen.said) == (0, True), seen.said
    assert vs1.write("/data/projects/a").status == 0
    assert vs1.node.run("ls /srv/vsctl/vs1/data/projects").said == "a\n"


def test_file_handles_are_the_same_after_every_start(vs1):
    ask = _IN_CLIENT + f"print(rpc.mount(at('{vs1.address}', 20048), '/data/projects').hex())"
    vs1.start(*BOTTOM_UP)
    before = vs1.node.python(ask).said
    vs1.stop(*reversed(BOTTOM_UP)).start(*BOTTOM_UP)
    assert vs1.node.python(ask).said == before


def test_exports_of_a_filesystem_come_and_go_while_others_stay(vs1):
    """Ganesha reaches a filesystem through the first directory of it that it was given."""
    line = {name: f"/{name} /{name} id={number} *=rw" for number, name in enumerate("abc", 1)}
    vs1.start("root", "data", "nfs")
    for names in ("a", "ab", "b", "bc", "c"):
        now = ";".join(line[each] for each in names)
        assert vs1.do("exports", "start", exports=now).status == 0
        assert vs1.do("exports", "monitor", exports=now).status == 0
        assert [each for each in "abc" if vs1.write(f"/{each}/while-{names}").status == 0] == list(names)
    vs1.stop("exports", "data")
    assert is_free(vs1.parameters["data"]["device"])


@pytest.mark.parametrize(("frozen", "status"), [("root", 0), ("data", 1)])
def test_no_action_waits_for_storage_for_ever(vs1, frozen, status):
    vs1.start(*BOTTOM_UP)
    more = f"{EXPORT}; /new /new id=78 *=rw"
    vs1.node.run(f"fsfreeze -f /srv/vsctl/vs1/{frozen}")
    try:
        assert vs1.monitor("exports") == 0
        started = vs1.do("exports", "start", exports=more)
        assert started.status == status, started.said
        assert status == 0 or "cannot be shown" in started.said
        stopped = vs1.do("exports", "stop")
        assert stopped.status == 0, stopped.said
        assert ("who holds locks" in stopped.said) is (frozen == "root")
        assert max(started.seconds, stopped.seconds) < 20
    finally:
        vs1.node.run(f"fsfreeze -u /srv/vsctl/vs1/{frozen}")


def test_a_stop_that_is_kept_from_the_configuration_says_so_in_time(vs1):
    vs1.start(*BOTTOM_UP)
    lock = "/run/vsctl/vs1/nfs/exports.lock"
    holder = vs1.node.begin(f"flock {lock} sh -c 'echo held; read line'")
    assert holder.stdout.readline() == "held\n"
    stopped = vs1.do("exports", "stop")
    assert (stopped.status, f"{lock} has been held" in stopped.said) == (1, True), stopped.said
    holder.communicate("")
    vs1.stop("exports")


@pytest.mark.parametrize("daemon", ["rpcbind", "statd", "ganesha"])
def test_a_daemon_that_listens_but_does_not_answer_is_noticed(vs1, daemon):
    vs1.start("root", "nfs")
    vs1.node.run(f"kill -STOP {vs1.process(daemon)}")
    done = vs1.do("nfs", "monitor")
    assert (done.status, f"{daemon} of vs1 does not answer on port" in done.said) == (1, True), done.said


@pytest.mark.parametrize("daemon", ["rpcbind", "statd"])
def test_a_lost_helper_is_noticed(vs1, daemon):
    vs1.start("root", "nfs")
    vs1.kill(daemon)
    done = vs1.do("nfs", "monitor")
    assert (done.status, f"{daemon} of vs1 has ended" in done.said) == (1, True)


def test_a_server_that_listens_but_does_not_serve_is_noticed(vs1):
    vs1.start(*BOTTOM_UP)
    vs1.node.run(f"kill -STOP {vs1.process('ganesha')}")
    assert vs1.monitor("nfs") == 1
    assert vs1.monitor("exports") == 0, (
        "a restart of the exports alone would end the server, and not start it"
    )
    vs1.stop("exports", "nfs").start("nfs", "exports")
    assert vs1.list("/data/projects").status == 0


def test_an_export_that_is_gone_or_foreign_is_noticed(vs1):
    vs1.start(*BOTTOM_UP)
    conf = "/run/vsctl/vs1/nfs/exports.conf"
    vs1.node.run(f"cp {conf} /run/foreign")
    vs1.node.run('sed -i \'/Path =/s,".*","/srv/vsctl/vs1/data/foreign",\' /run/foreign')
    vs1.node.run("mkdir /srv/vsctl/vs1/data/foreign")
    for source, sentence in (("/dev/null", "is not exported"), ("/run/foreign", "but is not /projects")):
        vs1.node.run(f"cp {source} {conf}")
        vs1.node.run(f"kill -HUP {vs1.process('ganesha')}")
        wait_for(lambda: sentence in vs1.do("exports", "monitor").said, f"nobody says that it {sentence}")  # noqa: B023
        assert vs1.monitor("exports") == 1


def test_another_server_in_its_place_is_noticed(vs1):
    vs1.start("root")
    other = vs1.node.begin(
        "/usr/bin/python3 -c \"import socket; s = socket.create_server(('', 2049)); print('listens', flush=True); input()\"",
        netns="vs1",
    )
    assert other.stdout.readline() == "listens\n"
    assert vs1.do("nfs", "start", timeout="5").status == 1
    assert vs1.monitor("nfs") == 1


def test_a_lock_is_remembered_and_its_client_told(vs1):
    vs1.start(*BOTTOM_UP)
    vs1.write("/data/projects/a")
    assert vs1.node.python(_IN_CLIENT + _LOCK.format(address=vs1.address)).said == "0\n"
    monitored = vs1.node.run("ls /srv/vsctl/vs1/root/.vsctl/statd/sm").said
    assert "192.0.2.100" in monitored, monitored
    vs1.kill("ganesha")
    vs1.stop("exports", "nfs")
    done = vs1.do("nfs", "start")
    assert (done.status, "told that 192.0.2.11 is back" in done.said) == (0, True), done.said
    assert "Graceless = false" in vs1.node.run("cat /run/vsctl/vs1/nfs/ganesha.conf").said
    vs1.stop("nfs", "data", "root")


def test_what_statd_may_have_put_among_its_state_leads_nowhere(vs1):
    """statd faces the network as a user of its own: what that user owns must not lead root elsewhere."""
    vs1.start(*BOTTOM_UP)
    vs1.stop("exports", "nfs")
    node, state = vs1.node, "/srv/vsctl/vs1/root/.vsctl/statd"
    node.run("touch /run/of-root")
    node.run(f"ln -s /run/of-root {state}/sm/192.0.2.99")
    vs1.start("nfs")
    assert node.run("stat -c %U /run/of-root").said == "root\n"
    vs1.stop("nfs", "data", "root")


_IN_CLIENT = """
from vsctl.agents import namespaces, rpc
namespaces.enter("client")
def at(address, port):
    connection = rpc.Connection.__new__(rpc.Connection)
    connection.socket = rpc._socket.socket()
    connection.socket.settimeout(5)
    connection.socket.connect((address, port))
    connection.last, connection.end = 1, rpc.time.monotonic() + 5
    return connection
"""

_LOCK = """
def word(number, size=4): return number.to_bytes(size, "big")
def opaque(data): return word(len(data)) + data + bytes(-len(data) % 4)
handle = rpc.mount(at("{address}", 20048), "/data/projects")
reply = at("{address}", 2049).call(rpc.NFS, 3, 3, opaque(handle) + opaque(b"a"))
file = reply[8:8 + int.from_bytes(reply[4:8], "big")]
lock = opaque(b"192.0.2.100") + opaque(file) + opaque(b"owner") + word(7) + bytes(16)
reply = at("{address}", 32803).call(rpc.NLOCKMGR, 4, 2, opaque(b"c") + word(0) + word(1) + lock + word(0) + word(3))
print(int.from_bytes(reply[-4:], "big"))
"""


def test_host_names_can_be_looked_up_where_the_node_lists_name_servers_below_run(node):
    node.run("mkdir -p /run/resolve")
    node.run("sh -c 'echo nameserver 127.0.0.53 > /run/resolve/stub.conf'")
    node.run("sh -c 'echo nameserver 192.0.2.53 > /run/resolve/resolv.conf'")
    node.python(
        "from vsctl.agents import processes as p; p._show_resolver('/run/view', '/run/resolve/stub.conf')"
    )
    assert node.run("cat /run/view/resolve/stub.conf").said == "nameserver 192.0.2.53\n"
