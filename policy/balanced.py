"""What has evening out the load decided, and what is it doing just now?

Which node each server likes is written into its preferences, and stays there
whatever else is applied, until the load is evened out again. While a server is
being moved it does not stick to where it is; nothing else makes it go, and
whoever writes the configuration next makes it stick again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vsctl.policy import failback, naming
from vsctl.policy.model import Cluster
from vsctl.policy.resources import Clone, Group, Resource

DAY = 24 * 3600
MOST_MOVES = 3
"""So often in a day the balancer may move one server by itself."""


@dataclass(frozen=True)
class Balanced:
    """`ranked` are the servers whose preferences go by load, and their nodes, best first.

    `moving` are the servers that may leave just now, and where they are sent; `moved`
    when each was moved in the last day, in seconds since the epoch, oldest first.
    """

    ranked: tuple[tuple[str, tuple[str, ...]], ...] = ()
    moving: tuple[tuple[str, str], ...] = ()
    moved: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def ranks(self) -> dict[str, tuple[str, ...]]:
        return dict(self.ranked)

    @property
    def settled(self) -> Balanced:
        """The same with nothing on its way any more."""
        return replace(self, moving=())

    def within(self, cluster: Cluster) -> Balanced:
        """Drop what is about servers and nodes that the cluster does not have (any more)."""
        servers = {each.name for each in cluster.servers}
        nodes = {each.name for each in cluster.nodes}
        left = ((name, tuple(each for each in ranks if each in nodes)) for name, ranks in self.ranked)
        return Balanced(
            ranked=tuple((name, ranks) for name, ranks in left if name in servers and ranks),
            moving=tuple((name, node) for name, node in self.moving if name in servers and node in nodes),
            moved=tuple(each for each in self.moved if each[0] in servers),
        )

    def often(self, server: str, now: float) -> int:
        """Return how often a server was moved in the day before now."""
        return sum(when > now - DAY for when in dict(self.moved).get(server, ()))

    def noted(self, servers: Iterable[str], now: float) -> Balanced:
        """Note that servers are moved now, and forget what is more than a day old."""
        moved: dict[str, tuple[int, ...]] = {
            name: recent
            for name, times in self.moved
            if (recent := tuple(each for each in times if each > now - DAY))
        }
        for name in servers:
            moved[name] = (*moved.get(name, ()), int(now))
        return replace(self, moved=tuple(sorted(moved.items())))


NOTHING = Balanced()


def loosened(
    resources: Iterable[Group | Clone | Resource], moving: Mapping[str, str]
) -> tuple[Group | Clone | Resource, ...]:
    """Let servers that are being moved go where they like best: they stick to no node."""
    nets = {naming.net(server) for server in moving}
    return tuple(
        replace(
            each,
            members=tuple(
                replace(member, meta=failback.NONE) if member.id in nets else member
                for member in each.members
            ),
        )
        if isinstance(each, Group) and any(member.id in nets for member in each.members)
        else each
        for each in resources
    )
