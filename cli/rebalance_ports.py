"""How does `vsctl rebalance ports` spread addresses over the ports of their node?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from vsctl.cli import configuration, loads, output, report, verification
from vsctl.cli.configuration import Applied
from vsctl.cli.loads import PortLoad, PortMove
from vsctl.cli.programs import Refused
from vsctl.cli.store import Store
from vsctl.policy import naming


def rebalance(store: Store, *, apply: bool, limit: float, as_json: bool) -> None:
    """Show what every port carries and what should be announced on another, and do it."""
    applied, cluster = configuration.needed(store)
    facts = store.facts(loads.OF_DAEMONS)
    ports = loads.ports(cluster, facts)
    if all(each.rate is None for each in ports):
        raise Refused(
            "no node says what its ports carry: `vsctl status` says what is wrong with the daemons that measure it"
        )
    moves = loads.moves(cluster, facts, cluster.policy.balance.tolerance)
    if apply and moves:
        _apply(store, applied, moves, limit)
    if as_json:
        output.document(
            {
                "applied": apply,
                "ports": [asdict(each) for each in ports],
                "moves": [_as_value(each) for each in moves],
            }
        )
        return
    click.echo(_table(ports))
    click.echo()
    for each in moves:
        output.say(_sentence(each), indent="    ")
    if not moves:
        output.say("nothing to move: no port carries so much more than another that it would gain anything")
    elif not apply:
        output.say("nothing is changed yet: `vsctl rebalance ports --apply` does it")


def _apply(store: Store, applied: Applied, moves: Sequence[PortMove], limit: float) -> None:
    first: dict[str, dict[str, str]] = {}
    for each in moves:
        first.setdefault(naming.announcer(each.server, each.subnet), {})[each.node] = each.target
    wanted = configuration.with_ports(applied, first)
    verification.verify(applied.cib, wanted.cib)
    store.change(applied.cib, wanted.cib)
    if store.live:
        output.wait(lambda: _missing(store, moves), limit)


def _missing(store: Store, moves: Sequence[PortMove]) -> str | None:
    """Say what is not announced yet where it should be; what has left its node meanwhile is nowhere to wait for."""
    facts = store.facts((report.ANNOUNCED,))
    for each in moves:
        here = report.said(facts, each.node, report.ANNOUNCED).get(f"{each.server}/{each.subnet}")
        if here == each.origin:
            return f"{each.server} is still announced on {here} of {each.node}"
    return None


def _table(ports: Sequence[PortLoad]) -> str:
    rows = [
        (
            each.node,
            each.port,
            each.subnet,
            each.state,
            "?" if each.rate is None else _rate(each.rate),
            " ".join(name.partition("/")[0] for name in each.announces),
        )
        for each in ports
    ]
    return output.table(("NODE", "PORT", "SUBNET", "STATE", "CARRIES", "ANNOUNCES"), rows)


def _sentence(move: PortMove) -> str:
    return (
        f"{move.server} moves {move.origin} -> {move.target} of {move.node} on {move.subnet}: the busier of them "
        f"carries {_rate(move.before)}, then {_rate(move.after)}"
    )


def _rate(bits: float) -> str:
    """Say bits a second as a person would."""
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6)):
        if bits >= size:
            return f"{bits / size:.1f} {unit}" if bits < 10 * size else f"{bits / size:.0f} {unit}"
    return "0" if bits == 0 else f"{bits / 1e3:.0f} kbit/s"


def _as_value(move: PortMove) -> dict[str, object]:
    return {
        "node": move.node,
        "server": move.server,
        "subnet": move.subnet,
        "from": move.origin,
        "to": move.target,
        "before": move.before,
        "after": move.after,
    }
