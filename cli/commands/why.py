"""vsctl why: why is a virtual server where it is?"""

from __future__ import annotations

from typing import Any

import click

from vsctl.cli import configuration, hand, options, output, quarantines, report, scheduler, weighing
from vsctl.cli.store import Store
from vsctl.cli.weighing import Weighed
from vsctl.policy import naming
from vsctl.policy.constraints import INFINITY


@click.command()
@click.argument("server", metavar="VS", shell_complete=hand.name_of_server)
@options.cib
@options.as_json
def why(server: str, store: Store, as_json: bool) -> None:
    """Say why the virtual server VS is where it is.

    For each node the rules that speak for it and against it, in their own
    words, with what they weigh. Pacemaker adds that up, and the node with the
    most has the server, if it is up. `vsctl why-not` says what would have to
    change for another node.
    """
    applied, cluster = configuration.needed(store)
    configuration.server(cluster, server)
    facts = store.facts(quarantines.attributes(applied.quarantines))
    decision = scheduler.decide(applied.cib)
    here = decision.now.node_of(naming.net(server))
    then = scheduler.settle(applied.cib).after.node_of(naming.net(server))
    weighed = weighing.weigh(applied.cib, server, decision.now, tuple(each.name for each in cluster.nodes))
    ranked = sorted(weighed, key=lambda each: (each.node not in facts.placement.online, -each.total))
    up = facts.placement.online
    seen = applied.seen or cluster
    found = report.of_server(seen, seen.server(server), applied.hand, facts, known=applied.quarantines)
    problems = found.problems
    if as_json:
        output.document(
            {
                "server": server,
                "node": here,
                "settles_on": then,
                "nodes": [_node(each, each.node in up) for each in ranked],
                "problems": list(problems),
            }
        )
        return
    if here is None:
        output.say(f"{server} runs nowhere")
        for each in problems:
            output.say(f"    {each}", indent="    ")
    else:
        output.say(
            f"{server} runs on {here}" + ("" if here == then else f", and is about to leave it for {then}")
        )
        for each in report.of_quarantines(cluster, cluster.server(server), found.filesystems, facts):
            output.say(f"    {each}", indent="    ")
    for node in ranked:
        output.say(f"{node.node}{'' if node.node in up else ', which is down'}: {_total(node)}")
        for weight in node.weights:
            if weight.rule != "base":
                output.say(f"    {weighing.said(weight)}", indent="    ")
    output.say(f"what would bring it elsewhere says `vsctl why-not {server} NODE`")


def _total(weighed: Weighed) -> str:
    if weighed.total <= -INFINITY:
        return "not possible"
    return f"{weighed.total}" + ("" if weighed.total >= 0 else ", below 0: not taken")


def _node(weighed: Weighed, up: bool) -> dict[str, Any]:
    return {
        "node": weighed.node,
        "up": up,
        "score": weighed.total,
        "weights": [
            {"rule": each.rule, "score": each.score, "reason": each.reason} for each in weighed.weights
        ],
    }
