"""Which node does a server like best?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.candidates import Lists
from vsctl.policy.constraints import Preference
from vsctl.policy.model import Cluster
from vsctl.policy.placement import Placement


def preferences(cluster: Cluster, placement: Placement, lists: Lists) -> tuple[Preference, ...]:
    """Write down where each server belongs, and where it goes when that node is lost, and the next."""
    return tuple(
        Preference(
            "prefer",
            (server.name, node),
            _reason(server.name, node, rank, server.home, server.name in placement.by_load),
            resource=naming.group(server.name),
            node=node,
            score=score(rank),
        )
        for server in cluster.servers
        for rank, node in enumerate(lists[server.name])
    )


def score(rank: int) -> int:
    """Return what a rank is worth: 300 for the first, 200 for the second, and on down to 0."""
    return scores.PREFERENCE - 100 * rank if rank < 3 else max(0, 102 - rank)


def _reason(server: str, node: str, rank: int, home: str | None, by_load: bool) -> str:
    if rank == 0 and node == home:
        return f"{node} is the home of {server}"
    if rank == 0:
        return f"{server} on {node} spreads the {'load' if by_load else 'servers'} evenly"
    if rank == 1:
        spread = "the load of its servers" if by_load else "its servers"
        return f"when the first choice is lost, {server} on {node} spreads {spread} evenly"
    return f"{node} is choice {rank + 1} of {server}"
