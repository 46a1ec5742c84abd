"""While one filesystem is away, clients of its exports wait and those of the others go on."""

import json
import re
import shlex

import pytest

from tests.servers.calls import DELAY, DENIED, JUKEBOX, LOCK_LATER, NOENT, OK, STALE
from tests.servers.node import is_free, wait_for
from tests.servers.servers import Server
from vsctl.agents import relaying

pytestmark = pytest.mark.node

PUB = {"filesystem": "root", "exports": "/pub /pub id=5 192.0.2.0/24=rw"}
TOP = __file__.rpartition("/tests/")[0]
IN_CLIENT = f"""
import json, sys; sys.path.insert(0, {TOP!r})
from vsctl.agents import namespaces; namespaces.enter("client")
from tests.servers.calls import *
A = "192.0.2.11"
"""
WORKER = (
    IN_CLIENT
    + """
path, version = sys.argv[1], int(sys.argv[2])
nfs = Connection(A)
top = mount(A, path)[1]
assert create(nfs, top, f"file{version}") == OK
file = lookup(nfs, top, f"file{version}")[1]
session = Session(nfs, path.encode()) if version == 4 else None
if session:
    file = handle4(nfs, 1, f"{path}/file{version}", (session.sequence(),))[1]
seen, last, gap = {}, time.monotonic(), 0.0
print("works", flush=True)
while select.select([sys.stdin], [], [], 0)[0] == []:
    came = session.do(putfh(file), getattr4()).status if session else write(nfs, file, b"x" * 70000)
    seen[came] = seen.get(came, 0) + 1
    if came == OK:
        gap, last = max(gap, time.monotonic() - last), time.monotonic()
    select.select([sys.stdin], [], [], 0.02)
print(json.dumps([seen, gap]))
"""
)

SESSION = (
    IN_CLIENT
    + """
nfs = Connection(A)
top = mount(A, "/data/projects")[1]
assert create(nfs, top, "a") == OK
session = Session(nfs, b"client")
file = handle4(nfs, 1, "/data/projects/a", (session.sequence(),))[1]
other = handle4(nfs, 1, "/pub", (session.sequence(),))[1]
def look(handle, do=session.do):
    return do(putfh(handle), getattr4()).status
print([look(file)], flush=True)
input()
print([look(file), look(file, session.again), look(file), look(other)], flush=True)
input()
print([look(file), look(other)], flush=True)
"""
)
LATE = (
    IN_CLIENT
    + """
nfs = Connection(A)
file = mount(A, "/data/projects")[1]
def look():
    return status(nfs.call(100003, 3, 1, opaque(file)))
print(look(), flush=True)
for _ in range(3):
    input()
    print(look(), flush=True)
"""
)
TWICE = (
    IN_CLIENT
    + """
lines = []
for address in sys.argv[1:]:
    nfs = Connection(address)
    nfs.line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    nfs.line.settimeout(5)
    nfs.line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    nfs.line.bind(("", 799))
    nfs.line.connect(nfs.where)
    lines.append((nfs, nfs.line))
for _ in range(2):
    print([nfs.call(100003, 3, 0, b"") == b"" and nfs.line is line for nfs, line in lines], flush=True)
    input()
"""
)
RECLAIM = (
    IN_CLIENT
    + """
away, here = map(bytes.fromhex, sys.argv[1:])
locks = Locks(A)
locks.ask(1, away, reclaim=True)
locks.ask(2, here, reclaim=True)
for _ in range(2):
    print(*locks.heard(), flush=True)
"""
)
BY_UDP = (
    IN_CLIENT
    + """
away, here = map(bytes.fromhex, sys.argv[1:])
locks = Locks(A, socket.SOCK_DGRAM)
locks.ask(1, away)
locks.ask(2, here)
print(*locks.heard(), flush=True)
input()
locks.ask(3, away)
print(*locks.heard())
"""
)
REFUSED = (
    IN_CLIENT
    + """
locks = Locks(A)
nfs = Connection(A, patience=60.0)
nfs.line = line = socket.create_connection(nfs.where, nfs.patience)
locks.ask(1, bytes.fromhex(sys.argv[1]))
print("asked", flush=True)
looked = status(nfs.call(100003, 3, 1, opaque(bytes.fromhex(sys.argv[1]))))
print(*locks.heard(), looked, nfs.line is line)
"""
)
FORGOTTEN = """
from vsctl.agents import files, namespaces, relay, relaying
from vsctl.agents.translation import Waited
namespaces.enter("vs1")
with relay.locked("vs1"):
    files.replace(relay.process_file("vs1"), "1 1")
over = relaying.Relay(lambda _: Waited())
assert relaying._is_over("vs1", over)
relaying.Relay(lambda _: Waited())
"""
HELD_BACK = "ip saddr 127.0.0.0/8 tcp sport 2049 ip daddr 192.0.2.100 tcp flags & psh == psh"
CONFIGURED = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config/><nodes/><resources><primitive id="vs1-exp-data" class="ocf" provider="vsctl" type="exports">
<instance_attributes id="i"><nvpair id="s" name="server" value="vs1"/><nvpair id="e" name="exports" value="{}"/></instance_attributes>
</primitive></resources><constraints/></configuration><status/></cib>"""
WITHOUT_IT = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config/><nodes/><resources/><constraints/></configuration><status/></cib>"""


