"""Who evens out the load, and when?"""

from __future__ import annotations

from vsctl.policy import daemon, naming, parameters
from vsctl.policy.model import BalanceMode, Cluster
from vsctl.policy.resources import PROVIDER, Resource

LAST = -1
"""Pacemaker gives it its place after everything else: where nodes are equal it prefers the one with fewer resources."""


def balancer(cluster: Cluster) -> tuple[Resource, ...]:
    """Run one balancer in the whole cluster: the node that it is on is the master of balancing.

    It stays where it is, and goes elsewhere with the loss of its node alone:
    its failures ban it nowhere, and one that does not stop is left as it is.
    Nothing waits for it. With `mode: off` there is none.
    """
    if cluster.policy.balance.mode is BalanceMode.OFF:
        return ()
    return (
        Resource(
            naming.BALANCER,
            f"{PROVIDER}:balancer",
            parameters.balancing(cluster),
            "it has the load of the nodes evened out",
            meta=(*daemon.PATIENT, ("resource-stickiness", "100"), ("priority", str(LAST))),
            on_fail=(("stop", "block"),),
        ),
    )
