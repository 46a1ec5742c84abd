"""How many nodes does Pacemaker keep in view for each server?

Most of what it reads and weighs is history: a line for each resource and each
node that it was ever looked for on. A server that has a few candidates is looked
for, and started, on those alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

from vsctl.policy import naming, serving
from vsctl.policy.constraints import Location, is_node
from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster, VirtualServer
from vsctl.policy.placement import Placement

LEAST = 3
"""So many candidates survive the loss of any two nodes."""

Lists = Mapping[str, tuple[str, ...]]
"""For each server the nodes it may be on, best first."""
Running = Mapping[str, Collection[str]]
"""For each server the nodes where it is."""
NOWHERE: Running = MappingProxyType({})


def listed(cluster: Cluster, hand: Hand, placement: Placement, running: Running = NOWHERE) -> Lists:
    """Return where each server may be: everywhere it can, or on as many of its best nodes as the file says.

    A drained node takes nobody, so another one is added for it. The node to which an
    operator moves the server is added, and where it runs is never taken away from it.
    """
    most = cluster.policy.candidates
    return {
        server.name: placement.ranks(server.name)
        if most is None
        else _best(
            placement.ranks(server.name),
            most,
            hand.drained,
            {hand.moved_to(server.name), *running.get(server.name, ())},
        )
        for server in cluster.servers
    }


def _best(
    ranks: tuple[str, ...], most: int, drained: Collection[str], too: Collection[str | None]
) -> tuple[str, ...]:
    taken, able = [], 0
    for node in ranks:
        if able < most or node in too:
            taken.append(node)
        able += node not in drained
    return tuple(taken)


def candidates(cluster: Cluster, lists: Lists) -> tuple[Location, ...]:
    """Let Pacemaker look for everything of a server on its candidates only.

    A node that the operator has listed as a last resort is always one. Where a
    server has fewer nodes than it might, its storage being on no more, its
    addresses may be announced anywhere: else too few would be left to route.
    """
    if cluster.policy.candidates is None:
        return ()
    return tuple(
        Location(
            "candidates",
            (part.id,),
            f"{server.name} is kept to {' '.join(nodes)}, so that failovers are decided fast; a move adds its node",
            resource=part.id,
            score=0,
            when=tuple(is_node(node) for node in nodes),
            any=True,
            only=True,
        )
        for server in cluster.servers
        for nodes in [_nodes(cluster, server, lists)]
        for free in [
            _announcers(cluster, server) if len(lists[server.name]) < cluster.policy.candidates else ()
        ]
        for part in serving.of(cluster, server)
        if part.id not in free
    )


def _announcers(cluster: Cluster, server: VirtualServer) -> tuple[str, ...]:
    return tuple(naming.announcer(server.name, each.name) for each in cluster.subnets_of(server))


def narrowed(cluster: Cluster, lists: Lists) -> Cluster:
    """Return the cluster as Pacemaker sees it: each server allowed on its candidates alone."""
    if cluster.policy.candidates is None:
        return cluster
    return replace(
        cluster,
        servers=tuple(
            replace(each, nodes=_nodes(cluster, each, lists)) if each.name in lists else each
            for each in cluster.servers
        ),
    )


def _nodes(cluster: Cluster, server: VirtualServer, lists: Lists) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*lists[server.name], *cluster.refuges(server))))
