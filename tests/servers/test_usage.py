"""What the node daemon sees that servers use, while real clients read, write and lock."""

import json

import pytest

from tests.lab.place import CHECKOUT
from tests.servers.servers import Server

pytestmark = pytest.mark.node

SEE = """
import json, time
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import usage
found = usage.of_servers(Netlink(), SERVERS, {"vs1": 7}, time.monotonic())
print(json.dumps({
    server: {
        "operations": sum(each.operations for each in sample.processes.values()),
        "cpu": sum(each.cpu for each in sample.processes.values()),
        "memory": sample.memory,
        "network": sum(sample.network.values()),
        "disk": sum(sample.disk.values()),
        "disks": len(sample.disk),
        "clients": sample.clients,
        "locks": sample.locks,
    }
    for server, sample in found.items()
}))
"""
CLIENT = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from tests.lab.clients import nlm
from tests.lab.clients.nfs3 import Mounted
from tests.lab.clients.rpc import Transport
export = Mounted("192.0.2.11", "/data/projects")
file = export.create("a")
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    export.write(file, 4096 * number, bytes(4096))
    export.read(file, 4096 * number, 4096)
    export.getattr(file)
locks = Transport("192.0.2.11", 32803, lambda *_, **__: None)
assert nlm.lock(locks, file, reclaim=False) == nlm.GRANTED
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def servers(node):
    found = [Server(node, name).start("root", "data", "nfs", "smb") for name in ("vs1", "vs2")]
    found[0].add_user("alice", "secret")
    found[0].start("exports", "shares").gate("start")
    for each in found:  # the client's side of the pair becomes the node's: both are in one place here
        node.run(f"ip -n client link set c-{each.name} name v-{each.name} netns 1")
        node.run(f"ip link set v-{each.name} up")
        node.run(f"ip addr add 192.0.2.100/32 dev v-{each.name}")
        node.run(f"ip route add {each.address} dev v-{each.name} src 192.0.2.100")
    return found


def see(node):
    return json.loads(node.python(SEE.replace("SERVERS", "['vs1', 'vs2', 'leaving']")).said)


def test_reads_writes_and_locks_are_those_of_clients(servers, node, tmp_path):
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    client = node.begin(f"/usr/bin/python3 {script}")
    assert client.stdout.readline() == "ready\n"
    before = see(node)
    client.stdin.write("\n")
    client.stdin.flush()
    assert client.stdout.readline() == "done\n"
    after = see(node)
    grown = {kind: after["vs1"][kind] - before["vs1"][kind] for kind in after["vs1"]}
    assert 200 <= grown["operations"] < 220, "what asks for attributes reads and writes nothing"
    assert grown["locks"] == 1
    assert grown["network"] > 2 * 100 * 4096
    assert grown["disk"] >= 100 * 4096, "each write was committed"
    assert after["vs1"]["disks"] == 2
    assert after["vs1"]["clients"] == 7
    assert after["vs1"]["memory"] > 1 << 20
    assert before["vs1"]["locks"] == 0, "the locks of Samba's own databases are nobody's business"
    others = {kind: after["vs2"][kind] - before["vs2"][kind] for kind in after["vs2"]}
    assert (others["operations"], others["locks"]) == (0, 0)
    assert others["network"] < 4096, "neighbours are looked for"
    assert others["disk"] < 20 * 4096, "the kernel writes its journal back"
    assert "leaving" not in after, "what is not there has no load"


def test_what_a_connection_has_used_is_its_servers(servers, node, tmp_path):
    """smbd has a process for each connection, which is gone when somebody looks."""
    file = tmp_path / "file"
    file.write_bytes(bytes(16 << 20))
    before = see(node)["vs1"]
    node.run(f"smbclient //{servers[0].address}/projects -U alice%secret -c 'put {file} file'")
    after = see(node)["vs1"]
    assert after["operations"] == before["operations"], "it is told from the monitors' by how long it lasts"
    assert after["cpu"] > before["cpu"]
    assert after["network"] - before["network"] > 16 << 20
