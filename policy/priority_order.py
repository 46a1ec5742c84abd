"""Who starts first when several servers fail over at once?"""

from __future__ import annotations

from itertools import combinations

from vsctl.policy import naming
from vsctl.policy.constraints import Precedence
from vsctl.policy.model import Cluster, VirtualServer

CLASSES = 50
"""More classes than this are bucketed: pairs grow with the square, and the scheduler's time with them."""


def priority_order(cluster: Cluster) -> tuple[Precedence, ...]:
    """Begin starts in order of priority.

    Only the first members are ordered, optionally and for starts: what begins
    in order then runs side by side, and a failure holds nobody back. A server
    waits for a higher one's stop and start limits, never longer. Every pair of
    classes is ordered, since a chain breaks where a class has nothing to do.
    """
    return tuple(
        Precedence(
            "priority",
            (_name(high), _name(low)),
            f"servers of priority {_said(high)} start before those of priority {_said(low)}",
            first=tuple(naming.net(each.name) for each in high),
            then=tuple(naming.net(each.name) for each in low),
        )
        for high, low in combinations(_classes(cluster), 2)
    )


def _classes(cluster: Cluster) -> tuple[tuple[VirtualServer, ...], ...]:
    """Return the servers by descending priority, neighbouring priorities together where there are many."""
    priorities = sorted({each.priority for each in cluster.servers}, reverse=True)
    buckets = min(len(priorities), CLASSES)
    bucket = {priority: place * buckets // len(priorities) for place, priority in enumerate(priorities)}
    classes: tuple[list[VirtualServer], ...] = tuple([] for _ in range(buckets))
    for server in cluster.servers:
        classes[bucket[server.priority]].append(server)
    return tuple(map(tuple, classes))


def _name(servers: tuple[VirtualServer, ...]) -> str:
    return str(max(each.priority for each in servers))


def _said(servers: tuple[VirtualServer, ...]) -> str:
    lowest, highest = min(each.priority for each in servers), max(each.priority for each in servers)
    return str(highest) if lowest == highest else f"{lowest} to {highest}"
