"""Which resource is where?

Read from the XML that crm_mon and crm_simulate share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lxml import etree


@dataclass(frozen=True)
class Running:
    """One primitive as Pacemaker sees it. `nodes` is empty while it is stopped."""

    resource: str
    nodes: tuple[str, ...]
    failed: bool = False
    blocked: bool = False
    pending: str | None = None


@dataclass(frozen=True)
class NodeState:
    name: str
    online: bool
    unclean: bool = False
    standby: bool = False
    maintenance: bool = False


@dataclass(frozen=True)
class Placement:
    """Everything that runs, and the nodes it could run on."""

    nodes: tuple[NodeState, ...]
    resources: tuple[Running, ...]

    @cached_property
    def _nodes_of(self) -> dict[str, tuple[str, ...]]:
        return {each.resource: each.nodes for each in self.resources}

    def node_of(self, resource: str) -> str | None:
        """Return where a resource runs, None if nowhere."""
        return next(iter(self._nodes_of.get(resource, ())), None)

    def __contains__(self, resource: str) -> bool:
        return resource in self._nodes_of

    @property
    def online(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.nodes if each.online)


def read(status: etree._Element) -> Placement:
    """Return what the element that holds <nodes> and <resources> says."""
    return Placement(
        nodes=tuple(
            NodeState(
                name=each.get("name", ""),
                online=each.get("online") == "true",
                unclean=each.get("unclean") == "true",
                standby=each.get("standby") == "true",
                maintenance=each.get("maintenance") == "true",
            )
            for each in status.iterfind("nodes/node")
        ),
        resources=tuple(
            Running(
                resource=each.get("id", ""),
                nodes=tuple(node.get("name", "") for node in each.iterfind("node"))
                if each.get("active") == "true" or each.get("role") not in (None, "Stopped")
                else (),
                failed=each.get("failed") == "true",
                blocked=each.get("blocked") == "true",
                pending=each.get("pending"),
            )
            for each in status.iterfind("resources//resource")
        ),
    )
