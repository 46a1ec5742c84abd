"""vsctl drain: empty a node before maintenance."""

from __future__ import annotations

import click

from vsctl.cli import configuration, hand, options, output
from vsctl.cli.store import Store
from vsctl.policy import naming


@click.command()
@click.argument("node", shell_complete=hand.name_of_node)
@options.wait
@options.cib
@options.as_json
def drain(node: str, wait: bool, limit: float, store: Store, as_json: bool) -> None:
    """Move every virtual server away from NODE, and let none come back.

    Until `vsctl undrain NODE`, also when the node restarts. Pinned servers
    stay, and servers that no other node can take; it says which.
    """
    applied, cluster = configuration.needed(store)
    configuration.node(cluster, node)
    moves = hand.do(
        store,
        applied,
        cluster,
        applied.hand.drain(node),
        as_json=as_json,
        nothing=f"{node} is drained already",
    )
    if wait and store.live:
        hand.wait_for(store, cluster, moves, limit)
    leaving = {each.server for each in moves}
    here = [
        each for each in cluster.servers if store.facts().placement.node_of(naming.net(each.name)) == node
    ]
    for server in here:
        if server.name not in leaving and not as_json:
            why = (
                f"it is pinned; `vsctl move {server.name} NODE` moves it"
                if server.pinned
                else "no other node can take it"
            )
            output.say(f"{server.name} stays on {node}: {why}")
