"""vsctl undrain: let a drained node be used again."""

from __future__ import annotations

import click

from vsctl.cli import configuration, hand, options
from vsctl.cli.store import Store


@click.command()
@click.argument("node", metavar="NODE", shell_complete=hand.name_of_node)
@options.cib
@options.as_json
def undrain(node: str, store: Store, as_json: bool) -> None:
    """Let virtual servers run on NODE again.

    Where the cluster file says `failback: manual` none moves there by itself;
    `vsctl failback` brings home those that belong there.
    """
    applied, cluster = configuration.needed(store)
    configuration.node(cluster, node)
    done = hand.put(store, applied, cluster, applied.hand.undrain(node))
    nothing = (
        f"{node} can be used again; nothing moves by itself, `vsctl failback` brings home what belongs there"
        if done.changed
        else f"{node} is not drained"
    )
    hand.tell(done, (), as_json=as_json, nothing=nothing)
