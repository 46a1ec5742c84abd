"""When is a node asked to let servers go?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.constraints import Condition, Location, Operation, is_node, says
from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster


def evacuation(cluster: Cluster, hand: Hand) -> tuple[Location, ...]:
    """Empty the nodes that an operator drains or that ask for it, as far as there is room elsewhere.

    A drain is written into this rule and survives reboots of the node; a node
    that cannot go on sets its attribute `evacuate`. Both together count
    once. Pinned servers stay: their pin outweighs it.
    """
    drained = tuple(is_node(node) for node in hand.drained)
    named = f"; an operator drains {' '.join(hand.drained)}" if hand.drained else ""
    return tuple(
        Location(
            "evacuate",
            (server.name,),
            f"{server.name} leaves a node that is to be empty{named}",
            resource=naming.group(server.name),
            score=scores.EVACUATE,
            when=(says("evacuate", "1"), *drained),
            any=True,
        )
        for server in cluster.servers
    )


def eviction(cluster: Cluster) -> tuple[Location, ...]:
    """Send one server away from a node that says it should go.

    The node knows what no rule can see: that nobody can route for the server,
    or that it has been routed for too long.
    """
    return tuple(
        Location(
            "evict",
            (server.name,),
            f"{server.name} leaves a node that cannot serve it well",
            resource=naming.group(server.name),
            score=scores.EVICT,
            when=(says(f"evict-{server.name}", "1"),),
        )
        for server in cluster.servers
    )


def unreported(cluster: Cluster) -> tuple[Location, ...]:
    """Like a node that has reported better than one that has not, and any preference better still."""
    return tuple(
        Location(
            "unreported",
            (server.name,),
            f"{server.name} rather starts on a node that has reported its ports and storage",
            resource=naming.group(server.name),
            score=scores.UNREPORTED,
            when=(Condition("node-ok", Operation.NOT_DEFINED),),
        )
        for server in cluster.servers
    )
