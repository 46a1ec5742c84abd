"""How is something that the operator does by hand put into the cluster?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from vsctl.cli import changes, configuration, output, scheduler, verification
from vsctl.cli.changes import Move
from vsctl.cli.configuration import Applied
from vsctl.cli.placement import Placement
from vsctl.cli.ready import missing_of
from vsctl.cli.store import LiveCluster, Store
from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster


@dataclass(frozen=True)
class Stay:
    """A server that an operator might expect to move and that does not, and why."""

    server: str
    node: str
    why: str

    def __str__(self) -> str:
        return f"{self.server} stays on {self.node}: {self.why}"


@dataclass(frozen=True)
class Done:
    """What became of a hand: `changed` is False if it was so already, `settled` is where all will be."""

    changed: bool
    moves: tuple[Move, ...]
    settled: Placement


def put(store: Store, applied: Applied, cluster: Cluster, hand: Hand) -> Done:
    """Write the hand into the configuration and return which servers move because of it."""
    if hand == applied.hand:
        return Done(changed=False, moves=(), settled=scheduler.settle(applied.cib).after)
    wanted = configuration.with_hand(applied, hand)
    verification.verify(applied.cib, wanted.cib)
    planned = changes.between(applied.cib, wanted.cib, cluster, cluster)
    store.change(applied.cib, wanted.cib)
    return Done(
        changed=True, moves=planned.moves, settled=planned.settled or scheduler.settle(wanted.cib).after
    )


def tell(done: Done, stays: Sequence[Stay], *, as_json: bool, nothing: str) -> None:
    """Say what moves and what stays; `nothing` is the sentence for neither."""
    if as_json:
        output.document(
            {
                "changed": done.changed,
                "moves": [as_value(each) for each in done.moves],
                "stays": [{"server": each.server, "node": each.node, "why": each.why} for each in stays],
            }
        )
        return
    for line in (*done.moves, *stays):
        output.say(str(line), indent="    ")
    if not done.moves and not stays:
        output.say(nothing, indent="    ")


def wait_for(store: Store, cluster: Cluster, moves: Iterable[Move], limit: float) -> None:
    """Wait until every move has happened and the servers serve there."""
    for move in moves:
        if move.target is not None:
            output.wait(_arrived(store, cluster, move), limit)


def _arrived(store: Store, cluster: Cluster, move: Move) -> output.Condition:
    server, known = cluster.server(move.server), configuration.read(store).quarantines
    return lambda: missing_of(cluster, server, store.facts(), move.target, known)


def as_value(move: Move) -> dict[str, Any]:
    return {"server": move.server, "from": move.origin, "to": move.target}


def name_of_server(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a virtual server from what is configured; silent where nothing is."""
    return _complete(ctx, incomplete, "servers")


def name_of_node(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    return _complete(ctx, incomplete, "nodes")


def _complete(ctx: click.Context, incomplete: str, kind: str) -> list[str]:
    try:
        cluster = configuration.read(ctx.params.get("store") or LiveCluster()).cluster
    except click.ClickException:
        return []
    return [each.name for each in getattr(cluster, kind, ()) if each.name.startswith(incomplete)]
