"""When does a dead port cost a server its node?"""

from __future__ import annotations

from collections.abc import Collection

from vsctl.policy import failback, naming, scores
from vsctl.policy.constraints import Location, says
from vsctl.policy.model import Cluster, OnSubnetLoss


def port_loss(cluster: Cluster, moving: Collection[str] = ()) -> tuple[Location, ...]:
    """Send a server that would be routed from a node without a single good port: nobody can route to it there.

    Losing one port is the announcer's business: the next one takes over. Losing
    the last one of a subnet is `subnet_loss`, which is all that a server needs
    that moves for it. Where lost subnets count for a routed server, too, this
    alone is not enough to leave: it goes only where an address of it can be announced.
    While one is `moving`, and sticks to no node, it is not held.
    """
    return tuple(
        Location(
            "ports",
            (server.name,),
            f"{server.name} leaves a node that has no good port at all",
            resource=naming.group(server.name),
            score=scores.cut_off(len(cluster.subnets_of(server)))
            if failback.holds(cluster, server) and server.name not in moving
            else scores.NO_PORT,
            when=(says("ports-good", "0"),),
        )
        for server in cluster.servers
        if server.on_subnet_loss is OnSubnetLoss.ROUTE
    )
