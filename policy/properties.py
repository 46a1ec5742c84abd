"""Which settings of the whole cluster does all this need?"""

from __future__ import annotations

from vsctl.policy import capacity
from vsctl.policy.constraints import Property
from vsctl.policy.model import Cluster, FailbackMode

FENCING_DELAY = 10
"""Seconds; longer than a fence device takes to act."""
RECHECK = 15 * 60
RECHECK_IN_WINDOWS = 5 * 60


def properties(cluster: Cluster) -> tuple[Property, ...]:
    """Insist on fencing, stop without quorum, never slow down under load, look at the clock often enough.

    By default Pacemaker starts fewer things at a time the higher the load
    average, which a file server's disks alone drive up; 0 % turns that off.
    Of two nodes that lose sight of each other the one with more and higher
    servers acts first. Where a node's capacity is hard, Pacemaker has to count.
    It wakes up by itself when a failure times out, but not when a window
    opens: the recheck interval does that.
    """
    windowed = cluster.policy.failback.mode is FailbackMode.WINDOW
    found = [
        _property("stonith-enabled", "true", "a node is cut off before its servers start elsewhere")
        if cluster.fencing
        else _property("stonith-enabled", "false", "the cluster file has no fencing"),
        _property(
            "load-threshold",
            "0%",
            "a busy file server has a high load, and a failover must not wait for that",
        ),
        _property("no-quorum-policy", "stop", "nodes in a minority serve nothing"),
        _property(
            "cluster-recheck-interval",
            f"{RECHECK_IN_WINDOWS if windowed else RECHECK}s",
            "this is how late the failback window may open" if windowed else "nothing waits for the clock",
        ),
    ]
    if len(cluster.nodes) == 2:
        reason = "of two nodes that lose sight of each other, the more important one stays"
        found.append(_property("priority-fencing-delay", f"{FENCING_DELAY}s", reason))
    if capacity.limits(cluster):
        reason = "the hard capacity of a node counts; which node is liked stays a matter of scores"
        found.append(_property("placement-strategy", "utilization", reason))
    return tuple(found)


def _property(name: str, value: str, reason: str) -> Property:
    return Property("property", (name,), reason, name=name, value=value)
