"""What would a new configuration change, and which servers would move?

Pure but for the question to the scheduler, which is asked twice: where
everything would settle as things are, and where with the change. Only the
difference between the two is the change's doing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from vsctl.cli import scheduler
from vsctl.cli.history import Action
from vsctl.cli.placement import Placement
from vsctl.policy import naming
from vsctl.policy.model import Cluster, VirtualServer

SECTIONS = (
    "crm_config",
    "nodes",
    "resources",
    "constraints",
    "fencing-topology",
    "tags",
    "rsc_defaults",
    "op_defaults",
)


@dataclass(frozen=True)
class Edit:
    """One object of the CIB that would be added, changed or removed."""

    verb: str
    kind: str
    id: str


@dataclass(frozen=True)
class Move:
    """A server that would be elsewhere. None as a node: nowhere.

    `explained` says whether the change itself is about this server or its nodes.
    """

    server: str
    origin: str | None
    target: str | None
    explained: bool

    def __str__(self) -> str:
        if self.origin is None:
            return f"{self.server} starts on {self.target}"
        if self.target is None:
            return f"{self.server} stops on {self.origin}"
        return f"{self.server} moves {self.origin} -> {self.target}"


@dataclass(frozen=True)
class Changes:
    """`restarts` and `reloads` are resources of servers that stay where they are.

    `settled` is where everything ends up, None if nothing changes.
    """

    edits: tuple[Edit, ...]
    moves: tuple[Move, ...]
    restarts: tuple[str, ...]
    reloads: tuple[str, ...]
    settled: Placement | None

    @property
    def unexplained(self) -> tuple[Move, ...]:
        return tuple(each for each in self.moves if not each.explained)


def between(old: bytes, new: bytes, before: Cluster | None, after: Cluster) -> Changes:
    """Say what turning the CIB `old` into `new` does; `before` and `after` are the clusters they encode."""
    edits = tuple(edited(etree.fromstring(old), etree.fromstring(new)))
    if not edits:
        return Changes((), (), (), (), None)
    without, with_ = scheduler.settle(old), scheduler.settle(_with_status_of(old, new))
    moves = tuple(moved(without.after, with_.after, before, after))
    moving = {each.server for each in moves}
    done = [
        each
        for each in with_.actions
        if each not in without.actions and _owner(each.resource, after) not in moving
    ]
    reloaded = (each.resource for each in done if each.operation == "reload-agent")
    return Changes(
        edits=edits,
        moves=moves,
        restarts=restarted(done, without.after, with_.after),
        reloads=tuple(dict.fromkeys(reloaded)),
        settled=with_.after,
    )


def restarted(actions: Iterable[Action], before: Placement, after: Placement) -> tuple[str, ...]:
    """Return the resources that were started again on the node where they already were."""
    return tuple(
        dict.fromkeys(
            each.resource
            for each in actions
            if each.operation == "start"
            and before.node_of(each.resource) == after.node_of(each.resource) == each.node
        )
    )


def edited(old: etree._Element, new: etree._Element) -> Iterator[Edit]:
    """Yield the differences of two configurations, object by object, in the order of the sections.

    An object is a child of a section, or of a property set: what has a name
    of its own for an operator.
    """
    was, will = dict(_objects(old)), dict(_objects(new))
    for key in dict.fromkeys((*was, *will)):
        if key not in will:
            yield Edit("remove", *key)
        elif key not in was:
            yield Edit("add", *key)
        elif _plain(was[key]) != _plain(will[key]):
            yield Edit("change", *key)


def moved(old: Placement, new: Placement, before: Cluster | None, after: Cluster) -> Iterator[Move]:
    """Yield the servers of either cluster that end up elsewhere."""
    declared = {each.name: each for each in before.servers} if before else {}
    wanted = {each.name: each for each in after.servers}
    frame_changed = before is None or (before.nodes, before.storage, before.subnets) != (
        after.nodes,
        after.storage,
        after.subnets,
    )
    for name in dict.fromkeys((*declared, *wanted)):
        origin, target = old.node_of(naming.net(name)), new.node_of(naming.net(name))
        if origin != target:
            own = declared.get(name) != wanted.get(name)
            yield Move(name, origin, target, explained=own or frame_changed or origin not in old.online)


def _with_status_of(old: bytes, new: bytes) -> bytes:
    tree = etree.fromstring(new)
    was, status = etree.fromstring(old).find("status"), tree.find("status")
    if was is None or status is None:
        return new
    tree.replace(status, was)
    return etree.tostring(tree)


def _objects(cib: etree._Element) -> Iterator[tuple[tuple[str, str], etree._Element]]:
    for section in SECTIONS:
        for each in cib.iterfind(f"configuration/{section}/*"):
            if each.tag == "cluster_property_set":
                for pair in each.iterfind("nvpair"):
                    yield ("property", pair.get("id", "")), pair
            elif each.tag == "node":
                for pair in each.iterfind("*/nvpair"):
                    kind = "node attribute" if pair.getparent().tag == "instance_attributes" else "node limit"  # type: ignore[union-attr]
                    yield (kind, pair.get("id", "")), pair
            elif isinstance(each.tag, str):
                yield (each.tag.removeprefix("rsc_"), each.get("id", "")), each


def _plain(element: etree._Element) -> bytes:
    """Return an element's canonical text, blanks between elements left out."""
    copy = etree.fromstring(etree.tostring(element), etree.XMLParser(remove_blank_text=True))
    return etree.tostring(copy, method="c14n")


def _owner(resource: str, cluster: Cluster) -> str | None:
    """Return the server a resource belongs to."""
    found: VirtualServer | None = next(
        (each for each in cluster.servers if resource in naming.primitives_of(cluster, each)),
        None,
    )
    return found.name if found else None
