"""vsctl rebalance: even out load, of the nodes by moving virtual servers, of the ports by moving addresses."""

from __future__ import annotations

from pathlib import Path

import click

from vsctl.cli import options, rebalance_ports, rebalance_servers
from vsctl.cli.store import Store


@click.command()
@click.argument("what", metavar="[ports]", type=click.Choice(["ports"]), required=False)
@click.option("--apply", "apply", is_flag=True, help="Do it, and wait until it is so.")
@click.option(
    "--periodic",
    is_flag=True,
    help="As the balancer does it: only what is well worth it, and no server too often.",
)
@click.option(
    "--loads",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the loads from a file, as `vsctl top --json` prints them.",
)
@options.limit
@options.cib
@options.as_json
def rebalance(
    what: str | None,
    apply: bool,
    periodic: bool,
    loads: Path | None,
    limit: float,
    store: Store,
    as_json: bool,
) -> None:
    """Show how full every node is, and which virtual servers should move.

    No node should be fuller than `tolerance` of `policy: balance` in the
    cluster file above the best possible. The fewest and cheapest moves that
    bring that about are proposed, and none that costs the clients more than it
    gains. With --apply they are made, `max_moves` at a time, each wave only
    when the one before serves; and every server gets the nodes that even out
    the load when its own is lost. Interrupted, it ends when the moves under way
    have. Whatever ends it, nothing is left behind that the next run does not
    tidy up.

    `rebalance ports` spreads the addresses of each node over its ports: those
    of a server on one subnet together, and without interrupting a session.
    Nothing is proposed that gains less than `tolerance`, or less than 1 Mbit/s.
    """
    if what == "ports":
        if periodic or loads is not None:
            raise click.UsageError("ports takes no --periodic and no --loads")
        rebalance_ports.rebalance(store, apply=apply, limit=limit, as_json=as_json)
    else:
        rebalance_servers.rebalance(
            store, loads, apply=apply, periodic=periodic, limit=limit, as_json=as_json
        )
