"""How long does the CIB of a cluster take to accept what evening out the load writes?

A synthetic cluster in which everything has run for a while (`scale`), schema and all, is held by
Pacemaker's CIB manager alone (`manager`). It gets what `vsctl rebalance --apply` writes, the way that
writes it: the first wave, for which the order of nodes of nearly every server changes, and the end
of the last one, after which what has moved sticks again.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from tests.bench.scale import cluster, lived_in
from tests.bench.table import Row, Table
from tests.bench.uneven import KINDS
from tests.lab.place import CHECKOUT
from vsctl.cib_templates import stored
from vsctl.cli import configuration, rebalancing
from vsctl.cli.configuration import Applied
from vsctl.cli.situation import Situation
from vsctl.policy.balanced import Balanced
from vsctl.policy.demands import Demand, Supply
from vsctl.policy.hand import NO_HAND
from vsctl.policy.model import Cluster

CLASSES = ((20, 4), (100, 8))
"""Larger ones take longer than anybody waits (`docs/decisions/0055-what-is-said-to-the-cib.md`); 1 s at 500/16 is wanted."""
CHANGES = ("first wave", "end")
"""The files between which they are: 0 to 1, and 1 to 2."""
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")


def measure(trials: int) -> Table:
    return Table(
        "A rebalance reaches the CIB",
        "vsctl",
        "",
        tuple(row for sort in CLASSES for row in _rows(*sort, trials)),
        (
            "CIB: CPU of Pacemaker's CIB manager, from the request to its answer; vsctl: all of it by",
            "the clock, from the two CIBs on.",
        ),
    )


def _rows(servers: int, nodes: int, trials: int) -> Iterator[Row]:
    of = cluster(servers, nodes, None)
    with TemporaryDirectory(prefix="vsctl-bench-") as name:
        folder = Path(name)
        for number, cib in enumerate(states(of, lived_in(of))):
            (folder / f"{number}.xml").write_bytes(cib)
        size = (folder / "0.xml").stat().st_size / 1e6
        values = _asked(folder, trials)
    yield Row(f"{servers}/{nodes} CIB", "MB", (size,))
    for change, trial in zip(CHANGES, zip(*values, strict=True), strict=True):
        for what, unit, target in (("said", "kB", ""), ("CIB", "CPU s", "<= 1"), ("vsctl", "s", "")):
            figures = tuple(each[what] for each in trial)
            yield Row(f"{servers}/{nodes} {change}, {what}", unit, figures, (), target)


def _asked(folder: Path, trials: int) -> list[list[dict[str, float]]]:
    """Return, for each trial, what each change has cost."""
    program = [sys.executable, "-m", "tests.bench.manager", str(folder), str(len(CHANGES)), str(trials)]
    done = subprocess.run(
        ["unshare", *NAMESPACES, "--", *program], cwd=CHECKOUT, stdout=subprocess.PIPE, check=True
    )
    found: list[list[dict[str, float]]] = json.loads(done.stdout)
    return found


def states(of: Cluster, cib: bytes) -> tuple[bytes, ...]:
    """Return the CIB before the load was ever evened out, in the first wave of that, and after it."""
    applied = Applied(cib, of, NO_HAND)
    known = stored.preferences(etree.fromstring(cib))
    names, dice = tuple(each.name for each in of.nodes), random.Random(1)
    demands = tuple(
        Demand(server, tuple(dice.lognormvariate(0, 0.7) for _ in KINDS), names, order[0])
        for server, order in known.items()
    )
    capacity = tuple(
        sum(each.load[kind] for each in demands) / len(names) / 0.8 for kind in range(len(KINDS))
    )
    supplies = tuple(Supply(each, capacity) for each in names)
    now = Situation(demands, supplies, KINDS, (), frozenset(), dict.fromkeys(known, names))
    targets = {each.server: each.target for each in rebalancing.plan(of, now, known).waves[0]}
    ranks = rebalancing.ranks(of, now, known, targets)
    moved = tuple((server, (1_795_000_000,)) for server in sorted(targets))
    done = Balanced(ranked=tuple(ranks.items()), moved=moved)
    wanted = (replace(done, moving=tuple(sorted(targets.items()))), done)
    return cib, *(configuration.with_load(applied, each).cib for each in wanted)
