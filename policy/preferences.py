"""Which node does a server like best?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.candidates import Lists
from vsctl.policy.constraints import Preference
from vsctl.policy.model import Cluster
from vsctl.policy.placement import Placement


def preferences(cluster: Cluster, placement: Placement, lists: Lists) -> tuple[Preference, ...]:
    """Write down where each server belongs, and where it goes when that node is lost, and the next.

    A choice keeps its name and its reason when another node becomes it, and those that change most come first:
    so evening out the load changes little of a CIB, and that is found soon.
    """
    return tuple(
        Preference(
            "prefer",
            (server.name, str(rank + 1)),
            _reason(server.name, node, rank, server.home, server.name in placement.by_load),
            resource=naming.group(server.name),
            node=node,
            score=score(rank),
        )
        for rank in range(max(map(len, lists.values()), default=0))
        for server in cluster.servers
        for node in lists[server.name][rank : rank + 1]
    )


def score(rank: int) -> int:
    """Return what a rank is worth: 300 for the first, 200 for the second, and on down to 0."""
    return scores.PREFERENCE - 100 * rank if rank < 3 else max(0, 102 - rank)


def _reason(server: str, node: str, rank: int, home: str | None, by_load: bool) -> str:
    if rank == 0 and node == home:
        return f"{node} is the home of {server}"
    spread = "load" if by_load else "servers"
    if rank == 0:
        return f"the first choice of {server} spreads the {spread} evenly"
    if rank == 1:
        return f"the second choice of {server} spreads the {spread} of the first evenly when that is lost"
    return f"choice {rank + 1} of {server}"
