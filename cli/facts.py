"""What does Pacemaker say of the cluster just now?

Read from the XML of crm_mon, which speaks the same of a running cluster and
of a CIB in a file.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from vsctl.cli import placement
from vsctl.cli.placement import Placement

_TIME = "%a %b %d %H:%M:%S %Y"


@dataclass(frozen=True)
class Failed:
    """An action that ended badly: what Pacemaker lists as a failed resource action."""

    resource: str
    action: str
    node: str
    status: str
    reason: str


@dataclass(frozen=True)
class Tries:
    """How often a resource failed on a node, and how often it may before it is banned there."""

    resource: str
    node: str
    failures: int
    limit: int

    @property
    def banned(self) -> bool:
        return self.failures >= self.limit


@dataclass(frozen=True)
class Started:
    """When a resource was last started successfully on a node, in seconds since the epoch."""

    resource: str
    node: str
    when: float


@dataclass(frozen=True)
class Attribute:
    node: str
    name: str
    value: str


@dataclass(frozen=True)
class Fenced:
    """One fencing of a node: what was asked, by whom, and how it ended."""

    target: str
    action: str
    status: str
    when: str


@dataclass(frozen=True)
class Facts:
    """Everything crm_mon tells that vsctl shows. `dc` is None while no node leads."""

    placement: Placement
    dc: str | None
    quorum: bool
    stonith: bool
    failed: tuple[Failed, ...]
    tries: tuple[Tries, ...]
    started: tuple[Started, ...]
    attributes: tuple[Attribute, ...]
    fenced: tuple[Fenced, ...]

    def since(self, resource: str, node: str) -> float | None:
        """Return when a resource was started where it runs, None if that is not known any more."""
        return max(
            (each.when for each in self.started if (each.resource, each.node) == (resource, node)),
            default=None,
        )

    def working(self, resource: str) -> frozenset[str]:
        """Return the nodes on which a resource, or an instance of it, runs and has not failed."""
        return frozenset(
            node
            for each in self.placement.resources
            if each.resource == resource and not each.failed
            for node in each.nodes
        )

    def attribute(self, node: str, name: str) -> str | None:
        return next((each.value for each in self.attributes if (each.node, each.name) == (node, name)), None)


def read(mon: etree._Element, private: Iterable[etree._Element] = ()) -> Facts:
    """Return what the <pacemaker-result> of crm_mon says.

    `private` are results of attrd_updater, with attributes that crm_mon does not see.
    """
    leader = mon.find("summary/current_dc")
    options = mon.find("summary/cluster_options")
    histories = [
        (node.get("name", ""), history)
        for node in mon.iterfind("node_history/node")
        for history in node.iterfind("resource_history")
    ]
    return Facts(
        placement=placement.read(mon),
        dc=leader.get("name") if leader is not None and leader.get("present") == "true" else None,
        quorum=leader is not None and leader.get("with_quorum") == "true",
        stonith=options is not None and options.get("stonith-enabled") == "true",
        failed=tuple(_failed(each) for each in mon.iterfind("failures/failure")),
        tries=tuple(
            Tries(
                history.get("id", ""),
                node,
                _count(history.get("fail-count")),
                _count(history.get("migration-threshold")),
            )
            for node, history in histories
            if history.get("fail-count") not in (None, "0")
        ),
        started=tuple(
            Started(history.get("id", ""), node, _when(each.get("last-rc-change", "")))
            for node, history in histories
            for each in history.iterfind("operation_history")
            if each.get("task") == "start" and each.get("rc") == "0" and each.get("last-rc-change")
        ),
        attributes=tuple(
            Attribute(node.get("name", ""), each.get("name", ""), each.get("value", ""))
            for node in mon.iterfind("node_attributes/node")
            for each in node.iterfind("attribute")
        )
        + tuple(
            Attribute(each.get("host", ""), each.get("name", ""), each.get("value", ""))
            for result in private
            for each in result.iterfind("attribute")
        ),
        fenced=tuple(
            Fenced(
                each.get("target", ""),
                each.get("action", ""),
                each.get("status", ""),
                each.get("completed", ""),
            )
            for each in mon.iterfind("fence_history/fence_event")
        ),
    )


def _failed(failure: etree._Element) -> Failed:
    resource, _, action = failure.get("op_key", "").rpartition("_")[0].rpartition("_")
    return Failed(
        resource=resource,
        action=action,
        node=failure.get("node", ""),
        status=failure.get("exitstatus", ""),
        reason=failure.get("exitreason", "") or failure.get("status", ""),
    )


def _count(text: str | None) -> int:
    return 1_000_000 if text in (None, "INFINITY") else int(text)


def _when(text: str) -> float:
    return time.mktime(time.strptime(text.rstrip("Z"), _TIME)) if text else 0.0
