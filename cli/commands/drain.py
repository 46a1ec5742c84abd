"""vsctl drain: empty a node before maintenance."""

from __future__ import annotations

import click

from vsctl.cli import configuration, hand, options
from vsctl.cli.hand import Stay
from vsctl.cli.store import Store
from vsctl.policy import naming


@click.command()
@click.argument("node", metavar="NODE", shell_complete=hand.name_of_node)
@options.wait
@options.cib
@options.as_json
def drain(node: str, wait: bool, limit: float, store: Store, as_json: bool) -> None:
    """Move every virtual server away from NODE, and let none come back.

    This holds until `vsctl undrain NODE`, across restarts of the node. Pinned
    servers stay, and so do servers that no other node can take; it says which.
    """
    applied, cluster = configuration.needed(store)
    configuration.node(cluster, node)
    done = hand.put(store, applied, cluster, applied.hand.drain(node))
    stays = []
    for server in cluster.servers:
        if done.settled.node_of(naming.net(server.name)) == node:
            why = (
                f"it is pinned; `vsctl move {server.name} NODE` moves it"
                if server.pinned
                else "no other node can take it"
            )
            stays.append(Stay(server.name, node, why))
    nothing = (
        f"{node} is drained; no virtual server runs there" if done.changed else f"{node} is drained already"
    )
    hand.tell(done, stays, as_json=as_json, nothing=nothing)
    if wait and store.live:
        hand.wait_for(store, cluster, done.moves, limit)
