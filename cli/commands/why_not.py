"""vsctl why-not: why is a virtual server not on a node, and what would change that?"""

from __future__ import annotations

import click

from vsctl.cli import configuration, hand, options, output, scheduler, weighing, wishes
from vsctl.cli.store import Store
from vsctl.cli.wishes import World
from vsctl.policy import naming


@click.command(name="why-not")
@click.argument("server", metavar="VS", shell_complete=hand.name_of_server)
@click.argument("node", metavar="NODE", shell_complete=hand.name_of_node)
@options.cib
@options.as_json
def why_not(server: str, node: str, store: Store, as_json: bool) -> None:
    """Say why the virtual server VS is not on NODE, and what would bring it there.

    What is said to bring it there is the least that does: Pacemaker's own
    scheduler has been asked with those changes made. Nothing is changed.
    """
    applied, cluster = configuration.needed(store)
    wanted = cluster.server(configuration.server(cluster, server))
    configuration.node(cluster, node)
    facts, settled = store.facts(), scheduler.settle(applied.cib)
    here = settled.after.node_of(naming.net(server))
    reasons: list[str] = []
    changes: tuple[wishes.Change, ...] | None = ()
    if here != node:
        world = World(applied, cluster)
        obstacles = wishes.obstacles(world, wanted, node, facts)
        by_node = {
            each.node: each
            for each in weighing.weigh(
                settled.cib, server, settled.after, tuple(n.name for n in cluster.nodes)
            )
        }
        reasons += [each.obstacle for each in obstacles]
        weights = by_node[node].weights
        others = by_node[here].weights if here else ()
        reasons += [
            each.reason
            for each in weights
            if each.score < 0 and each not in others and not (each.rule == "nodes" and obstacles)
        ]
        reasons += [
            f"for {here} speaks: {each.reason}" for each in others if each.score > 0 and each not in weights
        ]
        changes = wishes.smallest(world, wanted, node, obstacles)
    if as_json:
        output.document(
            {
                "server": server,
                "node": here,
                "asked": node,
                "reasons": reasons,
                "changes": None if changes is None else [each.sentence for each in changes],
            }
        )
        return
    if here == node:
        output.say(f"{server} is on {node}, or about to be")
        return
    output.say(
        f"{server} is " + (f"on {here}, not on {node}:" if here else f"nowhere, not on {node} either:")
    )
    for each in dict.fromkeys(reasons):
        output.say(f"    {each}", indent="    ")
    if changes is None:
        output.say(f"nothing that vsctl knows of would bring it to {node}; see `vsctl status {server}`")
    else:
        output.say(f"to have it there: {', then '.join(each.sentence for each in changes)}", indent="    ")
