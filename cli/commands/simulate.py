"""vsctl simulate: what would a failure do?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vsctl.cli import configuration, faults, hand, options, output, scheduler
from vsctl.cli.faults import Step
from vsctl.cli.reading import cluster_of
from vsctl.cli.scheduler import Outcome
from vsctl.cli.store import Store
from vsctl.policy.model import Cluster


@click.command()
@options.optional_cluster_file
@click.option(
    "--fail",
    "fails",
    multiple=True,
    required=True,
    metavar="FAULT",
    help=f"What fails: {', '.join(faults.FORMS)}. Give it several times, and they fail one after the other.",
)
@options.cib
@options.as_json
def simulate(file: Path | None, fails: tuple[str, ...], store: Store, as_json: bool) -> None:
    """Say what would happen if something failed.

    Pacemaker's own scheduler decides, with the running cluster as it stands
    now; or, with FILE, with a fresh cluster of that file. Nothing is changed.

    A port takes its addresses to another port of its node, which Pacemaker
    does not notice: then nothing moves. What nodes ask for is foreseen, too:
    a server leaves to which nobody can route, and when its bridge is over.
    """
    cluster, now = _fresh(cluster_of(file)) if file else _standing(store)
    rehearsal, steps = faults.Rehearsal(cluster, now), []
    for fault in [faults.parse(each, cluster) for each in fails]:
        rehearsal, step = rehearsal.fail(fault)
        steps.append(step)
    if as_json:
        output.document([_as_document(each) for each in steps])
    else:
        for each in steps:
            _say(each)


def _say(step: Step) -> None:
    output.say(f"fail {step.fault}")
    for move in step.moves:
        output.say(f"    {move}")
    if step.restarts:
        output.say(f"    restarted: {', '.join(step.restarts)}", indent="    ")
    for route in step.routes:
        output.say(f"    {route}")
    for move in step.later:
        output.say(f"    when its bridge is over: {move}")
    if not (step.moves or step.restarts or step.routes):
        output.say("    nothing moves")
    if step.down:
        output.say(f"    not running: {', '.join(step.down)}", indent="    ")


def _as_document(step: Step) -> dict[str, Any]:
    return {
        "fail": str(step.fault),
        "moves": [hand.as_value(each) for each in step.moves],
        "restarts": list(step.restarts),
        "routes": [
            {
                "server": each.server,
                "subnet": each.subnet,
                "through": each.through,
                "by_host_route": each.by_host_route,
            }
            for each in step.routes
        ],
        "down": list(step.down),
        "later": [hand.as_value(each) for each in step.later],
    }


def _standing(store: Store) -> tuple[Cluster, Outcome]:
    applied, cluster = configuration.needed(store)
    return cluster, scheduler.settle(applied.cib)


def _fresh(cluster: Cluster) -> tuple[Cluster, Outcome]:
    """Return a cluster of this file in which every node is up and everything has started."""
    return cluster, scheduler.settle(configuration.fresh(cluster))
