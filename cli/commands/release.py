"""vsctl release: a port, or a storage unit, that is held back because it came and went is all right."""

from __future__ import annotations

import click

from vsctl.cli import configuration, options, output, report
from vsctl.cli.facts import Facts
from vsctl.cli.programs import Failed, Refused, run
from vsctl.cli.report import TROUBLE, UNEASY
from vsctl.cli.store import Store

RELEASE = "ports-release"
HELD = ("waiting", "flapping")


@click.command()
@click.argument("what", metavar="NODE/PORT|NODE/UNIT")
@options.limit
@options.cib
@options.as_json
def release(what: str, limit: float, store: Store, as_json: bool) -> None:
    """Use a port, or a storage unit, of a node again at once that is held back because it came and went.

    Its losses are forgotten. What does not work stays unused: nobody can
    make a dead port good.
    """
    if not store.live:
        raise Refused("release is for the running cluster: no node heeds a CIB in a file")
    _, cluster = configuration.needed(store)
    node, _, name = what.partition("/")
    if not name:
        raise Refused(f"{what} names no port: write NODE/PORT, such as {cluster.nodes[0].name}/{what}")
    there = cluster.node(configuration.node(cluster, node))
    ports = [each.interface for each in there.ports]
    units = [each.name for each in cluster.storage if node in each.nodes]
    configuration.known(name, [*ports, *units], f"port or storage unit of {node}")
    kind = "port" if name in ports else "unit"
    facts = store.facts(report.OF_DAEMONS)
    if node not in facts.placement.online:
        raise Refused(f"{node} is not up: when it comes back it is looked at anew")
    before = _state(facts, node, name, kind)
    if before in HELD:
        _tell(node, name)
        try:
            output.wait(lambda: _missing(store, node, name, kind), limit)
        finally:
            _forget(node)
    elif before != report.GOOD:
        why = (TROUBLE if kind == "port" else UNEASY).get(before, "is not known to work: see `vsctl status`")
        raise Refused(f"{name} of {node} {why}; only what works, and is held back, can be released")
    if as_json:
        output.document({"node": node, kind: name, "before": before, "released": before in HELD})
    else:
        output.say(
            f"{name} of {node} is used again" if before in HELD else f"{name} of {node} is good already"
        )


def _tell(node: str, name: str) -> None:
    command = ("attrd_updater", "--private", "--name", RELEASE, "--node", node, "--update", name)
    try:
        run(*command)
    except Failed as problem:
        raise Refused(f"{node} cannot be told: {problem.reason}") from None


def _forget(node: str) -> None:
    """Take the word back: said once, it is meant once. The daemon does so too when it has heard it."""
    run("attrd_updater", "--private", "--name", RELEASE, "--node", node, "--delete", ok=range(256))


def _missing(store: Store, node: str, name: str, kind: str) -> str | None:
    state = _state(store.facts(report.OF_DAEMONS), node, name, kind)
    return f"{name} of {node} is {state}" if state in HELD else None


def _state(facts: Facts, node: str, name: str, kind: str) -> str:
    attribute = report.STATES if kind == "port" else report.UNITS
    return report.said(facts, node, attribute).get(name, report.UNKNOWN)
