"""Where may a server be at all?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.constraints import ANY_NODE, Location, is_not_node
from vsctl.policy.model import Cluster, VirtualServer


def base(cluster: Cluster) -> tuple[Location, ...]:
    """Give every server a large score everywhere.

    Reasons against a node are smaller: a server leaves for somewhere better
    and stays where there is nowhere.
    """
    return tuple(
        Location(
            "base",
            (server.name,),
            f"{server.name} had better run somewhere bad than not at all",
            resource=naming.group(server.name),
            score=scores.BASE,
            when=ANY_NODE,
        )
        for server in cluster.servers
    )


def allowed_nodes(cluster: Cluster) -> tuple[Location, ...]:
    """Ban every server from the nodes that lack a port or storage it needs, or that the file leaves out.

    Nodes that are in the cluster and not in the file are among them. A node that
    lacks only a subnet, and is listed, is no more than bad (`subnet_loss.refuges`).
    """
    return tuple(
        Location(
            "nodes",
            (server.name,),
            _reason(cluster, server),
            resource=naming.group(server.name),
            score=scores.NEVER,
            when=tuple(is_not_node(node) for node in (*cluster.candidates(server), *cluster.refuges(server))),
        )
        for server in cluster.servers
    )


def _reason(cluster: Cluster, server: VirtualServer) -> str:
    candidates, refuges = cluster.candidates(server), cluster.refuges(server)
    only = f"{server.name} is allowed, and finds its subnets and its storage, on {' '.join(candidates)} only"
    return f"{only}; peers may route to it on {' '.join(refuges)}" if refuges else only
