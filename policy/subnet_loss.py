"""When does a lost subnet cost a server its node?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.constraints import Location, says
from vsctl.policy.model import Cluster


def subnet_loss(cluster: Cluster) -> tuple[Location, ...]:
    """Send a server from a node where its addresses cannot be announced to one where they can.

    Every subnet counts for itself: of two bad nodes the one with fewer lost
    subnets is better. This holds for `on_subnet_loss: route` as well, as long
    as announcers do not leave their server.
    """
    return tuple(
        Location(
            "subnet",
            (server.name, subnet.name),
            f"{server.name} leaves a node where {subnet.name} is lost for one where it is not",
            resource=naming.group(server.name),
            score=scores.SUBNET_LOST,
            when=(says(f"subnet-{subnet.name}", "0"),),
        )
        for server in cluster.servers
        for subnet in cluster.subnets_of(server)
    )
