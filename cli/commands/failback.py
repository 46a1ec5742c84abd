"""vsctl failback: let servers go where the cluster file wants them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click
from lxml import etree

from vsctl.cib_templates import stored
from vsctl.cli import configuration, hand, options
from vsctl.cli.configuration import Applied
from vsctl.cli.hand import Stay
from vsctl.cli.placement import Placement
from vsctl.cli.store import Store
from vsctl.policy import naming
from vsctl.policy.hand import Hand


@click.command()
@click.argument("server", metavar="[VS]", required=False, shell_complete=hand.name_of_server)
@options.limit
@options.cib
@options.as_json
def failback(server: str | None, limit: float, store: Store, as_json: bool) -> None:
    """Bring virtual servers home and take back moves made by hand.

    All of them, or VS only. Where the cluster file says `failback: manual`, a
    server that a failure drove away stays where it is until this is said.
    """
    applied, cluster = configuration.needed(store)
    names = [configuration.server(cluster, server)] if server else [each.name for each in cluster.servers]
    released, now = _released(applied.hand, names), store.facts().placement
    homes = stored.placed(etree.fromstring(configuration.with_hand(applied, released).cib))
    # Stickiness would hold a server where it is: it is sent home first, and released when it has arrived.
    homeward = released
    for name in _away(names, homes, now) if store.live else ():
        if homes[name] in now.online and homes[name] not in released.drained:
            homeward = homeward.move(name, homes[name])
    done = hand.put(store, applied, cluster, homeward)
    stays = _stays(names, homes, now.online, released, done.settled)
    nothing = f"{server} is where it belongs" if server else "every server is where it belongs"
    hand.tell(done, tuple(stays), as_json=as_json, nothing=nothing)
    if homeward != released:
        hand.wait_for(store, cluster, done.moves, limit)
        _release(store, configuration.read(store), names)


def _release(store: Store, arrived: Applied, names: Iterable[str]) -> None:
    store.change(arrived.cib, configuration.with_hand(arrived, _released(arrived.hand, names)).cib)


def _released(hand: Hand, names: Iterable[str]) -> Hand:
    for each in names:
        hand = hand.failback(each)
    return hand


def _away(names: Iterable[str], homes: dict[str, str], now: Placement) -> Iterator[str]:
    """Yield the servers that run, and not where they belong."""
    for name in names:
        here = now.node_of(naming.net(name))
        if here is not None and homes.get(name, here) != here:
            yield name


def _stays(
    names: Iterable[str], homes: dict[str, str], online: Sequence[str], released: Hand, settled: Placement
) -> Iterator[Stay]:
    """Yield the servers that do not go home, and why."""
    for name in _away(names, homes, settled):
        home, here = homes[name], settled.node_of(naming.net(name)) or ""
        if home not in online:
            why = f"{home}, where it belongs, is down; say `vsctl failback {name}` again when it is back"
        elif home in released.drained:
            why = f"{home}, where it belongs, is drained; `vsctl undrain {home}` first"
        else:
            why = f"on a running cluster `vsctl failback {name}` would bring it to {home}"
        yield Stay(name, here, why)
