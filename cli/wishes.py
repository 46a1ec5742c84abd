"""What would have to change so that a virtual server runs on a node?

Nothing is said that Pacemaker's scheduler has not confirmed: every set of
changes is made in a copy of the CIB, the smallest first, and the first with
which the server ends up on the node is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from lxml import etree

from vsctl.cli import configuration, faults, scheduler
from vsctl.cli.configuration import Applied
from vsctl.cli.facts import Facts
from vsctl.cli.programs import Refused
from vsctl.policy import mending, naming
from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster, Port, StorageUnit, VirtualServer


@dataclass(frozen=True)
class World:
    """What is configured and how the cluster is."""

    applied: Applied
    cluster: Cluster

    @property
    def hand(self) -> Hand:
        return self.applied.hand


@dataclass(frozen=True)
class Change:
    """`sentence` is what to do; `make` does it to a copy of the world. `obstacle` is what it takes out of the way."""

    obstacle: str
    sentence: str
    make: Callable[[World], World]


def smallest(
    world: World, server: VirtualServer, node: str, obstacles: tuple[Change, ...]
) -> tuple[Change, ...] | None:
    """Return the fewest changes that bring a server to a node, the operator's move last; None if none do."""
    move = _move(server, node)
    for count in range(len(obstacles) + 1):
        for some in combinations(obstacles, count):
            changes = (*some, move)
            if brings(world, server, node, changes):
                return changes
    return None


def brings(world: World, server: VirtualServer, node: str, changes: tuple[Change, ...]) -> bool:
    """Say whether the server ends up on the node when changes are made."""
    try:
        for change in changes:
            world = change.make(world)
    except Refused:
        return False
    return scheduler.settle(world.applied.cib).after.node_of(naming.net(server.name)) == node


def obstacles(world: World, server: VirtualServer, node: str, facts: Facts) -> tuple[Change, ...]:
    """Return everything that weighs more than an operator's move to a node, and what takes it away."""
    return tuple(_obstacles(world, server, node, facts))


def _obstacles(world: World, server: VirtualServer, node: str, facts: Facts) -> Iterator[Change]:
    cluster = world.cluster
    state = next((each for each in facts.placement.nodes if each.name == node), None)
    if state is None or not state.online:
        yield Change(f"{node} is down", f"bring {node} back", lambda it: _up(it, node))
    elif state.standby:
        yield Change(
            f"{node} is in standby",
            f"take {node} out of standby (`pcs node unstandby {node}`)",
            lambda it: _active(it, node),
        )
    if node not in (*cluster.candidates(server), *cluster.refuges(server)):
        ways = mending.another_node(cluster, server, {each.name for each in cluster.nodes} - {node})
        yield Change(
            f"by the cluster file {server.name} cannot run on {node}",
            f"in the cluster file, {' and '.join(ways)}, and `vsctl apply` that",
            lambda it: _allowed(it, server, node),
        )
    if node in world.hand.drained:
        yield Change(f"{node} is drained", f"`vsctl undrain {node}`", lambda it: _undrained(it, node))
    yield from _reported(world, server, node, facts)
    if any(_failures(world, server, node)):
        yield Change(
            f"{server.name} failed too often on {node}",
            f"mend what failed there, then `vsctl cleanup {server.name}`",
            lambda it: _forgiven(it, server, node),
        )


def _reported(world: World, server: VirtualServer, node: str, facts: Facts) -> Iterator[Change]:
    for unit in dict.fromkeys(each.storage for each in server.filesystems):
        attribute = f"storage-{unit}"
        if facts.attribute(node, attribute) == "0":
            yield Change(
                f"{node} has lost {unit}",
                f"let {node} reach {unit} again",
                lambda it, attribute=attribute: _saying(it, node, attribute, "1"),  # type: ignore[misc]
            )
    if facts.attribute(node, "evacuate") == "1":
        yield Change(
            f"{node} asks to be emptied",
            f"mend {node}, so that it no longer asks to be emptied",
            lambda it: _saying(it, node, "evacuate", "0"),
        )


