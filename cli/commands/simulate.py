"""vsctl simulate: what would a failure do?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from lxml import etree

from vsctl.cli import changes, configuration, faults, options, output, scheduler
from vsctl.cli.configuration import Applied
from vsctl.cli.reading import cluster_of
from vsctl.cli.scheduler import Outcome
from vsctl.cli.store import Store
from vsctl.policy import naming
from vsctl.policy.hand import NO_HAND
from vsctl.policy.model import Cluster


@click.command()
@options.optional_cluster_file
@click.option(
    "--fail",
    "fails",
    multiple=True,
    required=True,
    metavar="FAULT",
    help=f"One of {', '.join(faults.FORMS)}; may be repeated.",
)
@options.cib
@options.as_json
def simulate(file: Path | None, fails: tuple[str, ...], store: Store, as_json: bool) -> None:
    """Say what each FAULT would do, one after the other.

    Pacemaker's own scheduler decides, in the running cluster's configuration
    as it stands now; or, with FILE, in a fresh cluster of that file. Nothing
    is changed.
    """
    cluster, now = _fresh(cluster_of(file)) if file else _standing(store)
    rehearsal = faults.Rehearsal(cluster, now)
    steps: list[dict[str, Any]] = []
    for fault in [faults.parse(each, cluster) for each in fails]:
        before, rehearsal = rehearsal.now.after, rehearsal.fail(fault)
        after = rehearsal.now.after
        moves = changes.moved(before, after, cluster, cluster)
        down = [each.name for each in cluster.servers if after.node_of(naming.net(each.name)) is None]
        steps.append({"fail": str(fault), "moves": [str(each) for each in moves], "down": down})
    if as_json:
        output.document(steps)
        return
    for step in steps:
        output.say(f"fail {step['fail']}")
        for line in step["moves"] or ["nothing moves"]:
            output.say(f"    {line}")
        if step["down"]:
            output.say(f"    not running: {', '.join(step['down'])}")


def _standing(store: Store) -> tuple[Cluster, Outcome]:
    applied, cluster = configuration.needed(store)
    return cluster, scheduler.settle(applied.cib)


def _fresh(cluster: Cluster) -> tuple[Cluster, Outcome]:
    """Return a cluster of this file in which every node is up and everything has started."""
    cib = etree.fromstring(configuration.empty().cib)
    cib.set("have-quorum", "1")
    nodes, status = cib.find("configuration/nodes"), cib.find("status")
    assert nodes is not None and status is not None
    for number, node in enumerate(cluster.nodes, 1):
        etree.SubElement(nodes, "node", id=str(number), uname=node.name)
        state = {"id": str(number), "uname": node.name, "in_ccm": "true", "crmd": "online", "join": "member"}
        etree.SubElement(status, "node_state", {**state, "expected": "member"})
    bare = Applied(etree.tostring(cib), None, NO_HAND)
    return cluster, scheduler.settle(configuration.with_(bare, cluster, NO_HAND).cib)
