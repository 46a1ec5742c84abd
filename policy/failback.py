"""What holds a server where it runs, and until when?

`manual`: what runs stays, its stickiness outweighs every preference. `auto`:
there is no stickiness. `window`: there is none inside the window.

A server that a peer may route to is held by more, and always: where it would go
if it had to leave, lost subnets count, and they must not make it leave. What
brings it home all the same is `homeward`.

Stickiness sits on the network namespace alone. A group's stickiness is the sum
over its running members: were it on all of them, a server with a blocked
filesystem would weigh less and go home just for that.
"""

from __future__ import annotations

from vsctl.policy import scores
from vsctl.policy.model import Cluster, FailbackMode, OnSubnetLoss, VirtualServer
from vsctl.policy.resources import Pairs, Window

NAME = "resource-stickiness"
NONE: Pairs = ((NAME, "0"),)


def holds(cluster: Cluster, server: VirtualServer) -> bool:
    """Say whether a server stays on a node that has lost all its subnets by what holds it there alone.

    Not one that is to leave a node without its ports whenever it can. A pinned
    one has nowhere to go. One on more subnets than can be outweighed would leave
    when they are lost.
    """
    return (
        server.on_subnet_loss is OnSubnetLoss.ROUTE
        and not server.pinned
        and not cluster.refuges(server)
        and len(cluster.subnets_of(server)) <= scores.SUBNETS
    )


def window(cluster: Cluster) -> Window | None:
    """Return the part of the day in which servers go back by themselves, None where that is always or never."""
    failback = cluster.policy.failback
    return Window(failback.start, failback.end) if failback.mode is FailbackMode.WINDOW else None


def stickiness(cluster: Cluster, server: VirtualServer) -> tuple[Pairs, Window | None]:
    """Return what a server's namespace always says, and the window in which it says NONE."""
    if holds(cluster, server):
        return ((NAME, str(scores.held(len(cluster.subnets_of(server))))),), None
    if cluster.policy.failback.mode is FailbackMode.AUTO:
        return NONE, None
    return ((NAME, str(scores.STICKINESS)),), window(cluster)
