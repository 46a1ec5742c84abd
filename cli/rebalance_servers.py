"""How does `vsctl rebalance` move servers from full nodes to less full ones?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from lxml import etree

from vsctl.cib_templates import stored
from vsctl.cli import carrying, configuration, measured, output, rebalancing, situation
from vsctl.cli.carrying import Look
from vsctl.cli.configuration import Applied
from vsctl.cli.programs import Refused
from vsctl.cli.rebalancing import Plan
from vsctl.cli.store import Store
from vsctl.policy.balance import Move
from vsctl.policy.load import Measured
from vsctl.policy.model import Cluster


def rebalance(
    store: Store, loads: Path | None, *, apply: bool, periodic: bool, limit: float, as_json: bool
) -> None:
    """Show which servers should move and what that gains, and do it."""
    applied, cluster = configuration.needed(store)
    if apply and not store.live:
        raise Refused("--apply is for a running cluster: who moves servers has to see that they arrive")
    if apply or (periodic and store.live):
        carrying.take_over(store, limit, wait=apply)
        applied, cluster = configuration.needed(store)
    facts = store.facts(measured.OF_DAEMONS)
    said = measured.read(facts) if loads is None else measured.from_file(loads)
    if periodic and loads is None:
        situation.refuse_guesses(cluster, facts, said)
    look = _look(applied, cluster, said, periodic)
    plan = rebalancing.plan(
        cluster, look(applied, facts), stored.preferences(etree.fromstring(applied.cib)), patient=periodic
    )
    if not as_json:
        _tell(plan, store, applied, said, apply=apply)
    if apply:
        _do(store, applied, cluster, plan, look, limit, as_json)
    if as_json:
        output.document(_document(plan, said, applied=apply))


def _look(applied: Applied, cluster: Cluster, loads: Measured, periodic: bool) -> Look:
    """Return what tells how it is at any time, with these loads; what moved too often is fixed from the start."""
    load, now = stored.load(etree.fromstring(applied.cib)), time.time()
    often = {each.name: load.often(each.name, now) for each in cluster.servers} if periodic else None
    return lambda applied, facts: situation.of(applied, cluster, facts, loads, often=often)


def _do(
    store: Store, applied: Applied, cluster: Cluster, plan: Plan, look: Look, limit: float, as_json: bool
) -> None:
    def told(wave: Sequence[Move]) -> None:
        if not as_json:
            output.say(
                f"done: {', '.join(f'{each.server} serves on {each.target}' for each in wave)}", indent="    "
            )

    if not plan.nothing_to_do:
        carrying.carry_out(store, applied, cluster, plan, look, limit, told)


def _tell(plan: Plan, store: Store, applied: Applied, loads: Measured, *, apply: bool) -> None:
    click.echo(output.table(("NODE", "NOW", "THEN", "WHEN IT IS LOST"), _nodes(plan)))
    click.echo()
    if plan.moves:
        click.echo(output.table(("SERVER", "FROM", "TO", "COST", "WHY"), map(_row, plan.moves)))
        click.echo()
    for line in (*measured.silence(loads), *_remarks(plan)):
        output.say(line, indent="    ")
    if moving := stored.load(etree.fromstring(applied.cib)).moving:
        names = ", ".join(server for server, _ in moving)
        output.say(
            f"somebody is moving {names} just now, or was interrupted: `vsctl rebalance --apply` goes on from there",
            indent="    ",
        )
    if plan.nothing_to_do:
        output.say(
            "nothing to do: no node is so much fuller than it has to be that a move would gain more than it costs"
        )
    elif not plan.moves:
        output.say(
            "nothing to move; other nodes are better when some are lost"
            + ("" if apply else ": `vsctl rebalance --apply` writes them down")
        )
    elif not apply and store.live:
        output.say("nothing is changed yet: `vsctl rebalance --apply` does it")


def _nodes(plan: Plan) -> Iterator[tuple[str, ...]]:
    before = {each.lost: each for each in plan.losses}
    after = {each.lost: each for each in plan.losses_after}
    for each in plan.found.fills:
        lost = ""
        if each.node in after:
            was, then = before[each.node], after[each.node]
            same = (was.node, f"{was.fill:.0%}") == (then.node, f"{then.fill:.0%}")
            lost = f"{was.node} {was.fill:.0%}" + ("" if same else f", then {then.node} {then.fill:.0%}")
        yield each.node, f"{each.before:.0%} {each.kind}", f"{each.after:.0%}", lost


def _row(move: Move) -> tuple[str, ...]:
    return move.server, move.origin or "", move.target, f"{move.cost:.1f} s", move.reason


def _remarks(plan: Plan) -> Iterator[str]:
    """Say what keeps nodes full."""
    full = {each.node for each in plan.found.fills if each.after > plan.found.limit}
    for stay in plan.stays:
        if stay.node in full:
            yield str(stay)
    for unplaced in plan.found.unplaced:
        yield f"{unplaced.server} stays on {unplaced.origin}: {unplaced.reason}"


def _document(plan: Plan, loads: Measured, *, applied: bool) -> dict[str, Any]:
    return {
        "applied": applied,
        "nodes": [
            {"name": each.node, "kind": each.kind, "before": each.before, "after": each.after}
            for each in plan.found.fills
        ],
        "bound": plan.found.bound,
        "limit": plan.found.limit,
        "moves": [
            {
                "server": each.server,
                "from": each.origin,
                "to": each.target,
                "wave": number,
                "cost": each.cost,
                "reason": each.reason,
            }
            for number, wave in enumerate(plan.waves, 1)
            for each in wave
        ],
        "silent": list(loads.silent),
        "stays": [{"server": each.server, "node": each.node, "why": each.why} for each in plan.stays],
        "losses": [
            {
                "lost": was.lost,
                "before": {"node": was.node, "fill": was.fill},
                "after": {"node": then.node, "fill": then.fill, "best": then.best},
            }
            for was, then in zip(plan.losses, plan.losses_after, strict=True)
        ],
        "preferences_change": plan.ranks != plan.known,
    }
