"""Which servers keep away from each other?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.constraints import Colocation
from vsctl.policy.model import Cluster, VirtualServer


def pairs(cluster: Cluster) -> tuple[tuple[VirtualServer, VirtualServer], ...]:
    """Return who keeps apart from whom, each pair once: who gives way, and from whom.

    A pinned server gives way to nobody; otherwise the one with more nodes to
    choose from does, the lower priority, or the later in the file. Freedom
    comes first because Pacemaker, when it starts the other one, weighs in a
    few hundredths of what the one that gives way thinks of each node: a ban there
    counts for more than a home here.
    """
    rank = {
        each.name: place
        for place, each in enumerate(
            sorted(
                cluster.servers,
                key=lambda server: (server.migrate, len(cluster.candidates(server)), -server.priority),
            )
        )
    }
    found = {}
    for server in cluster.servers:
        for name in server.apart_from:
            other = cluster.server(name)
            first, second = sorted((server, other), key=lambda each: rank[each.name])
            found[second.name, first.name] = (second, first)
    return tuple(found.values())


def apart(cluster: Cluster) -> tuple[Colocation, ...]:
    """Keep servers apart as long as there is another node for one of them.

    What the one that gives way likes does not count when the other is placed:
    otherwise its lost storage elsewhere would pull the other there.
    """
    return tuple(
        Colocation(
            "apart",
            (server.name, other.name),
            f"{server.name} and {other.name} keep apart; {server.name} gives way",
            resource=naming.group(server.name),
            other=naming.group(other.name),
            score=scores.APART,
            influence=False,
        )
        for server, other in pairs(cluster)
    )
