"""When does a server go back to where it is liked better?

`manual`: what runs stays, its stickiness outweighs every preference. `auto`:
there is no stickiness. `window`: there is none inside the window.

A server that a peer may route to is held by more: where it would go if it had
to leave, lost subnets count, and they must not make it leave.

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

    Not one that is to go home whenever it can, nor one that is to leave a node
    without its ports whenever it can. A pinned one has nowhere to go. One on
    more subnets than can be outweighed would leave when they are lost.
    """
    return (
        cluster.policy.failback.mode is FailbackMode.MANUAL
        and server.on_subnet_loss is OnSubnetLoss.ROUTE
        and not server.pinned
        and not cluster.refuges(server)
        and len(cluster.subnets_of(server)) <= scores.SUBNETS
    )


def stickiness(cluster: Cluster, server: VirtualServer) -> tuple[Pairs, Window | None]:
    """Return what a server's namespace always says, and the window in which it says NONE."""
    failback = cluster.policy.failback
    if failback.mode is FailbackMode.AUTO:
        return NONE, None
    always = ((NAME, str(scores.HELD if holds(cluster, server) else scores.STICKINESS)),)
    if failback.mode is FailbackMode.WINDOW:
        return always, Window(failback.start, failback.end)
    return always, None
