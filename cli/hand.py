"""How is something that the operator does by hand put into the cluster?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from vsctl.cli import changes, configuration, output
from vsctl.cli.configuration import Applied
from vsctl.cli.ready import missing_of
from vsctl.cli.store import Store
from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster


def do(
    store: Store, applied: Applied, cluster: Cluster, hand: Hand, *, as_json: bool, nothing: str
) -> tuple[changes.Move, ...]:
    """Write the hand, say which servers move because of it, and return these moves.

    `nothing` is the sentence for a hand that is already so.
    """
    if hand == applied.hand:
        output.document({"changed": False, "moves": []}) if as_json else output.say(nothing)
        return ()
    wanted = configuration.with_hand(applied, hand)
    planned = changes.between(applied.cib, wanted.cib, cluster, cluster)
    store.change(applied.cib, wanted.cib)
    if as_json:
        output.document({"changed": True, "moves": [as_value(each) for each in planned.moves]})
    else:
        for move in planned.moves:
            output.say(str(move))
        if not planned.moves:
            output.say("nothing moves")
    return planned.moves


def wait_for(store: Store, cluster: Cluster, moves: Iterable[changes.Move], limit: float) -> None:
    """Wait until every move has happened and the servers serve there."""
    for move in moves:
        server, target = cluster.server(move.server), move.target
        if target is not None:
            output.wait(lambda: missing_of(cluster, server, store.facts(), target), limit)  # noqa: B023 - called at once


def as_value(move: changes.Move) -> dict[str, Any]:
    return {"server": move.server, "from": move.origin, "to": move.target}


def name_of_server(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a virtual server from the running cluster; silent where there is none."""
    return _complete(incomplete, "servers")


def name_of_node(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return _complete(incomplete, "nodes")


def _complete(incomplete: str, kind: str) -> list[str]:
    from vsctl.cli.programs import Refused
    from vsctl.cli.store import LiveCluster

    try:
        cluster = configuration.read(LiveCluster()).cluster
    except Refused:
        return []
    return [each.name for each in getattr(cluster, kind, ()) if each.name.startswith(incomplete)]
