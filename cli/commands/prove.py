"""vsctl prove: what would every failure do?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vsctl.cli import configuration, options, output, proof, scheduler
from vsctl.cli.configuration import Applied
from vsctl.cli.faults import Rehearsal
from vsctl.cli.main import DONE, REFUSED
from vsctl.cli.proof import Case, Proof, State
from vsctl.cli.reading import cluster_of
from vsctl.cli.store import Store
from vsctl.policy.model import Cluster


@click.command()
@options.optional_cluster_file
@click.option(
    "--depth",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="How many failures come together: every single one, or every two of them as well.",
)
@options.cib
@options.as_json
@click.pass_context
def prove(ctx: click.Context, file: Path | None, depth: int, store: Store, as_json: bool) -> None:
    """Rehearse every failure, and say what would mend each loss.

    Every node, port, subnet of a node and way of a node to its storage fails in
    turn, and Pacemaker's own scheduler decides, with the running cluster as it
    stands now; or, with FILE, with a fresh cluster of that file. Nothing is
    changed. A server that is lost or cut off and a node that is overloaded are
    problems, and exit status 1; a pinned server that waits for its node is none.
    Loads are those that the cluster file declares. Where `candidates` in `policy`
    keeps servers to few nodes, what is lost or overloaded for that reason alone is said to be.
    """
    if file:
        applied, cluster = None, cluster_of(file)
        cib = configuration.fresh(cluster)
    else:
        applied, cluster = configuration.needed(store)
        cib = applied.cib
    found = proof.prove(cluster, scheduler.settle(cib), depth)
    if cluster.policy.candidates is not None and not found.holds:
        found = proof.weighed(found, _with_all_candidates(applied, cluster))
    if as_json:
        output.document(as_document(found))
    else:
        _say(found)
    ctx.exit(DONE if found.holds else REFUSED)


def _with_all_candidates(applied: Applied | None, cluster: Cluster) -> Rehearsal:
    """Return the same cluster, running or fresh, with servers that are not kept to few nodes."""
    free = replace(cluster, policy=replace(cluster.policy, candidates=None))
    cib = configuration.with_(applied, free, applied.hand).cib if applied else configuration.fresh(free)
    return Rehearsal(free, scheduler.settle(cib))


def _say(found: Proof) -> None:
    quiet = 0
    for case in found.cases:
        lines = [str(each) for each in case.landings if each.state is not State.STAYS]
        if not lines and not case.overloads:
            quiet += 1
            continue
        output.say(f"fail {case.name}")
        for line in lines:
            output.say(f"    {line}", indent="    ")
        for each in case.overloads:
            output.say(f"    {each}", indent="    ")
        for loss in case.losses:
            output.say(f"    to keep {loss.server}: {loss.advice}", indent="    ")
    failures = output.count(len(found.cases), "failure")
    output.say(f"{failures} rehearsed; in {quiet} of them every virtual server stays where it is")
    bad = [case for case in found.cases if case.losses or case.overloads]
    if bad:
        output.say(
            output.bad("not proved: ")
            + f"{output.count(len(bad), 'failure')} would cost a virtual server or overload a node"
        )
    else:
        output.say(output.good("proved: ") + "none costs a virtual server without need, or overloads a node")


def as_document(found: Proof) -> dict[str, Any]:
    return {"holds": found.holds, "failures": [_case(each) for each in found.cases]}


def _case(case: Case) -> dict[str, Any]:
    return {
        "fail": [str(each) for each in case.faults],
        "servers": [
            {
                "server": each.server,
                "state": each.state.value,
                "from": each.origin,
                "to": each.node,
                "about": each.about,
            }
            for each in case.landings
        ],
        "overloaded": [
            {
                "node": each.node,
                "kind": each.kind,
                "load": each.load,
                "capacity": each.capacity,
                "kept": each.kept,
            }
            for each in case.overloads
        ],
        "losses": [
            {"server": each.server, "state": each.state.value, "mend": list(each.mend)}
            for each in case.losses
        ],
    }
