"""What would Pacemaker decide, without acting it out?

crm_simulate spends nearly all of its time on playing through what it has
decided: minutes for a start of 40 virtual servers on 8 nodes, where deciding
takes a fraction of a second. Here it only decides; what it decided is then
written into the history of the nodes as done, and it is asked again until
nothing is left to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from vsctl.cli import placement
from vsctl.cli.placement import Placement
from vsctl.cli.programs import Failed, Refused, run
from vsctl.cli.scheduler import Action, Outcome, digest

MOST_TRANSITIONS = 20
_STARTS = {"start", "move", "migrate", "restart", "recover"}
_STOPS = {"stop", "move", "migrate"}
_KEY = "1:0:{}:00000000-0000-0000-0000-000000000000"


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


def settle(cib: bytes, *, events: Sequence[str] = ()) -> Outcome:
    """Let the scheduler decide until it finds nothing more to do; as `scheduler.settle`, and much faster.

    Everything decided succeeds: starts that fail are not foreseen.
    """
    actions: tuple[Action, ...] = ()
    before: tuple[Action, ...] | None = None
    for _ in range(MOST_TRANSITIONS):
        step = decide(cib, events=events)
        if (not step.actions and not step.fenced) or step.actions == before:
            return Outcome(actions, step.now, step.cib)
        actions, before, events = actions + step.actions, step.actions, ()
        cib = done(step)
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


def _actions(result: etree._Element) -> Iterator[Action]:
    for each in result.iterfind("actions/rsc_action"):
        kind, resource = each.get("action", "").lower(), each.get("resource", "").partition(":")[0]
        if each.get("blocked") == "true" or "unrunnable" in each.get("reason", ""):
            continue
        node = each.get("node", "")
        if kind in _STOPS:
            yield Action("stop", resource, each.get("source", node))
        if kind in ("reload", "reload-agent"):
            yield Action("reload-agent", resource, node)
        if kind in _STARTS:
            yield Action("start", resource, each.get("dest") or node or str(each.get("source", "")))


def _scores(result: etree._Element) -> Iterator[Score]:
    for each in result.iterfind("allocations/node_weight"):
        text = each.get("score", "0")
        number = 1_000_000 if text == "INFINITY" else -1_000_000 if text == "-INFINITY" else int(text)
        yield Score(each.get("id", ""), each.get("node", ""), each.get("function", ""), number)


def done(decision: Decision) -> bytes:
    """Return the CIB in which everything decided has been done."""
    cib = etree.fromstring(decision.cib)
    states = {each.get("uname", ""): each for each in cib.iterfind("status/node_state")}
    primitives = {each.get("id", ""): each for each in cib.iterfind("configuration/resources//primitive")}
    for node in decision.fenced:
        if node in states:
            del states[node][:]
            states[node].attrib.update(
                {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}
            )
    for action in decision.actions:
        primitive, state = primitives.get(action.resource), states.get(action.node)
        if primitive is None or state is None or action.node in decision.fenced:
            continue
        if action.operation in ("start", "stop"):
            _note(state, primitive, action.operation, cib.get("crm_feature_set", ""))
    return etree.tostring(cib)


def _note(state: etree._Element, primitive: etree._Element, operation: str, feature_set: str) -> None:
    """Write into the history of a node that a resource was started or stopped there."""
    id, resource = state.get("id", ""), primitive.get("id", "")
    held = _child(_child(state, "lrm", {"id": id}), "lrm_resources", {})
    old = next((each for each in held if each.get("id") == resource), None)
    if old is not None:
        held.remove(old)
    kind = {each: primitive.get(each, "") for each in ("class", "provider", "type") if primitive.get(each)}
    entry = etree.SubElement(held, "lrm_resource", {"id": resource, **kind})
    etree.SubElement(
        entry,
        "lrm_rsc_op",
        {
            "id": f"{resource}_last_0",
            "operation_key": f"{resource}_{operation}_0",
            "operation": operation,
            "crm_feature_set": feature_set,
            "transition-key": _KEY.format(0),
            "transition-magic": f"0:0;{_KEY.format(0)}",
            "call-id": "1",
            "rc-code": "0",
            "op-status": "0",
            "interval": "0",
            "op-digest": digest(primitive),
        },
    )


def _child(parent: etree._Element, tag: str, attributes: dict[str, str]) -> etree._Element:
    found = parent.find(tag)
    return etree.SubElement(parent, tag, attributes) if found is None else found
