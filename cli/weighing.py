"""What speaks for each node, and against it, when Pacemaker chooses one for a virtual server?

The rules' own words: every constraint of ours carries its reason in the CIB.
Which of them hold on a node is found out as Pacemaker does, from the
attributes of the node; that the sum is Pacemaker's own is tested.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from vsctl.cib_templates import stored, windows
from vsctl.cli.placement import Placement
from vsctl.policy import naming
from vsctl.policy.constraints import INFINITY, NODE_NAME


@dataclass(frozen=True)
class Weight:
    """What one rule says of a node."""

    rule: str
    score: int
    reason: str


@dataclass(frozen=True)
class Weighed:
    """Everything that counts for a server on a node that differs from node to node, the heaviest first."""

    node: str
    weights: tuple[Weight, ...]

    @property
    def total(self) -> int:
        if any(each.score <= -INFINITY for each in self.weights):
            return -INFINITY
        return sum(each.score for each in self.weights)


def weigh(cib: bytes, server: str, now: Placement, cluster_nodes: tuple[str, ...]) -> tuple[Weighed, ...]:
    """Return what speaks for and against each node as a place for a server."""
    tree = etree.fromstring(cib)
    attributes = _attributes(tree)
    reasons = stored.reasons(tree)
    return tuple(
        Weighed(
            node,
            tuple(
                sorted(
                    _weights(tree, server, node, attributes.get(node, {}), reasons, now),
                    key=lambda each: -abs(each.score),
                )
            ),
        )
        for node in cluster_nodes
    )


def _weights(
    tree: etree._Element,
    server: str,
    node: str,
    attributes: Mapping[str, str],
    reasons: Mapping[str, str],
    now: Placement,
) -> Iterator[Weight]:
    for each in tree.iterfind(f"configuration/constraints/rsc_location[@rsc='{naming.group(server)}']"):
        id = each.get("id", "")
        rule = id.removeprefix("vsctl-").partition("-")[0] if id.startswith("vsctl-") else id
        reason = reasons.get(id, f"the constraint {id}, which is not vsctl's, says so")
        if each.get("node") == node:
            yield Weight(rule, _score(each.get("score")), reason)
        holding = [part for part in each.findall("rule") if _holds(part, {**attributes, NODE_NAME: node})]
        exclusive = each.get("resource-discovery") == "exclusive"
        if exclusive and not holding and each.get("node") != node:
            yield Weight(rule, -INFINITY, reason)
        for part in holding:
            if score := _score(part.get("score")):
                yield Weight(rule, score, reason)
    for each in tree.iterfind(f"configuration/constraints/rsc_colocation[@rsc='{naming.group(server)}']"):
        other = each.get("with-rsc", "")
        if now.node_of(naming.net(other)) == node:
            yield Weight(
                "apart", _score(each.get("score")), reasons.get(each.get("id", ""), f"{other} is there")
            )
    if now.node_of(naming.net(server)) == node:
        sticks = _stickiness(tree, server)
        if sticks:
            yield Weight("runs", sticks, f"{server} runs there, and moving costs its clients something")


def against(tree: etree._Element, nodes: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return for each resource the nodes against which something speaks, and the reason that weighs most.

    Other servers do not count, and of our own rules only those about whole servers.
    """
    attributes, reasons = _attributes(tree), stored.reasons(tree)
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for each in tree.iterfind("configuration/constraints/rsc_location"):
        id, resource = each.get("id", ""), each.get("rsc", "")
        reason = reasons.get(id, f"the constraint {id}, which is not vsctl's, says so")
        for node in nodes:
            scores = [_score(each.get("score"))] if each.get("node") == node else []
            here = {**attributes.get(node, {}), NODE_NAME: node}
            scores += [_score(part.get("score")) for part in each.findall("rule") if _holds(part, here)]
            for score in scores:
                if score < min(0, found.get(resource, {}).get(node, (0, ""))[0]):
                    found.setdefault(resource, {})[node] = (score, reason)
    return {
        resource: {node: reason for node, (_, reason) in by_node.items()}
        for resource, by_node in found.items()
    }


def _stickiness(tree: etree._Element, server: str) -> int:
    path = f"configuration/resources//primitive[@id='{naming.net(server)}']/meta_attributes"
    for group in sorted(tree.iterfind(path), key=lambda each: each.find("rule") is None):
        rule = group.find("rule")
        if rule is None or _holds(rule, {}):
            for pair in group.iterfind("nvpair[@name='resource-stickiness']"):
                return _score(pair.get("value"))
    return 0


def _holds(rule: etree._Element, attributes: Mapping[str, str]) -> bool:
    found = [_true(each, attributes) for each in rule.iterfind("expression")]
    found += [_now(each) for each in rule.iterfind("date_expression")]
    found += [_holds(each, attributes) for each in rule.iterfind("rule")]
    return any(found) if rule.get("boolean-op") == "or" else all(found)


def _true(expression: etree._Element, attributes: Mapping[str, str]) -> bool:
    value = attributes.get(expression.get("attribute", ""))
    match expression.get("operation"):
        case "defined":
            return value is not None
        case "not_defined":
            return value is None
        case "eq":
            return value == expression.get("value")
        case "ne":
            return value != expression.get("value")
    return False


def _now(expression: etree._Element) -> bool:
    """Say whether it is that time of day. What else may be said of dates, and vsctl does not say, is taken to hold."""
    said, now = expression.find("date_spec"), time.localtime()
    return said is None or windows.within(said.get("hours"), said.get("minutes"), now.tm_hour, now.tm_min)


def _attributes(tree: etree._Element) -> dict[str, dict[str, str]]:
    return {
        state.get("uname", ""): {
            pair.get("name", ""): pair.get("value", "")
            for pair in state.iterfind("transient_attributes/instance_attributes/nvpair")
        }
        for state in tree.iterfind("status/node_state")
    }


def _score(text: str | None) -> int:
    if text in ("INFINITY", "+INFINITY"):
        return INFINITY
    return -INFINITY if text == "-INFINITY" else int(text or 0)


def said(weight: Weight) -> str:
    """Return one weight as a line."""
    if weight.score <= -INFINITY:
        return f"never: {weight.reason}"
    return f"{weight.score:+d}: {weight.reason}"
