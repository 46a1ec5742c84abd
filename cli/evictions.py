"""Which virtual servers would their nodes ask to leave? What the node daemon sees, and no rule of Pacemaker's.

A rule sees that a subnet is lost on a node. It does not see that the peer to
which the announcer went cannot reach the server, nor for how long it has been
routed: `agents/noded/leaving.py` and docs/decisions/0017 say what is done then.
Here the same is foreseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vsctl.cli.placement import Placement
from vsctl.policy import naming
from vsctl.policy.model import Cluster, Subnet, VirtualServer


@dataclass(frozen=True)
class Sight:
    """Where all is, and for each node that is up what its subnets are worth (0 lost, 1 by host route, 2 directly)."""

    cluster: Cluster
    after: Placement
    worths: Mapping[str, Mapping[str, int]]

    def unreached(self) -> Iterator[tuple[str, str]]:
        """Yield each announcer and the node on which it fails: from there the server's node is not reached."""
        for server, subnet, home in self._lost():
            announcer = naming.announcer(server.name, subnet.name)
            there = self.after.node_of(announcer)
            if there is not None and there != home and not self._meet(there, home, subnet):
                yield announcer, there

    def unrouted(self) -> Iterator[tuple[VirtualServer, str]]:
        """Yield the servers that leave their node (named, too) since subnets are lost there and nobody routes."""
        missed = Counter(
            (server, home)
            for server, subnet, home in self._lost()
            if self.after.node_of(naming.announcer(server.name, subnet.name)) is None
        )
        for (server, home), count in missed.items():
            if self._refuge(server, home, len(self.cluster.subnets_of(server)) - count + 1):
                yield server, home

    def bridged(self) -> Iterator[tuple[VirtualServer, str]]:
        """Yield the servers that will leave their node (named, too) when their `bridge` is over."""
        for server, _, home in self._lost():
            if server.bridge is not None and self._refuge(server, home, len(self.cluster.subnets_of(server))):
                yield server, home

    def _lost(self) -> Iterator[tuple[VirtualServer, Subnet, str]]:
        """Yield each server that runs and each of its subnets that its node has lost."""
        for server in self.cluster.servers:
            home = self.after.node_of(naming.net(server.name))
            if home is not None and home in self.worths:
                for subnet in self.cluster.subnets_of(server):
                    if not self.worths[home].get(subnet.name, 0):
                        yield server, subnet, home

    def _meet(self, one: str, other: str, subnet: Subnet) -> bool:
        """Say whether two nodes reach each other by a port on another subnet."""
        return any(
            self.worths[one].get(each.name) == self.worths[other].get(each.name) == 2
            for each in self.cluster.subnets
            if each != subnet
        )

    def _refuge(self, server: VirtualServer, home: str, wanted: int) -> bool:
        """Say whether another node can announce so many subnets of a server that may leave."""
        return not server.pinned and any(
            sum(self.worths[node].get(each.name, 0) > 0 for each in self.cluster.subnets_of(server)) >= wanted
            for node in self.cluster.candidates(server)
            if node != home and node in self.worths
        )