def _move(server: VirtualServer, node: str) -> Change:
    return Change(
        "", f"`vsctl move {server.name} {node}`", lambda it: _with_hand(it, it.hand.move(server.name, node))
    )


def _with_hand(world: World, hand: Hand) -> World:
    return _with(world, world.cluster, hand)


def _with(world: World, cluster: Cluster, hand: Hand) -> World:
    changed = configuration.with_(world.applied, cluster, hand)
    return World(replace(world.applied, cib=changed.cib, cluster=cluster, hand=hand), cluster)


def _cib(world: World, cib: bytes) -> World:
    return replace(world, applied=replace(world.applied, cib=cib))


def _undrained(world: World, node: str) -> World:
    return _with_hand(world, world.hand.undrain(node))


def _up(world: World, node: str) -> World:
    return _cib(world, scheduler.decide(world.applied.cib, events=("--node-up", node)).cib)


def _active(world: World, node: str) -> World:
    tree = etree.fromstring(world.applied.cib)
    for holder in tree.iterfind(f".//*[@uname='{node}']"):
        for pairs in holder.iter("instance_attributes"):
            for pair in pairs.findall("nvpair[@name='standby']"):
                pairs.remove(pair)
    return _cib(world, etree.tostring(tree))


def _saying(world: World, node: str, attribute: str, value: str) -> World:
    return _cib(world, faults.with_attributes(world.applied.cib, node, {attribute: value}))


def _forgiven(world: World, server: VirtualServer, node: str) -> World:
    """Return a world without failures of a server on a node."""
    tree = etree.fromstring(world.applied.cib)
    for pairs, pair in list(_failed(tree, naming.primitives_of(world.cluster, server), node)):
        pairs.remove(pair)
    return _cib(world, etree.tostring(tree))


def _failures(world: World, server: VirtualServer, node: str) -> tuple[str, ...]:
    """Return the attributes that count the failures of a server on a node."""
    tree = etree.fromstring(world.applied.cib)
    mine = naming.primitives_of(world.cluster, server)
    return tuple(pair.get("name", "") for _, pair in _failed(tree, mine, node))


def _failed(
    tree: etree._Element, resources: Collection[str], node: str
) -> Iterator[tuple[etree._Element, etree._Element]]:
    """Yield the counts and times of failures, `fail-count-vs1-net#start_0`, and what holds them."""
    path = f"status/node_state[@uname='{node}']/transient_attributes/instance_attributes"
    for pairs in tree.iterfind(path):
        for pair in pairs:
            name = pair.get("name", "").partition("#")[0]
            for kind in ("fail-count-", "last-failure-"):
                if name.startswith(kind) and name.removeprefix(kind) in resources:
                    yield pairs, pair


def _allowed(world: World, server: VirtualServer, node: str) -> World:
    """Return a world in which the cluster file lets a server run on a node, which has all that it needs."""
    cluster = world.cluster
    units = {each.storage for each in server.filesystems}
    lacking = cluster.lacks(node, server)

    wanted = replace(
        cluster,
        servers=tuple(
            replace(each, nodes=_with_node(cluster, each.nodes, node)) if each.name == server.name else each
            for each in cluster.servers
        ),
        storage=tuple(
            StorageUnit(each.name, _with_node(cluster, each.nodes, node)) if each.name in units else each
            for each in cluster.storage
        ),
        nodes=tuple(
            replace(
                each, ports=(*each.ports, *(Port(f"new{at}", subnet) for at, subnet in enumerate(lacking)))
            )
            if each.name == node
            else each
            for each in cluster.nodes
        ),
    )
    return _with(world, wanted, world.hand)


def _with_node(cluster: Cluster, nodes: tuple[str, ...], node: str) -> tuple[str, ...]:
    return tuple(each.name for each in cluster.nodes if each.name in nodes or each.name == node)
