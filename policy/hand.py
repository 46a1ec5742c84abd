"""What did the operator do by hand?

Moves and drains stay until they are taken back: they are written into the CIB
and survive everything that the configuration survives, reboots included.
"""

from __future__ import annotations

from dataclasses import dataclass

from vsctl.policy import naming, scores
from vsctl.policy.constraints import Location, is_node
from vsctl.policy.model import Cluster


@dataclass(frozen=True)
class Hand:
    """`moves` are pairs of server and node, `drained` the nodes to keep empty; both sorted."""

    moves: tuple[tuple[str, str], ...] = ()
    drained: tuple[str, ...] = ()

    def moved_to(self, server: str) -> str | None:
        return dict(self.moves).get(server)

    def move(self, server: str, node: str) -> Hand:
        return Hand(tuple(sorted({**dict(self.moves), server: node}.items())), self.drained)

    def failback(self, server: str) -> Hand:
        return Hand(tuple(each for each in self.moves if each[0] != server), self.drained)

    def drain(self, node: str) -> Hand:
        return Hand(self.moves, tuple(sorted({*self.drained, node})))

    def undrain(self, node: str) -> Hand:
        return Hand(self.moves, tuple(each for each in self.drained if each != node))

    def within(self, cluster: Cluster) -> Hand:
        """Drop what is about servers and nodes that the cluster does not have (any more)."""
        servers = {each.name for each in cluster.servers}
        nodes = {each.name for each in cluster.nodes}
        return Hand(
            tuple(each for each in self.moves if each[0] in servers and each[1] in nodes),
            tuple(each for each in self.drained if each in nodes),
        )


NO_HAND = Hand()


def moved(cluster: Cluster, hand: Hand) -> tuple[Location, ...]:
    """Send servers where the operator moved them.

    They stay there until `failback`, against everything but lost storage, a
    drain and a better reason of that size. A pinned server is moved by its pin.

    A rule, since pcs keeps only one plain preference of a resource for a node.
    """
    return tuple(
        Location(
            "move",
            (server,),
            f"an operator moved {server} to {node}; `vsctl failback {server}` takes it back",
            resource=naming.group(server),
            score=scores.MOVE,
            when=(is_node(node),),
        )
        for server, node in hand.moves
        if not cluster.server(server).pinned
    )
