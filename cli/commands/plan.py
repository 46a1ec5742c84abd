"""vsctl plan: what would applying a cluster file change and move?"""

from __future__ import annotations

from pathlib import Path

import click

from vsctl.cli import options, output, planning
from vsctl.cli.main import DONE, REFUSED
from vsctl.cli.reading import cluster_of
from vsctl.cli.store import Store


@click.command()
@options.cluster_file
@options.without_fencing
@options.cib
@options.as_json
@click.pass_context
def plan(ctx: click.Context, file: Path, without_fencing: bool, store: Store, as_json: bool) -> None:
    """Say what `vsctl apply FILE` would change and move, and change nothing.

    Pacemaker's own scheduler is asked. Exit status 1 if apply would refuse.
    """
    cluster = cluster_of(file)
    found = planning.plan(store, cluster, without_fencing=without_fencing)
    if as_json:
        output.document(planning.as_document(found))
    else:
        output.say(planning.said(found))
        for each in found.objections:
            output.say(output.bad("refused: ") + each)
    ctx.exit(REFUSED if found.objections else DONE)
