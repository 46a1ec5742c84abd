"""What watches the ports and the storage of every node?"""

from __future__ import annotations

from vsctl.policy import naming, parameters
from vsctl.policy.model import Cluster
from vsctl.policy.resources import PROVIDER, Clone, Pairs, Resource

FAILURE_TIMEOUT = 60

PATIENT: Pairs = (("migration-threshold", "INFINITY"), ("failure-timeout", f"{FAILURE_TIMEOUT}s"))
"""A daemon that dies is started again where it was, however often; one that could not start is tried a minute later."""


def daemon(cluster: Cluster, seen: Cluster) -> tuple[Clone, ...]:
    """Run the node daemon on every node, and let nothing wait for it.

    No order and no colocation lead to it: servers start before it has
    reported, and run on without it. A daemon that does not stop is left as it
    is: no failure of its own costs its node a fencing. (On purpose it has a node
    fenced on which a server is stuck, by `terminate`: decisions 0022, 0027.)
    `seen` is the cluster with the nodes where Pacemaker would start each server.
    """
    given = (
        ("gateways", parameters.gateways(cluster)),
        ("routed", parameters.routed(cluster)),
        ("servers", parameters.leaving(seen)),
        ("balance", parameters.balance(cluster)),
        ("storage", parameters.storage(cluster)),
    )
    watcher = Resource(
        naming.DAEMON,
        f"{PROVIDER}:daemon",
        (
            ("ports", parameters.ports_with_subnets(cluster)),
            *((name, value) for name, value in given if value),
        ),
        "it watches the ports and the storage of its node",
        meta=PATIENT,
        on_fail=(("stop", "block"),),
    )
    return (
        Clone(
            naming.DAEMONS,
            watcher,
            "every node watches its own ports and storage",
            meta=(("interleave", "true"),),
        ),
    )
