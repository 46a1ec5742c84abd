"""vsctl apply: make the cluster what a cluster file says."""

from __future__ import annotations

from pathlib import Path

import click

from vsctl.cli import configuration, options, output, planning
from vsctl.cli.planning import Plan
from vsctl.cli.programs import Refused
from vsctl.cli.reading import cluster_of
from vsctl.cli.ready import missing_of, running_of
from vsctl.cli.store import Store


@click.command()
@options.cluster_file
@options.yes
@options.without_fencing
@options.wait
@options.cib
@options.as_json
def apply(
    file: Path, yes: bool, without_fencing: bool, wait: bool, limit: float, store: Store, as_json: bool
) -> None:
    """Make the cluster what FILE says; a second time there is nothing to do.

    Only what vsctl made is touched. What the file no longer has is stopped in
    its usual order before it is removed. Interrupted, the next apply finishes.
    """
    cluster = cluster_of(file)
    plan = planning.plan(configuration.read(store), cluster, without_fencing=without_fencing)
    _refuse(plan, yes)
    if plan.retired and store.live:
        _retire(store, plan, limit)
        plan = planning.plan(configuration.read(store), cluster, without_fencing=without_fencing)
    if not plan.nothing_to_do:
        store.change(plan.applied.cib, plan.next.cib)
    if as_json:
        output.document(planning.as_document(plan))
    else:
        output.say(planning.said(plan))
    if wait and store.live:
        up = store.facts().placement.online
        for server in cluster.servers:
            if not server.pinned or server.home in up:
                output.wait(lambda: missing_of(cluster, server, store.facts()), limit)  # noqa: B023 - called at once


def _refuse(plan: Plan, yes: bool) -> None:
    objections = list(plan.objections)
    if plan.changes.unexplained and not yes:
        moves = ", ".join(str(each) for each in plan.changes.unexplained)
        objections.append(
            f"{moves}, which the change to the file is not about; say --yes if that is as it should be"
        )
    if objections:
        raise Refused("\n".join(objections))


def _retire(store: Store, plan: Plan, limit: float) -> None:
    """Stop what will be removed, and wait until it has stopped."""
    store.change(plan.applied.cib, configuration.retiring(plan.applied, plan.retired))
    output.wait(lambda: running_of(plan.retired, store), limit)
