"""What do others make of the same uneven clusters: an exact solver, Ganeti's hbal, and Pacemaker's own `balanced`?

hbal (Debian's ganeti-htools) gets the loads as utilisation, moves whatever it
likes wherever it likes but what is pinned: it knows neither allowed nodes nor
our limit, and goes on until nothing gains anything. Pacemaker gets one resource
for each server, with a utilization, a ban for every node that is not allowed
and no stickiness but that of the pinned.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from tests.bench import exact
from tests.bench.placed import EXACT, OURS, Answer, answer
from tests.bench.table import Row, Table
from tests.bench.uneven import CLASSES, KINDS, case, fullest, moves, sort
from tests.bench.usage import used
from vsctl.policy.demands import Demand, Supply

Class = tuple[int, int, float]
USUAL = tuple(each for each in CLASSES if each[2] == 0.10)
FINE = 1000
"""Loads as whole numbers, which is what Pacemaker counts in."""
MOST = 120
"""CPU seconds after which another program is ended."""

Peer = Callable[[Sequence[Demand], Sequence[Supply]], Answer]
Sorted = Callable[[int, int, float, int], Answer]
"""What makes of a cluster of a class, and a number for its dice, what it makes of it."""


def hbal(demands: Sequence[Demand], supplies: Sequence[Supply]) -> Answer:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cluster").write_text(_text(demands, supplies))
        lines = (" ".join((each.server, *_shares(each, supplies), "0.0")) for each in demands)
        (folder / "load").write_text("\n".join(lines) + "\n")
        words = [
            "hbal",
            "--text-data",
            "cluster",
            "--dynu-file",
            "load",
            "--save",
            "after",
            "--quiet",
            "--quiet",
        ]
        _, seconds, memory = used(words, folder, MOST)
        (saved,) = folder.glob("after*.balanced")
        _, _, instances, *_ = saved.read_text().split("\n\n")
    fields = [line.split("|") for line in instances.splitlines() if line]
    return Answer({each[0]: each[6] for each in fields}, seconds, memory)


def _shares(demand: Demand, supplies: Sequence[Supply]) -> list[str]:
    """Return what a server needs, cpu, memory and disk in hbal's words, as parts of a node."""
    return [f"{load / most:.6f}" for load, most in zip(demand.load, supplies[0].capacity, strict=True)]


def _text(demands: Sequence[Demand], supplies: Sequence[Supply]) -> str:
    """Return a cluster in hbal's text format (its htools/Ganeti/HTools/Backend/Text.hs)."""
    group = "group|11111111-1111-1111-1111-111111111111|preferred||"
    counts = {each.node: sum(one.here == each.node for one in demands) for each in supplies}
    nodes = [
        f"{each.node}|1000000|0|{1000000 - counts[each.node]}|1000000|1000000|1000|N|{group.split('|')[1]}|1||N|0|0|1.0"
        for each in supplies
    ]
    instances = [
        f"{each.server}|1|0|1|running|{'N' if each.pinned else 'Y'}|{each.here}||ext||0|-" for each in demands
    ]
    spec = "0,0,0,0,0,0"
    top = "1000000,1000000,1000000,1000000,1000000,1000000"
    policy = f"|{spec}|{spec};{top}|ext|1000000.0|1000000.0"
    return "\n\n".join((group, "\n".join(nodes), "\n".join(instances), "", policy)) + "\n"


def balanced(demands: Sequence[Demand], supplies: Sequence[Supply]) -> Answer:
    """Return what the scheduler decides; playing it through would take it minutes."""
    with TemporaryDirectory() as name:
        (Path(name) / "cib.xml").write_bytes(_cib(demands, supplies))
        words = ["crm_simulate", "--run", "--xml-file", "cib.xml", "--output-as", "xml"]
        said, seconds, memory = used(words, Path(name), MOST)
    where = {each.server: str(each.here) for each in demands}
    for action in etree.fromstring(said).iterfind("actions/rsc_action"):
        server = action.get("resource", "")
        if action.get("action") == "Stop":
            del where[server]
        elif action.get("dest"):
            where[server] = action.get("dest", "")
    return Answer(where, seconds, memory)


