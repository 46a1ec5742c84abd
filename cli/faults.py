"""What does a fault look like to Pacemaker?

A fault is typed as KIND:WHERE, such as node:n1 or storage:n1/san1, and becomes
the nodes that leave or the attributes that a node reports of itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lxml import etree

from vsctl.cli import scheduler
from vsctl.cli.configuration import known
from vsctl.cli.programs import Refused
from vsctl.cli.scheduler import Outcome
from vsctl.policy.model import Cluster

FORMS = ("node:NODE", "port:NODE/PORT", "subnet:NODE/SUBNET", "storage:NODE/UNIT")


@dataclass(frozen=True)
class Fault:
    kind: str
    node: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.node}" + (f"/{self.part}" if self.part else "")


def parse(text: str, cluster: Cluster) -> Fault:
    """Return the fault somebody typed, or raise Refused with what can be typed."""
    kind, _, where = text.partition(":")
    node, _, part = where.partition("/")
    parts: dict[str, Callable[[], list[str]]] = {
        "port": lambda: [each.interface for each in cluster.node(node).ports],
        "subnet": lambda: [each.name for each in cluster.subnets],
        "storage": lambda: [each.name for each in cluster.storage],
    }
    if kind not in ("node", *parts) or not where or bool(part) != (kind in parts):
        raise Refused(f"{text} is no failure that can be simulated: write {', '.join(FORMS)}")
    known(node, (each.name for each in cluster.nodes), "node")
    if part:
        known(
            part,
            parts[kind](),
            {"storage": "storage unit"}.get(kind, kind) + (f" of {node}" if kind == "port" else ""),
        )
    return Fault(kind, node, part)


@dataclass(frozen=True)
class Rehearsal:
    """A cluster in which faults happen one after the other; nothing is left to do in `now`."""

    cluster: Cluster
    now: Outcome
    dead_ports: frozenset[tuple[str, str]] = field(default=frozenset())

    def fail(self, fault: Fault) -> Rehearsal:
        """Return the cluster after a fault and all that the scheduler does about it."""
        if fault.kind == "node":
            return replace(self, now=scheduler.settle(self.now.cib, down=[fault.node]))
        dead = self.dead_ports | {(fault.node, fault.part)} if fault.kind == "port" else self.dead_ports
        reported = report(self.now.cib, fault.node, self._reported(fault, dead))
        return replace(self, now=scheduler.settle(reported), dead_ports=dead)

    def _reported(self, fault: Fault, dead: frozenset[tuple[str, str]]) -> dict[str, str]:
        """Return the attributes with which the node would report the fault."""
        if fault.kind == "storage":
            return {f"storage-{fault.part}": "0"}
        if fault.kind == "subnet":
            return {f"subnet-{fault.part}": "0"}
        node = self.cluster.node(fault.node)
        good = [each for each in node.ports if (node.name, each.interface) not in dead]
        subnet = next(each.subnet for each in node.ports if each.interface == fault.part)
        reported = {f"port-{fault.part}": "0", "ports-good": str(len(good))}
        return (
            reported if any(each.subnet == subnet for each in good) else {**reported, f"subnet-{subnet}": "0"}
        )


def report(cib: bytes, node: str, attributes: dict[str, str]) -> bytes:
    """Return a CIB in which a node has reported transient attributes."""
    tree = etree.fromstring(cib)
    state = next((each for each in tree.iterfind("status/node_state") if each.get("uname") == node), None)
    if state is None:
        raise Refused(f"{node} has not joined the cluster: nothing of it can fail")
    id = state.get("id", "")
    transient = state.find("transient_attributes")
    if transient is None:
        transient = etree.SubElement(state, "transient_attributes", id=id)
    pairs = transient.find("instance_attributes")
    if pairs is None:
        pairs = etree.SubElement(transient, "instance_attributes", id=f"status-{id}")
    for name, value in attributes.items():
        for old in [each for each in pairs if each.get("name") == name]:
            pairs.remove(old)
        etree.SubElement(pairs, "nvpair", id=f"status-{id}-{name}", name=name, value=value)
    return etree.tostring(tree)
