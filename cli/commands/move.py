"""vsctl move: send a virtual server to a node, until `failback`."""

from __future__ import annotations

import click

from vsctl.cli import configuration, hand, options
from vsctl.cli.programs import Refused
from vsctl.cli.store import Store


@click.command()
@click.argument("server", shell_complete=hand.name_of_server)
@click.argument("node", shell_complete=hand.name_of_node)
@options.wait
@options.cib
@options.as_json
def move(server: str, node: str, wait: bool, limit: float, store: Store, as_json: bool) -> None:
    """Send SERVER to NODE and keep it there.

    It stays until `vsctl failback SERVER`, or until NODE is lost. A pinned
    server is moved, too: it is then pinned to NODE.
    """
    applied, cluster = configuration.needed(store)
    wanted = cluster.server(configuration.server(cluster, server))
    target = configuration.node(cluster, node)
    if target not in cluster.candidates(wanted):
        raise Refused(
            f"{server} cannot run on {node}: it may run on {', '.join(cluster.candidates(wanted))}, "
            "which have its subnets and its storage and are allowed by the cluster file"
        )
    if target in applied.hand.drained:
        raise Refused(f"{node} is drained and would not keep {server}: `vsctl undrain {node}` first")
    if store.live and target not in store.facts().placement.online:
        raise Refused(f"{node} is not up: {server} could not start there")
    moves = hand.do(
        store,
        applied,
        cluster,
        applied.hand.move(server, target),
        as_json=as_json,
        nothing=f"{server} is sent to {node} already",
    )
    if wait and store.live:
        hand.wait_for(store, cluster, moves, limit)
