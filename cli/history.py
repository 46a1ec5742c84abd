"""What does a CIB look like once the scheduler's decisions have been carried out?

Pure. A node's history is what Pacemaker decides by: what was started and
stopped there, and with which parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lxml import etree

from vsctl.cib_templates.timings import declared

_OURS = "vsctl"
_KEY = "1:0:0:00000000-0000-0000-0000-000000000000"
"""Of an operation: number of its action, of the transition, status wanted, and whose transition."""


@dataclass(frozen=True)
class Action:
    """Something done to a resource: start, stop, promote, demote or reload-agent."""

    operation: str
    resource: str
    node: str


def done(cib: bytes, actions: Iterable[Action], fenced: Collection[str]) -> bytes:
    """Return the CIB when all of this has been done, and has succeeded."""
    tree = etree.fromstring(cib)
    states = {each.get("uname", ""): each for each in tree.iterfind("status/node_state")}
    primitives = {each.get("id", ""): each for each in tree.iterfind("configuration/resources//primitive")}
    for node in fenced:
        if node in states:
            del states[node][:]
            states[node].attrib.update(
                {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}
            )
    for action in actions:
        if action.node in states and action.node not in fenced:
            _note(
                states[action.node], primitives.get(action.resource), action, tree.get("crm_feature_set", "")
            )
    return etree.tostring(tree)


def digest(primitive: etree._Element, names: Collection[str] | None = None) -> str:
    """Return the digest of the parameters of a primitive, or of some of them, as Pacemaker notes it with a start.

    It is that of calculate_xml_digest_v1 in Pacemaker's lib/common/digest.c.
    """
    given = {
        each.get("name", ""): each.get("value", "")
        for each in primitive.iterfind("instance_attributes/nvpair")
        if names is None or each.get("name") in names
    }
    parameters = etree.tostring(etree.Element("parameters", dict(sorted(given.items()))))
    return hashlib.md5(b" " + parameters + b"\n", usedforsecurity=False).hexdigest()


def _note(state: etree._Element, primitive: etree._Element | None, action: Action, feature_set: str) -> None:
    """Write an action into the history of a node. What is not configured any more is forgotten when it has stopped."""
    held = _child(_child(state, "lrm", {"id": state.get("id", "")}), "lrm_resources", {})
    newest = max((int(each.get("call-id", "0")) for each in held.iter("lrm_rsc_op")), default=0)
    failures = []
    for old in [each for each in held if each.get("id") == action.resource]:
        failures += [each for each in old if each.get("id", "").endswith("_last_failure_0")]
        held.remove(old)
    if primitive is None:
        return
    kind = {each: primitive.get(each, "") for each in ("class", "provider", "type") if primitive.get(each)}
    operation = "start" if action.operation == "reload-agent" else action.operation
    entry = etree.SubElement(held, "lrm_resource", {"id": action.resource, **kind})
    entry.extend(failures)
    etree.SubElement(
        entry,
        "lrm_rsc_op",
        {
            "id": f"{action.resource}_last_0",
            "operation_key": f"{action.resource}_{operation}_0",
            "operation": operation,
            "crm_feature_set": feature_set,
            "transition-key": _KEY,
            "transition-magic": f"0:0;{_KEY}",
            "call-id": str(newest + 1),
            "rc-code": "0",
            "op-status": "0",
            "interval": "0",
            "op-digest": digest(primitive),
            **_not_reloadable(primitive),
        },
    )


def _not_reloadable(primitive: etree._Element) -> dict[str, str]:
    """Return how the executor notes with a start which parameters cannot change without another one."""
    if primitive.get("provider") != _OURS:
        return {}
    fixed = {each.name for each in declared(primitive.get("type", "")).params() if not each.reloadable}
    return {"op-force-restart": f" {' '.join(sorted(fixed))} ", "op-restart-digest": digest(primitive, fixed)}


def _child(parent: etree._Element, tag: str, attributes: dict[str, str]) -> etree._Element:
    found = parent.find(tag)
    return etree.SubElement(parent, tag, attributes) if found is None else found
