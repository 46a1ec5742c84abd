"""vsctl apply: make the cluster what a cluster file says."""

from __future__ import annotations

import os
from pathlib import Path

import click

from vsctl.cli import configuration, firewall, options, output, planning, proof, scheduler
from vsctl.cli.planning import Plan
from vsctl.cli.programs import Refused
from vsctl.cli.reading import cluster_of
from vsctl.cli.ready import missing_of, running_of
from vsctl.cli.store import Store
from vsctl.policy.model import Cluster


@click.command()
@options.cluster_file
@options.yes
@options.without_fencing
@click.option(
    "--proved",
    is_flag=True,
    help="Refuse if a failure would cost a server that it does not cost now; see `vsctl prove`.",
)
@options.wait
@options.cib
@options.as_json
def apply(
    file: Path,
    yes: bool,
    without_fencing: bool,
    proved: bool,
    wait: bool,
    limit: float,
    store: Store,
    as_json: bool,
) -> None:
    """Make the cluster what the cluster file FILE says.

    Only what vsctl made is touched. What the file no longer has is stopped in
    its usual order before it is removed. A second time there is nothing to do;
    interrupted, the next apply finishes.
    """
    cluster = cluster_of(file)
    first = planning.plan(store, cluster, without_fencing=without_fencing)
    _refuse(first, yes)
    if proved and not first.nothing_to_do:
        _refuse_worse(first)
    plan = first
    if first.retired and store.live:
        _retire(store, first, limit)
        plan = planning.plan(store, cluster, without_fencing=without_fencing)
    if not plan.nothing_to_do:
        store.change(plan.applied.cib, plan.next.cib)
    if as_json:
        output.document(planning.as_document(first))
    else:
        output.say(planning.said(first))
    if store.live and os.uname().nodename in {each.name for each in cluster.nodes}:
        for sentence in firewall.dropping():
            output.remark(f"note: {sentence}")
    if wait and store.live:
        _wait(store, cluster, limit)


def _refuse(plan: Plan, yes: bool) -> None:
    objections = list(plan.objections)
    if plan.changes.unexplained and not yes:
        moves = ", ".join(str(each) for each in plan.changes.unexplained)
        objections.append(
            f"{moves}, which the change to the file is not about; say --yes if that is as it should be"
        )
    if objections:
        raise Refused("\n".join(objections))


def _refuse_worse(plan: Plan) -> None:
    """Refuse a file with which a failure costs what it does not cost now."""
    known: set[tuple[str, str, str]] = set()
    if plan.applied.cluster is not None:
        now = proof.prove(plan.applied.cluster, scheduler.settle(plan.applied.cib), 1)
        known = {each.key for each in now.problems}
    found = proof.prove(plan.cluster, scheduler.settle(plan.next.cib), 1)
    worse = [each.sentence for each in found.problems if each.key not in known]
    if worse:
        raise Refused("\n".join(f"{each} (new with this file)" for each in worse))


def _retire(store: Store, plan: Plan, limit: float) -> None:
    """Stop what will be removed, and wait until it has stopped."""
    store.change(plan.applied.cib, configuration.retiring(plan.applied, plan.retired))
    try:
        output.wait(lambda: running_of(plan.retired, store), limit)
    except output.Late as late:
        raise Refused(
            f"{late}; the rest of the file is not applied yet: see `vsctl status`, then apply again"
        ) from None


def _wait(store: Store, cluster: Cluster, limit: float) -> None:
    """Wait until all servers serve that can: a pinned one has to wait for its node."""
    up = store.facts().placement.online
    expected = [each for each in cluster.servers if not each.pinned or each.home in up]
    known = configuration.read(store).quarantines

    def missing() -> str | None:
        facts = store.facts()
        late = [each for each in expected if missing_of(cluster, each, facts, known=known)]
        ready = f"{len(expected) - len(late)} of {len(expected)} virtual servers serve"
        return f"{ready}; {missing_of(cluster, late[0], facts, known=known)}" if late else None

    output.wait(missing, limit)