class Worker:
    """A client that writes through an export, or asks for a file's attributes by NFS 4.1, until it is stopped."""

    def __init__(self, vs1, path, version):
        code = f"import sys; sys.argv = ['', {path!r}, '{version}']\nimport select\n{WORKER}"
        self.process = vs1.node.begin_python(code)
        assert self.process.stdout.readline() == "works\n", self.process.stdout.read()

    def stop(self):
        """Return how often it was told which status, and the longest time between two that were OK."""
        said = self.process.communicate("\n")[0]
        seen, gap = json.loads(said.splitlines()[-1])
        return {int(status): count for status, count in seen.items()}, gap


@pytest.fixture
def vs1(node):
    """A server with an export on each of its filesystems, `data` and `root`, that clients reach."""
    vs1 = Server(node, "vs1").start("root", "data", "nfs", "exports")
    assert vs1.do("exports", "start", **PUB).status == 0
    vs1.gate("start")
    return vs1


def ask(vs1, code):
    """Return what an expression comes to in the client's namespace."""
    said = vs1.node.python(f"{IN_CLIENT}\nnfs = Connection(A)\nprint(json.dumps({code}))").said
    return json.loads(said.splitlines()[-1])


def is_relayed(vs1):
    return "vsctl-relay" in vs1.node.run("nft list tables", netns="vs1").said


def relay(vs1):
    """Return the process id of the relay, None if there is none."""
    said = vs1.node.run("cat /run/vsctl/vs1/relay/process", ok=False)
    return int(said.said.split()[0]) if said.status == 0 else None


def test_clients_of_one_filesystem_wait_and_those_of_the_other_go_on(vs1):
    waiting = [Worker(vs1, "/data/projects", version) for version in (3, 4)]
    working = [Worker(vs1, "/pub", version) for version in (3, 4)]
    vs1.stop("exports", "data")
    assert is_free(vs1.parameters["data"]["device"])
    assert vs1.node.agent("gate", "monitor", server="vs1").status == 0
    assert "drop" not in vs1.node.run("nft list table inet vsctl-gate", netns="vs1", ok=False).said
    assert ask(vs1, "[handle4(nfs, 0, each)[0] for each in ('/data/projects', '/pub', '/none')]") == [
        DELAY,
        OK,
        NOENT,
    ]
    vs1.start("data", "exports")
    assert not is_relayed(vs1)
    for each in waiting:
        seen, _ = each.stop()
        assert seen.keys() == {OK, JUKEBOX}, seen
    for each in working:
        seen, gap = each.stop()
        assert seen.keys() == {OK}, seen
        assert gap < 1, "one pause, for its connection to be made anew"
    wait_for(lambda: relay(vs1) is None, "the relay does not end after its last client")
    assert " file3" in vs1.list("/data/projects").said
    vs1.stop("exports", "nfs", "data", "root")


