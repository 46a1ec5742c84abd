"""What do limited candidates save where a cluster is big?

Synthetic clusters, each server with all of its resources: two filesystems, NFS,
SMB, an address. All have run for a while: on every node on which Pacemaker ever looked for a
resource there is a line about it. Then a node dies, and the scheduler is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_interface, ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from tests.bench.table import Row, Table
from tests.bench.usage import used
from vsctl.cib_templates import stored
from vsctl.cli import configuration, history
from vsctl.cli.history import Action
from vsctl.policy import naming
from vsctl.policy.model import (
    Access,
    Cluster,
    FenceDevice,
    Fencing,
    Filesystem,
    NfsClient,
    NfsExport,
    Node,
    Policy,
    Port,
    SmbShare,
    StorageUnit,
    Subnet,
    VirtualServer,
)

CLASSES = ((100, 8), (500, 16), (500, 32))
CANDIDATES = (3, 6)
DIED = "n1"


def cluster(servers: int, nodes: int, candidates: int | None) -> Cluster:
    names = tuple(f"n{number}" for number in range(1, nodes + 1))
    anybody = (NfsClient("192.0.2.0/24", Access.READ_WRITE),)
    networks = ip_network("10.0.0.0/16"), ip_network("10.1.0.0/16")
    return Cluster(
        "scale",
        tuple(Subnet(f"lan-{at}", (each,), (each[1],)) for at, each in zip("ab", networks, strict=True)),
        (StorageUnit("san1", names), StorageUnit("san2", names)),
        tuple(
            Node(each, (Port("e0a", "lan-a"), Port("e0b", "lan-a"), Port("e1a", "lan-b"))) for each in names
        ),
        tuple(
            VirtualServer(
                name,
                (ip_interface(f"{networks[number % 2][256 + number]}/16"),),
                (
                    Filesystem("root", f"/dev/disk/by-id/{name}-root", "xfs", unit),
                    Filesystem(
                        "data",
                        f"/dev/disk/by-id/{name}-data",
                        "xfs",
                        unit,
                        exports=(NfsExport("/srv", "/data/srv", number + 1, anybody),),
                        shares=(SmbShare("data", "/srv", ("@staff",)),),
                    ),
                ),
                names,
                priority=number % 5,
            )
            for number in range(servers)
            for name, unit in [(f"vs{number}", f"san{1 + number % 2}")]
        ),
        tuple(Fencing(each, ((FenceDevice("fence_ipmilan", (("ip", "203.0.113.1"),)),),)) for each in names),
        Policy(candidates=candidates),
    )


def measure(trials: int) -> Table:
    return Table(
        f"Scale: {DIED} of a big cluster dies, and the scheduler is asked once",
        "few candidates",
        "all of them",
        tuple(row for sort in CLASSES for row in _rows(*sort, trials)),
        (
            "CPU s of the scheduler's work alone (crm_simulate --profile, no schema), MiB of the whole program.",
            f"Few: {', '.join(map(str, CANDIDATES))} of the nodes for each virtual server; eleven resources each.",
        ),
    )


def _rows(servers: int, nodes: int, trials: int) -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        all_of_them = _asked(Path(folder), servers, nodes, None, trials)
        for candidates in CANDIDATES:
            ours = _asked(Path(folder), servers, nodes, candidates, trials)
            what = f"{servers}/{nodes} {candidates} of them"
            for unit, mine, theirs in zip(("CPU s", "MiB", "MB of CIB"), ours, all_of_them, strict=True):
                yield Row(what, unit, mine, theirs, "<= 0.25" if unit == "CPU s" and servers >= 500 else "")


def _asked(
    folder: Path, servers: int, nodes: int, candidates: int | None, trials: int
) -> tuple[tuple[float, ...], ...]:
    """Return, for each trial, CPU seconds and memory of the scheduler, and the size of what it reads."""
    cib = died(lived_in(cluster(servers, nodes, candidates)))
    (folder / "given").mkdir(exist_ok=True)
    (folder / "given" / "cib.xml").write_bytes(cib)
    seconds, memory = [], []
    for _ in range(trials):
        said, _, mebibytes = used(("crm_simulate", "--profile", "given"), folder)
        found = re.search(rb"([0-9.]+) secs", said)
        assert found is not None, said
        seconds.append(float(found[1]))
        memory.append(mebibytes)
    return tuple(seconds), tuple(memory), (len(cib) / 1e6,)


def lived_in(of: Cluster) -> bytes:
    """Return the CIB of a cluster in which everything runs where it belongs, and was looked for before."""
    cib = configuration.fresh(of)
    tree = etree.fromstring(cib)
    first, lists = stored.placed(tree), stored.candidates(tree)
    everywhere = tuple(each.name for each in of.nodes)
    starts, looked = [], {}
    for server in of.servers:
        subnets = [each.name for each in of.subnets_of(server)]
        for part in naming.of_server(server, subnets)[1:]:
            looked[part] = lists.get(server.name, everywhere)
        starts += [Action("start", each, first[server.name]) for each in naming.primitives_of(of, server)]
    for number, node in enumerate(everywhere):
        starts.append(Action("start", naming.DAEMON, node))
        starts.append(Action("start", f"fence-{node}", everywhere[number - 1]))
    tree = etree.fromstring(history.done(cib, starts, ()))
    primitives = {each.get("id"): each for each in tree.iterfind("configuration/resources//primitive")}
    for state in tree.iterfind("status/node_state"):
        held = state.find("lrm/lrm_resources")
        assert held is not None
        there = {each.get("id") for each in held}
        for part, nodes in looked.items():
            if state.get("uname") in nodes and part not in there:
                _not_found(held, part, primitives[part])
    return etree.tostring(tree)


def died(cib: bytes) -> bytes:
    """Return a CIB in which a node has just been lost, and nobody has done anything about it yet."""
    tree = etree.fromstring(cib)
    tree.set("validate-with", "none")
    for state in tree.iterfind(f"status/node_state[@uname='{DIED}']"):
        state.attrib.update({"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "member"})
    return etree.tostring(tree)


def _not_found(held: etree._Element, part: str, primitive: etree._Element) -> None:
    """Write down that a resource was looked for and does not run."""
    kind = {each: primitive.get(each, "") for each in ("class", "provider", "type")}
    key = "1:0:7:00000000-0000-0000-0000-000000000000"
    etree.SubElement(
        etree.SubElement(held, "lrm_resource", {"id": part, **kind}),
        "lrm_rsc_op",
        {
            "id": f"{part}_last_0",
            "operation_key": f"{part}_monitor_0",
            "operation": "monitor",
            "transition-key": key,
            "transition-magic": f"0:7;{key}",
            "call-id": "1",
            "rc-code": "7",
            "op-status": "0",
            "interval": "0",
            "op-digest": history.digest(primitive),
        },
    )