def _cib(demands: Sequence[Demand], supplies: Sequence[Supply]) -> bytes:
    empty = subprocess.run(["cibadmin", "--empty"], capture_output=True, check=True).stdout
    cib = etree.fromstring(empty)
    cib.set("have-quorum", "1")
    cib.set("dc-uuid", "1")
    cib.set("validate-with", "none")
    parts = {
        each: cib.find(f"configuration/{each}")
        for each in ("crm_config", "nodes", "resources", "constraints")
    }
    status = cib.find("status")
    config, nodes, resources, constraints = (part for part in parts.values() if part is not None)
    assert status is not None
    options = etree.SubElement(config, "cluster_property_set", id="options")
    for key, value in (("stonith-enabled", "false"), ("placement-strategy", "balanced")):
        etree.SubElement(options, "nvpair", id=key, name=key, value=value)
    histories = {}
    for number, supply in enumerate(supplies, 1):
        node = etree.SubElement(nodes, "node", id=str(number), uname=supply.node)
        _utilization(node, supply.node, supply.capacity)
        up = {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"}
        state = etree.SubElement(status, "node_state", id=str(number), uname=supply.node, **up)
        lrm = etree.SubElement(state, "lrm", id=str(number))
        histories[supply.node] = etree.SubElement(lrm, "lrm_resources")
    kind = {"class": "ocf", "provider": "pacemaker", "type": "Dummy"}
    for demand in demands:
        primitive = etree.SubElement(resources, "primitive", {"id": demand.server, **kind})
        meta = etree.SubElement(primitive, "meta_attributes", id=f"{demand.server}-meta")
        sticks = "INFINITY" if demand.pinned else "0"
        etree.SubElement(meta, "nvpair", id=f"{demand.server}-s", name="resource-stickiness", value=sticks)
        _utilization(primitive, demand.server, demand.load)
        for node in histories:
            if node not in demand.nodes and node != demand.here:
                ban = {
                    "id": f"{demand.server}.{node}",
                    "rsc": demand.server,
                    "node": node,
                    "score": "-INFINITY",
                }
                etree.SubElement(constraints, "rsc_location", ban)
        entry = etree.SubElement(histories[str(demand.here)], "lrm_resource", {"id": demand.server, **kind})
        started = {
            "id": f"{demand.server}_last_0",
            "operation_key": f"{demand.server}_start_0",
            "operation": "start",
            "transition-key": "1:0:0:00000000-0000-0000-0000-000000000000",
            "transition-magic": "0:0;1:0:0:00000000-0000-0000-0000-000000000000",
            "call-id": "1",
            "rc-code": "0",
            "op-status": "0",
            "interval": "0",
            "op-digest": "f2317cad3d54cec5d7d7aa7d0bf35cf8",
        }
        etree.SubElement(entry, "lrm_rsc_op", started)
    return etree.tostring(cib)


def _utilization(of: etree._Element, name: str, amounts: Sequence[float]) -> None:
    holder = etree.SubElement(of, "utilization", id=f"{name}-u")
    for kind, amount in zip(KINDS, amounts, strict=True):
        pair = {"id": f"{name}-u-{kind}", "name": kind, "value": str(round(amount * FINE))}
        etree.SubElement(holder, "nvpair", pair)


def alone(peer: Peer) -> Sorted:
    """Return somebody who looks at a cluster once, since a limit means nothing to it."""

    @cache
    def look(servers: int, nodes: int, seed: int) -> Answer:
        try:
            return peer(*case(servers, nodes, seed))
        except TimeoutError:
            return Answer(None, inf, inf)

    return lambda servers, nodes, _, seed: look(servers, nodes, seed)


PEERS: tuple[tuple[str, str, tuple[Class, ...], Sorted], ...] = (
    ("exact", sys.executable, CLASSES, partial(answer, EXACT)),
    ("hbal", "hbal", USUAL, alone(hbal)),
    ("balanced", "crm_simulate", USUAL, alone(balanced)),
)


def measure(trials: int) -> Table:
    return Table(
        "Placement beside others: from spread by counts to even by load",
        "vsctl",
        "the other",
        tuple(
            row
            for name, program, sorts, peer in PEERS
            if shutil.which(program)
            for one in sorts
            for row in _rows(name, one, peer, trials)
        ),
        (
            "Ours until no node is fuller than so much above the best possible; max is the fullest",
            "node then, in parts of that best. exact: CP-SAT looks for the fewest moves to that",
            f"limit for {exact.SECONDS} s. hbal knows no allowed nodes, and neither it nor `balanced` a limit.",
            f"never: it found nothing, or was ended after {MOST} s of CPU.",
        ),
    )


def _rows(name: str, one: Class, peer: Sorted, trials: int) -> Iterator[Row]:
    seeds = range(1, trials + 1)
    ours, theirs = ([look(*one, seed) for seed in seeds] for look in (partial(answer, OURS), peer))
    cases = [case(*one[:2], seed) for seed in seeds]
    bests = [each.best for each in ours]
    what = f"{sort(*one)} {name}"
    for title, figure in (
        ("moves", lambda it, of, _: inf if it.where is None else float(moves(of, it.where))),
        ("max", lambda it, of, best: inf if it.where is None else fullest(of, it.where) / best),
        ("CPU s", lambda it, *_: it.seconds),
        ("MiB", lambda it, *_: it.memory),
    ):
        mine, others = (tuple(map(figure, side, cases, bests)) for side in (ours, theirs))
        yield Row(what, title, mine, others)
    stopped = tuple(float(one[0] - len(each.where or ())) for each in theirs if each.where is not None)
    if any(stopped):
        yield Row(what, "stopped", tuple(0.0 for _ in stopped), stopped)