def test_clients_wait_on_the_next_node_and_after_a_restart_too(vs1):
    """What was served before and is not served now is known from the root filesystem."""
    worker = Worker(vs1, "/data/projects", 3)
    vs1.gate("stop")
    vs1.do("exports", "stop", **PUB)
    vs1.stop("exports", "nfs", "data")
    assert relay(vs1) is None, "all is silent: nobody has to be told anything"
    vs1.start("nfs")
    vs1.gate("start")
    assert is_relayed(vs1)
    wait_for(lambda: ask(vs1, "handle4(nfs, 0, '/data/projects')[0]") == DELAY, "it is not waited for")
    vs1.start("data", "exports")
    seen, _ = worker.stop()
    assert seen.keys() <= {OK, JUKEBOX}, seen
    vs1.gate("stop")
    wait_for(
        lambda: relay(vs1) is None or not vs1.node.run("pgrep -f relaying", ok=False).said, "it lives on"
    )


@pytest.mark.parametrize("signal", ["KILL", "STOP"])
def test_a_relay_that_is_dead_or_stuck_is_replaced_and_nobody_is_told_of_a_stale_handle(vs1, signal):
    worker = Worker(vs1, "/data/projects", 3)
    vs1.stop("exports")
    first = relay(vs1)
    vs1.node.run(f"kill -{signal} {first}")
    done = vs1.node.agent("gate", "monitor", server="vs1")
    assert (done.status, "it is started again" in done.said) == (0, True), done.said
    assert relay(vs1) not in (first, None)
    assert vs1.node.agent("gate", "monitor", server="vs1").said.count("it is started again") == 0
    vs1.start("exports")
    seen, _ = worker.stop()
    assert seen.keys() <= {OK, JUKEBOX}, seen


def test_where_there_can_be_no_relay_everybody_waits(vs1):
    """Somebody else has its port: the gate opens for nobody, for a while."""
    vs1.gate("stop")
    vs1.stop("exports")
    code = "import socket, sys; s = socket.create_server(('127.0.0.1', 2050)); print('here', flush=True); sys.stdin.read()"
    squatter = vs1.node.begin(shlex.join(["/usr/bin/python3", "-c", code]), netns="vs1")
    assert squatter.stdout.readline() == "here\n"
    vs1.gate("start")
    assert "vs1-exp-data" in vs1.node.run("ls /run/vsctl/vs1/gate").said
    squatter.communicate()
    vs1.start("exports")
    assert ask(vs1, "handle4(nfs, 0, '/data/projects')[0]") == OK


def test_a_gate_that_starts_waits_once_for_all_that_is_away(vs1):
    """However many filesystems they are: it has twenty seconds."""
    vs1.gate("stop")
    vs1.stop("exports")
    place = "/srv/vsctl/vs1/root/.vsctl/served"
    for number, each in enumerate("abcd"):
        vs1.node.run(f"sh -c 'echo {100 + number} /{each} > {place}/{each}'")
    code = "import socket, sys; s = socket.create_server(('127.0.0.1', 2050)); print('here', flush=True); sys.stdin.read()"
    squatter = vs1.node.begin(shlex.join(["/usr/bin/python3", "-c", code]), netns="vs1")
    assert squatter.stdout.readline() == "here\n"
    vs1.gate("start")
    assert vs1.node.run("ls /run/vsctl/vs1/gate").said.split() == [
        f"vs1-exp-{e}" for e in ("a", "b", "c", "d", "data")
    ]
    assert vs1.node.run("grep -c OSError: /var/log/vsctl/vs1/relay.log").said == "1\n"
    assert vs1.node.run("ls /run/vsctl/vs1/relay/waited").said == ""
    squatter.communicate()
    vs1.gate("stop")
    vs1.gate("start")
    assert len(vs1.node.run("ls /run/vsctl/vs1/relay/waited").said.split()) == 5


