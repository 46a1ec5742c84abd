"""vsctl events: what happened to ports, subnets, addresses, routes, storage and filesystems."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NoReturn

import click

from vsctl.cli import configuration, hand, options, output
from vsctl.cli import events as history
from vsctl.cli.events import Event
from vsctl.cli.programs import Refused
from vsctl.cli.store import Store

EVERY = 1.0
SHOWN = 40


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1, shell_complete=hand.name_of_node)
@click.option("--all", "everything", is_flag=True, help="Show all that is known, not only the last 40.")
@click.option("--follow", is_flag=True, help="Go on and show what happens, until Ctrl-C.")
@options.cib
@options.as_json
def events(nodes: tuple[str, ...], everything: bool, follow: bool, store: Store, as_json: bool) -> None:
    """Show what happened to ports, subnets, addresses, storage and filesystems.

    With names of nodes, on these. Each node tells its last 60 events, and keeps
    a thousand in /var/log/vsctl/events. A node that is down tells nothing.

    With --follow, --json prints one JSON object a line.
    """
    _, cluster = configuration.needed(store)
    for each in nodes:
        configuration.node(cluster, each)
    seen = _events(store, nodes)
    shown = seen if everything else seen[-SHOWN:]
    if follow and store.live:
        _follow(store, nodes, shown, set(seen), as_json)
    if as_json:
        output.document({"events": [_as_value(each) for each in shown]})
    elif shown:
        click.echo("\n".join(_line(each) for each in shown))
    else:
        output.say("nothing has happened that a node knows of; or no node daemon runs, see `vsctl status`")


def _events(store: Store, nodes: Sequence[str]) -> tuple[Event, ...]:
    return tuple(
        each for each in history.of(store.facts((history.EVENTS,))) if not nodes or each.node in nodes
    )


def _follow(
    store: Store, nodes: Sequence[str], shown: Sequence[Event], seen: set[Event], as_json: bool
) -> NoReturn:
    """Show what is new again and again; a cluster that does not answer may do so again."""
    fresh = list(shown)
    while True:
        for each in fresh:
            click.echo(json.dumps(_as_value(each)) if as_json else _line(each))
        seen.update(fresh)
        time.sleep(EVERY)
        try:
            fresh = [each for each in _events(store, nodes) if each not in seen]
        except Refused:
            fresh = []


def _line(event: Event) -> str:
    when = time.strftime("%b %d %H:%M:%S", time.localtime(event.at))
    return output.fold(f"{when}  {event.node:<4}  {event.sentence}", " " * 23)


def _as_value(event: Event) -> dict[str, Any]:
    return {**asdict(event), "sentence": event.sentence}
