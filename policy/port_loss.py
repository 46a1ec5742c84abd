"""When does a dead port cost a server its node?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.constraints import Location, says
from vsctl.policy.model import Cluster


def port_loss(cluster: Cluster) -> tuple[Location, ...]:
    """Send every server away from a node without a single good port.

    Losing one port is the announcer's business: the next one takes over. Losing
    the last one of a subnet is `subnet_loss`.
    """
    return tuple(
        Location(
            "ports",
            (server.name,),
            f"{server.name} leaves a node that has no good port at all",
            resource=naming.group(server.name),
            score=scores.NO_PORT,
            when=(says("ports-good", "0"),),
        )
        for server in cluster.servers
    )
