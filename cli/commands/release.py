"""vsctl release: a port that is held back because it came and went is all right."""

from __future__ import annotations

import click

from vsctl.cli import configuration, options, output, report
from vsctl.cli.facts import Facts
from vsctl.cli.programs import Failed, Refused, run
from vsctl.cli.report import TROUBLE
from vsctl.cli.store import Store

RELEASE = "ports-release"
HELD = ("waiting", "flapping")


@click.command()
@click.argument("port", metavar="NODE/PORT")
@options.limit
@options.cib
@options.as_json
def release(port: str, limit: float, store: Store, as_json: bool) -> None:
    """Use a port again at once that is held back because it came and went.

    Its losses are forgotten. A port that does not work stays unused: nobody can
    make a dead port good.
    """
    if not store.live:
        raise Refused("release is for the running cluster: no node heeds a CIB in a file")
    _, cluster = configuration.needed(store)
    node, _, name = port.partition("/")
    if not name:
        raise Refused(f"{port} names no port: write NODE/PORT, such as {cluster.nodes[0].name}/{port}")
    there = cluster.node(configuration.node(cluster, node))
    configuration.known(name, (each.interface for each in there.ports), f"port of {node}")
    facts = store.facts(report.OF_DAEMONS)
    if node not in facts.placement.online:
        raise Refused(f"{node} is not up: when it comes back its ports are looked at anew")
    before = _state(facts, node, name)
    if before in HELD:
        _tell(node, name)
        try:
            output.wait(lambda: _missing(store, node, name), limit)
        finally:
            _forget(node)
    elif before != report.GOOD:
        why = TROUBLE.get(before, "is not known to its node's daemon: see `vsctl status`")
        raise Refused(f"{name} of {node} {why}; only a port that works can be released")
    if as_json:
        output.document({"node": node, "port": name, "before": before, "released": before in HELD})
    else:
        output.say(
            f"{name} of {node} is used again" if before in HELD else f"{name} of {node} is good already"
        )


def _tell(node: str, port: str) -> None:
    command = ("attrd_updater", "--private", "--name", RELEASE, "--node", node, "--update", port)
    try:
        run(*command)
    except Failed as problem:
        raise Refused(f"{node} cannot be told: {problem.reason}") from None


def _forget(node: str) -> None:
    """Take the word back: said once, it is meant once. The daemon does so too when it has heard it."""
    run("attrd_updater", "--private", "--name", RELEASE, "--node", node, "--delete", ok=range(256))


def _missing(store: Store, node: str, port: str) -> str | None:
    state = _state(store.facts(report.OF_DAEMONS), node, port)
    return f"{port} of {node} is {state}" if state in HELD else None


def _state(facts: Facts, node: str, port: str) -> str:
    return report.said(facts, node, report.STATES).get(port, report.UNKNOWN)