def test_who_finds_no_relay_can_begin_one(vs1):
    """The one before listens no more when it is forgotten, though it lives for another moment."""
    vs1.node.python(FORGOTTEN)


def made(vs1, path):
    """Make a file by NFSv3, and return its handle as Python has it."""
    return f"bytes.fromhex({handle(vs1, path)!r})"


def handle(vs1, path):
    """Make a file by NFSv3, and return its handle in hexadecimal digits."""
    top = f"mount(A, {path!r})[1]"
    return ask(vs1, f"(create(nfs, {top}, 'a'), lookup(nfs, {top}, 'a')[1].hex())[1]")


def begin(vs1, code, *arguments):
    return vs1.node.begin_python(f"import sys; sys.argv[1:] = {arguments!r}\n{code}")


def test_a_lock_on_what_is_served_can_be_given_back_meanwhile(vs1):
    """Ganesha knows the owner of a lock by the address that it was asked at, too."""
    handle = made(vs1, "/pub")
    assert ask(vs1, f"lock(A, {handle})") == OK
    vs1.stop("exports")
    assert ask(vs1, f"lock(A, {handle}, owner=b'another')") == DENIED
    assert ask(vs1, f"unlock(A, {handle})") == OK
    assert ask(vs1, f"lock(A, {handle}, owner=b'another')") == OK
    vs1.start("exports")
    assert ask(vs1, f"unlock(A, {handle}, owner=b'another')") == OK
    assert ask(vs1, f"lock(A, {handle})") == OK


def test_who_asks_for_a_lock_on_what_is_away_is_to_ask_again(vs1):
    handle = made(vs1, "/data/projects")
    assert ask(vs1, f"lock(A, {handle})") == OK
    vs1.stop("exports")
    both = f"[lock(A, {handle}, owner=b'another'), unlock(A, {handle})]"
    assert ask(vs1, both) == [LOCK_LATER, LOCK_LATER]
    vs1.start("exports")
    assert ask(vs1, both) == [OK, OK]


@pytest.mark.parametrize("own", [relaying.OF_LOCKS.start, 40000])
def test_no_port_of_a_client_is_in_the_way_of_its_locks(vs1, own):
    """The kernel has one port for those that ask for any, and it is the client's."""
    handle = made(vs1, "/pub")
    vs1.stop("exports")
    vs1.node.run("sysctl -qw net.ipv4.ip_local_port_range='40000 40000'", netns="vs1")
    assert ask(vs1, f"lock(A, {handle}, own={own})") == OK


def test_locks_by_ipv6_pass_too(vs1):
    assert vs1.do("exports", "reload-agent", filesystem="root", exports="/pub /pub id=5 *=rw").status == 0
    vs1.node.run("ip -n vs1 address add 2001:db8::11/64 dev node nodad")
    vs1.node.run("ip -n client address add 2001:db8::100/64 dev c-vs1 nodad")
    mine = made(vs1, "/pub")
    vs1.stop("exports")
    assert is_relayed(vs1)
    assert ask(vs1, f"lock('2001:db8::11', {mine})") == OK


