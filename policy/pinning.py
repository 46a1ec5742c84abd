"""Which servers stay put when their node fails?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.constraints import Location, is_not_node
from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster
from vsctl.policy.placement import Placement


def pinning(cluster: Cluster, hand: Hand, placement: Placement) -> tuple[Location, ...]:
    """Keep a pinned server from every node but its home, for whatever cause.

    It waits for its node. An operator's move puts another node in the place of
    the home until `failback`.
    """
    found = []
    for server in cluster.servers:
        if not server.pinned:
            continue
        moved = hand.moved_to(server.name)
        node = moved or server.home or placement.first(server.name)
        reason = f"{server.name} does not migrate: it runs on {node} or waits"
        if moved:
            reason += f"; an operator moved it there, `vsctl failback {server.name}` takes it back"
        found.append(
            Location(
                "pin",
                (server.name,),
                reason,
                resource=naming.group(server.name),
                score=scores.PINNED,
                when=(is_not_node(node),),
            )
        )
    return tuple(found)
