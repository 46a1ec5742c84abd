"""What have the node daemons measured?

Each tells what is on its node in one private attribute, in the form of
`docs/contracts.md`. The same can be written down and read again as JSON: what
`vsctl top --json` prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from vsctl.cli.facts import Facts
from vsctl.cli.programs import Refused
from vsctl.policy import naming
from vsctl.policy.load import Load, Measured, Size

LOAD = "load"
OF_DAEMONS = (LOAD,)
"""The private node attributes that `read` needs."""

T = TypeVar("T", Load, Size)

WHOLE = ("memory", "clients", "locks")
"""What is counted in whole numbers."""


def read(facts: Facts) -> Measured:
    """Return what the daemons of the nodes that are up say; of each server only its own node is heard.

    What a daemon says holds as long as it works, by Pacemaker, which asks it every ten seconds: clocks of nodes
    may differ. One that has died or hangs says nothing any more. What its node could carry has not changed.
    """
    servers, nodes, capacities, silent = {}, {}, {}, []
    working = facts.working(naming.DAEMON)
    for node in facts.placement.online:
        text = facts.attribute(node, LOAD)
        if not text:
            continue
        own, *others = (each.split() for each in text.split(";"))
        told = _pairs(own)
        if size := _made(Size, {name: said.partition("/")[2] for name, said in told.items() if "/" in said}):
            capacities[node] = size
        if node not in working:
            silent.append(node)
            continue
        if load := _made(Load, {name: said.partition("/")[0] for name, said in told.items()}):
            nodes[node] = load
        for server, *words in filter(None, others):
            load = _made(Load, _pairs(words))
            if load and facts.placement.node_of(naming.net(server)) == node:
                servers[server] = load
    return Measured(servers, nodes, capacities, tuple(silent))


def silence(measured: Measured) -> Iterator[str]:
    """Say whose load is not known any more, and what counts instead."""
    for node in measured.silent:
        yield (
            f"the daemon of {node} does not work, and what it said of its load is old: its virtual servers count with "
            "what the cluster file expects of them, or else as average ones; see `vsctl status`"
        )


def document(
    measured: Measured, nodes: Mapping[str, str], servers: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return what `vsctl top --json` prints. `nodes` has the state of each node, `servers` the node of each server."""
    return {
        "nodes": [
            {
                "name": name,
                "state": state,
                "load": _value(measured.nodes.get(name)),
                "capacity": _value(measured.capacities.get(name)),
                "silent": name in measured.silent,
            }
            for name, state in nodes.items()
        ],
        "servers": [
            {"name": name, "node": node, "load": _value(measured.servers.get(name))}
            for name, node in servers.items()
        ],
    }


def from_file(path: Path) -> Measured:
    """Return what a file says that holds such a document; only names and numbers are needed."""
    try:
        found = json.loads(path.read_text())
    except OSError as problem:
        raise Refused(
            f"{path}: {problem.strerror}; name a file with what `vsctl top --json` prints"
        ) from None
    except ValueError as problem:
        raise Refused(f"{path}: {problem}; loads are what `vsctl top --json` prints") from None
    return from_document(found, str(path))


def from_document(found: Any, source: str) -> Measured:
    """Return what a document says; `source` is what to call it if it cannot be understood."""
    return Measured(
        servers=_listed(found, "servers", "load", Load, source),
        nodes=_listed(found, "nodes", "load", Load, source),
        capacities=_listed(found, "nodes", "capacity", Size, source),
        silent=_silent(found),
    )


def _listed(found: Any, things: str, what: str, kind: type[T], source: str) -> dict[str, T]:
    """Return what is said of each thing of which something is said."""
    entries = found.get(things, []) if isinstance(found, dict) else None
    if not isinstance(entries, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in entries
    ):
        raise Refused(f"{source} has no list of {things} with their names, as `vsctl top --json` prints it")
    values = {}
    for entry in entries:
        if entry.get(what) is not None:
            value = _made(kind, entry[what])
            if value is None:
                words = ", ".join(each.name for each in fields(kind))
                raise Refused(f"{source}: the {what} of {entry['name']} needs numbers from 0 up: {words}")
            values[entry["name"]] = value
    return values


def _silent(found: Any) -> tuple[str, ...]:
    """Return the nodes that say nothing, as far as it is told; their names have been looked at before."""
    return tuple(each["name"] for each in found.get("nodes", []) if each.get("silent") is True)


def _made(kind: type[T], said: Any) -> T | None:
    """Return what numbers, or words for them, by name say; None unless all that are needed are there and are right."""
    try:
        found = {
            each.name: float(said[each.name]) for each in fields(kind) if said.get(each.name) is not None
        }
    except (AttributeError, TypeError, ValueError):
        return None
    needed = {each.name for each in fields(kind) if each.default is MISSING}
    if not needed <= set(found) or not all(0 <= each < inf for each in found.values()):
        return None
    values: dict[str, Any] = {name: int(each) if name in WHOLE else each for name, each in found.items()}
    return kind(**values)


def _pairs(words: list[str]) -> dict[str, str]:
    return dict(each.split("=", 1) for each in words if "=" in each)


def _value(value: Load | Size | None) -> dict[str, Any] | None:
    return None if value is None else asdict(value)
