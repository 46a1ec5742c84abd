"""vsctl move: send a virtual server to a node, until `failback`."""

from __future__ import annotations

import click

from vsctl.cli import configuration, hand, options
from vsctl.cli.hand import Stay
from vsctl.cli.programs import Refused
from vsctl.cli.store import Store
from vsctl.policy import naming


@click.command()
@click.argument("server", metavar="VS", shell_complete=hand.name_of_server)
@click.argument("node", metavar="NODE", shell_complete=hand.name_of_node)
@options.wait
@options.cib
@options.as_json
def move(server: str, node: str, wait: bool, limit: float, store: Store, as_json: bool) -> None:
    """Move the virtual server VS to NODE and keep it there.

    It stays until `vsctl failback VS`, or until NODE fails. A pinned server is
    moved, too: it is then pinned to NODE. A stopped server starts on NODE.
    """
    applied, cluster = configuration.needed(store)
    wanted = cluster.server(configuration.server(cluster, server))
    configuration.node(cluster, node)
    possible = (*cluster.candidates(wanted), *cluster.refuges(wanted))
    if node not in possible:
        raise Refused(
            f"{server} cannot run on {node}: the nodes that the cluster file allows it, and that have its subnets "
            f"and its storage, are {', '.join(possible)}"
        )
    if node in applied.hand.drained and not wanted.pinned:
        raise Refused(f"{node} is drained and would not keep {server}: `vsctl undrain {node}` first")
    if store.live and node not in store.facts().placement.online:
        raise Refused(f"{node} is not up, so {server} could not start there: see `vsctl status`")
    done = hand.put(store, applied, cluster, applied.hand.move(server, node))
    here = done.settled.node_of(naming.net(server))
    weighs = f"something weighs more than a move to {node}; see `vsctl status {server}`"
    stays = [Stay(server, here, weighs)] if here not in (None, node) else []
    if here is None:
        nothing = f"{server} cannot start on {node} now; when it can, it stays there until `vsctl failback {server}`"
    elif done.changed:
        nothing = f"{server} is on {node} already, and now stays there until `vsctl failback {server}`"
    else:
        nothing = f"{server} was sent to {node} before, and stays there until `vsctl failback {server}`"
    hand.tell(done, stays, as_json=as_json, nothing=nothing)
    if wait and store.live:
        hand.wait_for(store, cluster, done.moves, limit)
