"""How much slower is a virtual server's address than one directly on the port?

A TCP stream from a client, through the switch, to a sink in the virtual
server's namespace and to the same sink on the node's own address, in turn. The
peer's figures are the direct ones. Then the same with a flow table (nftables'
software offload) in the node: `docs/decisions/0005-flow-table.md`.
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict

from tests.bench.sides import HERE, lab_name
from tests.bench.table import Row, Table
from tests.lab.lab import Lab
from tests.lab.machine import Machine

SECONDS = 4.0
SINK_PORT = 5201
DIRECT, SERVER = "192.0.2.101", "192.0.2.12"

_SINK = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
room = bytearray(1 << 20)
while True:
    connection, _ = listener.accept()
    with connection:
        while connection.recv_into(room):
            pass
        connection.sendall(b"all")
"""

# All has arrived when the sink says so: what is only in a buffer does not count.
_SOURCE = """
import socket, sys, time
host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
data, sent = bytes(1 << 20), 0
with socket.create_connection((host, port)) as connection:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        connection.sendall(data)
        sent += len(data)
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(3) == b"all"
    print(sent * 8 / (time.monotonic() - began) / 1e9)
"""

FLOW_TABLE = """
table inet vsctl-bench {{
  flowtable fast {{ hook ingress priority filter; devices = {{ e0a, {inside} }}; }}
  chain forward {{
    type filter hook forward priority filter - 1; policy accept;
    ip protocol tcp flow add @fast
  }}
}}
"""


def measure(trials: int) -> Table:
    values: dict[str, list[float]] = defaultdict(list)
    with Lab(2, name=lab_name()) as lab:
        node, client = lab.node("n1"), lab.client("c1")
        lab.disk("vs2")
        node.run(["vsctl", "apply", "--wait", _cluster_file(node)], timeout=180)
        lab.wait(lambda: lab.where("vs2-gate") == "n1", "vs2 is open on n1", 60)
        sinks = [
            _sink(node, DIRECT, []),
            _sink(node, SERVER, ["ip", "netns", "exec", "vs2"]),
        ]
        inside = _inside(node)
        flow_table = FLOW_TABLE.format(inside=inside)
        known = node.run(["nft", "--check", "-f", "-"], input=flow_table, check=False).returncode == 0
        for _ in range(trials):
            for what, table in (("plain", ""), *((("flow table", flow_table),) if known else ())):
                if table:
                    node.run(["nft", "-f", "-"], input=table)
                for where, host in (("server", SERVER), ("direct", DIRECT)):
                    source = [sys.executable, "-IS", "-c", _SOURCE, host, str(SINK_PORT), str(SECONDS)]
                    values[f"{where} {what}"].append(float(client.run(source).stdout))
                if table:
                    node.run(["nft", "delete", "table", "inet", "vsctl-bench"])
        for each in sinks:
            each.kill()
            each.wait()
        lab.check()
    return Table(
        "Throughput of one TCP stream into a virtual server",
        "virtual server",
        "on the port",
        tuple(
            Row(what, "Gbit/s", tuple(values[f"server {what}"]), tuple(values[f"direct {what}"]), target)
            for what, target in (("plain", ">= 0.95"), *((("flow table", ">= 0.95"),) if known else ()))
        ),
        (
            "Sender, switch, node and receiver share this machine's cores.",
            *(() if known else ("This kernel has no flow tables (CONFIG_NF_FLOW_TABLE).",)),
        ),
    )


def _cluster_file(node: Machine) -> str:
    """Write the measured cluster with vs2 alone, on two nodes; return where."""
    whole = (HERE / "ours.yaml").read_text()
    head, _, servers = whole.partition("virtual_servers:\n")
    second = servers.partition("  vs2:\n")[2].partition("  vs3:\n")[0]
    lines = [each for each in head.splitlines() if not each.startswith("  n3:")]
    node.write("/root/one.yaml", "\n".join(lines) + "\nvirtual_servers:\n  vs2:\n" + second)
    return "/root/one.yaml"


def _sink(node: Machine, address: str, where: list[str]) -> subprocess.Popen[str]:
    process = node.popen(
        [*where, sys.executable, "-IS", "-c", _SINK, address, str(SINK_PORT)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def _inside(node: Machine) -> str:
    """Return the node's side of the server's veth pair."""
    links = node.run(["ip", "-o", "link", "show", "type", "veth"]).stdout
    return next(line.split()[1].partition("@")[0] for line in links.splitlines() if " v-vs2" in line)
