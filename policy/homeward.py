"""When does a server that is held go back to its home?

One that is held (`failback.holds`) sticks to where it is also while it may go
home, or a lost subnet would make it leave instead of being routed. So what
brings it home is its home.
"""

from __future__ import annotations

from vsctl.policy import failback, naming, scores
from vsctl.policy.candidates import Lists
from vsctl.policy.constraints import Location, does_not_say, is_node, says
from vsctl.policy.model import Cluster, FailbackMode
from vsctl.policy.subnet_loss import attribute


def homeward(cluster: Cluster, lists: Lists) -> tuple[Location, ...]:
    """Bring a server back to the node that it likes best, if the cluster file lets it go by itself.

    At once or in the window; when the node has reported that it can announce all
    addresses of the server, directly or by host route. While it cannot, nothing
    calls the server there, nor holds it there more than elsewhere: if it has to
    leave a node, it goes where most of its addresses can be announced.
    """
    if cluster.policy.failback.mode is FailbackMode.MANUAL:
        return ()
    return tuple(
        Location(
            "home",
            (server.name,),
            f"{server.name} goes back to {home}, which can announce all its addresses",
            resource=naming.group(server.name),
            score=scores.homeward(len(cluster.subnets_of(server))),
            when=(
                is_node(home),
                says("node-ok", "1"),
                *(does_not_say(attribute(subnet.name), "0") for subnet in cluster.subnets_of(server)),
            ),
            during=failback.window(cluster),
        )
        for server in cluster.servers
        if failback.holds(cluster, server)
        for home in lists[server.name][:1]
    )
