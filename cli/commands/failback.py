"""vsctl failback: let servers go where the cluster file wants them."""

from __future__ import annotations

import click
from lxml import etree

from vsctl.cib_templates import stored
from vsctl.cli import configuration, hand, options
from vsctl.cli.store import Store
from vsctl.policy import naming
from vsctl.policy.hand import Hand


@click.command()
@click.argument("server", required=False, shell_complete=hand.name_of_server)
@options.limit
@options.cib
@options.as_json
def failback(server: str | None, limit: float, store: Store, as_json: bool) -> None:
    """Take back moves made by hand and bring servers to where they belong.

    All of them, or SERVER only. Where the cluster file says `failback: manual`,
    a server that a failure drove away stays where it is until this is said.
    """
    applied, cluster = configuration.needed(store)
    names = [configuration.server(cluster, server)] if server else [each.name for each in cluster.servers]
    released = applied.hand
    for each in names:
        released = released.failback(each)
    # Stickiness would hold a server where it is: it is sent home first, and released when it has arrived.
    homeward = _homeward(store, applied.cib, released, names) if store.live else released
    nothing = f"{server} is where it belongs" if server else "every server is where it belongs"
    moves = hand.do(store, applied, cluster, homeward, as_json=as_json, nothing=nothing)
    if homeward != released:
        hand.wait_for(store, cluster, moves, limit)
        arrived = configuration.read(store)
        store.change(arrived.cib, configuration.with_hand(arrived, released).cib)


def _homeward(store: Store, cib: bytes, released: Hand, names: list[str]) -> Hand:
    """Return the hand that sends each server to its best node, as far as it is up, open and not there yet."""
    now, best = store.facts().placement, stored.placed(etree.fromstring(cib))
    for name in names:
        here, home = now.node_of(naming.net(name)), best.get(name)
        if home and here and home != here and home in now.online and home not in released.drained:
            released = released.move(name, home)
    return released