def test_that_nobody_listens_is_told_to_the_relay_and_not_to_a_client(vs1):
    """Ganesha is dead for as long as nobody has found out: its client waits, on the same connection."""
    mine = handle(vs1, "/pub")
    vs1.stop("exports")
    for line in (
        "table inet seen",
        "chain inet seen output { type filter hook output priority 0; }",
        "rule inet seen output oifname != lo tcp sport 32803 tcp flags & rst == rst counter",
        "rule inet seen output oifname lo tcp sport 32803 tcp flags & rst == rst counter",
    ):
        vs1.node.run(f"nft 'add {line}'", netns="vs1")
    vs1.kill("ganesha")
    client = begin(vs1, REFUSED, mine)
    assert client.stdout.readline() == "asked\n"
    resets = lambda: re.findall(r"packets (\d+)", vs1.node.run("nft list table inet seen", netns="vs1").said)  # noqa: E731
    wait_for(lambda: resets() != ["0", "0"], "nobody is told that nobody listens")
    vs1.stop("nfs").start("nfs")
    assert vs1.do("exports", "start", **PUB).status == 0
    assert client.communicate()[0] == f"1 {OK} {OK} True\n"
    assert resets()[0] == "0"
    for family in ("ipv4", "ipv6"):
        assert vs1.node.run(f"sysctl -n net.{family}.fwmark_reflect").said == "0\n", (
            "the node's own is as it was"
        )


def test_who_reclaims_a_lock_on_what_is_away_gets_it_when_it_is_back(vs1):
    """A client asks for it once; its locks on what is served come after those in its list."""
    handles = [handle(vs1, path) for path in ("/data/projects", "/pub")]
    for each in handles:
        assert ask(vs1, f"lock(A, bytes.fromhex({each!r}))") == OK
    vs1.gate("stop")
    assert vs1.do("exports", "stop", **PUB).status == 0
    vs1.stop("exports", "nfs")
    assert vs1.do("nfs", "start", grace="180").status == 0
    assert vs1.do("exports", "start", **PUB).status == 0
    vs1.gate("start")
    assert is_relayed(vs1)
    client = begin(vs1, RECLAIM, *handles)
    assert client.stdout.readline() == f"2 {OK}\n"
    vs1.start("exports")
    assert client.communicate()[0] == f"1 {OK}\n"


def test_who_locks_by_udp_what_is_away_is_not_answered(vs1):
    handles = [handle(vs1, path) for path in ("/data/projects", "/pub")]
    vs1.stop("exports")
    client = begin(vs1, BY_UDP, *handles)
    assert client.stdout.readline() == f"2 {OK}\n"
    vs1.start("exports")
    assert client.communicate("\n")[0] == f"3 {OK}\n"


def test_mounts_of_it_wait_and_its_client_list_holds(vs1):
    vs1.stop("exports")
    mounting = vs1.node.begin_python(IN_CLIENT + "print(mount(A, '/data/projects')[0], mount(A, '/pub')[0])")
    only = "/pub /pub id=5 198.51.100.0/24=rw"
    assert vs1.do("exports", "reload-agent", filesystem="root", exports=only).status == 0
    assert ask(vs1, "mount(A, '/pub')[0]") == 13, "Ganesha sees the client, not the relay"
    vs1.start("exports")
    assert mounting.communicate()[0].startswith("0 "), "the mount went on when the export was back"


def test_a_session_goes_on_with_its_slot(vs1):
    session = vs1.node.begin_python(SESSION)
    assert session.stdout.readline() == "[0]\n"
    vs1.stop("exports")
    session.stdin.write("\n")
    session.stdin.flush()
    assert session.stdout.readline() == f"[{DELAY}, {DELAY}, {DELAY}, 0]\n", (
        "the second is the first, sent again"
    )
    vs1.start("exports")
    assert session.communicate("\n")[0] == "[0, 0]\n"


def test_what_was_asked_before_it_was_back_is_not_said_to_be_stale(vs1):
    """Ganesha has answered before, and the answer comes through only afterwards."""
    client = vs1.node.begin_python(LATE)
    assert client.stdout.readline() == "0\n"
    vs1.stop("exports")

    def ask_now():
        client.stdin.write("\n")
        client.stdin.flush()

    ask_now()
    assert client.stdout.readline() == f"{JUKEBOX}\n"
    for line in (
        "add table inet held",
        "add chain inet held output { type filter hook output priority 0; }",
        f"add rule inet held output {HELD_BACK} counter drop",
    ):
        vs1.node.run(f"nft '{line}'", netns="vs1")
    ask_now()
    held = lambda: "packets 0 " not in vs1.node.run("nft list table inet held", netns="vs1").said  # noqa: E731
    wait_for(held, "Ganesha does not answer")
    vs1.start("exports")
    vs1.node.run("nft delete table inet held", netns="vs1")
    assert client.stdout.readline() == f"{JUKEBOX}\n"
    ask_now()
    assert client.communicate()[0] == "0\n"


