"""What does Pacemaker's own scheduler make of a CIB?

crm_simulate works on CIBs in files only: LiveCluster is not asked, and the
cluster that may be running here is not touched.

It spends nearly all of its time on playing through what it has decided:
minutes for a start of 40 virtual servers on 8 nodes, where deciding takes a
fraction of a second. Here it only decides; what it decided is then written
into the history of the nodes as done (`history`), and it is asked again until
nothing is left to do. Everything decided succeeds: starts that fail are not
foreseen, and the order within a transition is not told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from vsctl.cli import history, placement
from vsctl.cli.history import Action
from vsctl.cli.placement import Placement
from vsctl.cli.programs import Failed, Refused, run

MOST_TRANSITIONS = 20
_STARTS = {"start", "move", "migrate", "restart", "recover"}
_STOPS = {"stop", "move", "migrate"}
_RELOADS = {"reload", "reload-agent"}
_ROLES = {"promote", "demote"}


@dataclass(frozen=True)
class Score:
    """What a resource got for a node in one of the steps of its assignment, in their order."""

    resource: str
    node: str
    step: str
    score: int


@dataclass(frozen=True)
class Decision:
    """What the scheduler makes of a CIB: where all is now, what it would do, and how it weighed the nodes.

    `cib` is the one it was asked about, with what happened before (`events`).
    """

    now: Placement
    actions: tuple[Action, ...]
    fenced: tuple[str, ...]
    scores: tuple[Score, ...]
    cib: bytes


@dataclass(frozen=True)
class Outcome:
    """What became of a CIB: what was done, where all is, and the CIB then."""

    actions: tuple[Action, ...]
    after: Placement
    cib: bytes


def settle(cib: bytes, *, events: Sequence[str] = ()) -> Outcome:
    """Let the scheduler decide until it finds nothing more to do, or only the same again.

    `events` happen first, as options of crm_simulate. Raises Refused if it
    comes to no end, or does not understand the CIB.
    """
    actions: tuple[Action, ...] = ()
    before: tuple[Action, ...] | None = None
    for _ in range(MOST_TRANSITIONS):
        step = decide(cib, events=events)
        if (not step.actions and not step.fenced) or step.actions == before:
            return Outcome(actions, step.now, step.cib)
        actions, before, events = actions + step.actions, step.actions, ()
        cib = history.done(step.cib, step.actions, step.fenced)
    raise Refused(f"the scheduler had not settled after {MOST_TRANSITIONS} transitions")


def decide(cib: bytes, *, events: Sequence[str] = (), scores: bool = False) -> Decision:
    """Ask the scheduler once. `events` happen first, as options of crm_simulate."""
    with TemporaryDirectory(prefix="vsctl-") as directory:
        given, happened = Path(directory, "given.xml"), Path(directory, "happened.xml")
        given.write_bytes(cib)
        try:
            said = run(
                *("crm_simulate", "--xml-file", os.fspath(given), "--run", "--output-as", "xml"),
                *("--save-input", os.fspath(happened)),
                *(["--show-scores"] if scores else []),
                *events,
            )
        except Failed as problem:
            raise Refused(f"Pacemaker's scheduler does not answer for this CIB: {problem}") from None
        result = etree.fromstring(said)
        after = happened.read_bytes() if events else cib
    status = result.find("cluster_status")
    if status is None:
        raise Refused("crm_simulate does not say how the cluster is")
    return Decision(
        now=placement.read(status),
        actions=tuple(_actions(result)),
        fenced=tuple(
            each.get("node", "")
            for each in result.iterfind("actions/node_action")
            if each.get("task", "").startswith("Fence")
        ),
        scores=tuple(_scores(result)),
        cib=after,
    )


def due(cib: bytes) -> frozenset[str]:
    """Return the resources that are about to be started. What only would be, if it could, does not count."""
    try:
        return frozenset(each.resource for each in decide(cib).actions if each.operation == "start")
    except Refused:
        return frozenset()


def _actions(result: etree._Element) -> Iterator[Action]:
    for each in result.iterfind("actions/rsc_action"):
        kind, resource = each.get("action", "").lower(), each.get("resource", "").partition(":")[0]
        if each.get("blocked") == "true":
            continue
        node = each.get("node", "")
        if kind in _STOPS:
            yield Action("stop", resource, each.get("source", node))
        if "unrunnable" in each.get("reason", ""):
            continue  # what hangs on something that cannot start only stops
        if kind in _RELOADS:
            yield Action("reload-agent", resource, node)
        there = each.get("dest") or node or str(each.get("source", ""))
        if kind in _STARTS:
            yield Action("start", resource, there)
        if kind in _ROLES:  # a promotion of what is stopped starts it first, and is told as one
            yield Action(kind, resource, there)


def _scores(result: etree._Element) -> Iterator[Score]:
    for each in result.iterfind("allocations/node_weight"):
        text = each.get("score", "0")
        number = 1_000_000 if text == "INFINITY" else -1_000_000 if text == "-INFINITY" else int(text)
        yield Score(each.get("id", ""), each.get("node", ""), each.get("function", ""), number)