@pytest.mark.parametrize("addresses", [("192.0.2.11", "192.0.2.13"), ("2001:db8::11", "2001:db8::13")])
def test_one_port_of_a_client_may_be_used_to_two_addresses(vs1, addresses):
    for each in ("2001:db8::11/64", "2001:db8::13/64", "192.0.2.13/32"):
        vs1.node.run(f"ip -n vs1 address add {each} dev node{' nodad' if ':' in each else ''}")
    vs1.node.run("ip -n client address add 2001:db8::100/64 dev c-vs1 nodad")
    vs1.node.run("ip -n client route add 192.0.2.13 dev c-vs1 src 192.0.2.100")
    vs1.stop("exports")
    assert is_relayed(vs1)
    client = vs1.node.begin_python(f"import sys; sys.argv[1:] = {addresses!r}\n{TWICE}")
    assert client.stdout.readline() == "[True, True]\n"
    listed = "from vsctl.agents import connections as c; print(*c.established('vs1'), sep='\\n')"
    mine = [each.split()[0] for each in vs1.node.python(listed).said.splitlines() if each.endswith(" 799")]
    assert mine == list(addresses), "only what a client is connected to"
    assert client.communicate("\n\n")[0] == "[True, True]\n"


def test_an_export_that_is_taken_out_meanwhile_is_not_waited_for_with_the_others(vs1, tmp_path, monkeypatch):
    one = "/projects /data/projects id=4660 192.0.2.0/24=rw"
    both = f"{one};/home /data/home id=4661 192.0.2.0/24=rw"
    assert vs1.do("exports", "reload-agent", exports=both).status == 0
    handles = [ask(vs1, f"mount(A, '/data/{each}')[1].hex()") for each in ("projects", "home")]
    later = f"[status(nfs.call(100003, 3, 1, opaque(bytes.fromhex(each)))) for each in {handles}]"
    assert vs1.do("exports", "stop", exports=both).status == 0
    (tmp_path / "cib.xml").write_text(CONFIGURED.format(both))
    monkeypatch.setenv("CIB_file", str(tmp_path / "cib.xml"))
    assert vs1.node.agent("gate", "monitor", server="vs1").said == ""
    assert ask(vs1, later) == [JUKEBOX, JUKEBOX]
    (tmp_path / "cib.xml").write_text(CONFIGURED.format(one))
    said = vs1.node.agent("gate", "monitor", server="vs1").said
    assert "/data/home of vs1 is not to be exported any more" in said
    assert "/data/projects of" not in said
    assert ask(vs1, later) == [JUKEBOX, STALE]
    assert ask(vs1, "mount(A, '/data/home')[0]") == 13
    vs1.gate("stop")
    vs1.gate("start")
    assert ask(vs1, later) == [JUKEBOX, STALE]


def test_an_export_that_is_given_up_is_not_waited_for(vs1, tmp_path, monkeypatch):
    vs1.stop("exports")
    assert ask(vs1, "handle4(nfs, 0, '/data/projects')[0]") == DELAY
    (tmp_path / "cib.xml").write_text(WITHOUT_IT)
    monkeypatch.setenv("CIB_file", str(tmp_path / "cib.xml"))
    done = vs1.node.agent("gate", "monitor", server="vs1")
    assert (done.status, "not to be exported any more" in done.said) == (0, True), done.said
    assert not is_relayed(vs1)
    assert ask(vs1, "handle4(nfs, 0, '/data/projects')[0]") == NOENT
    vs1.gate("stop")
    vs1.gate("start")
    assert not is_relayed(vs1)
