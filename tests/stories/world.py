"""What a story needs of the world it happens in.

A world is a cluster that can be broken. Its verbs return at once; `settle`
waits until the cluster has answered and says what it did. Two worlds tell the
same stories: the scheduler's (`scheduler.py`) and the lab's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster

CARRIES, USUAL = 10.0, 0.5
"""What a node carries and a server needs in stories about load."""


@dataclass(frozen=True)
class Seen:
    """What the cluster did, and where everything is since.

    `servers` has the node of every server, None where it does not run;
    `done` what happened to single resources (start, stop, reload), in order;
    `fenced` the nodes cut off; `waves` the servers that started, those in one
    wave side by side, and no wave before the one ahead of it; `announcers`
    where each announcer is that is anywhere.
    """

    servers: tuple[tuple[str, str | None], ...]
    done: tuple[tuple[str, str], ...] = ()
    fenced: tuple[str, ...] = ()
    waves: tuple[tuple[str, ...], ...] = ()
    announcers: tuple[tuple[str, str], ...] = ()


class World(Protocol):
    """`what` is port, subnet or storage."""

    def apply(self, cluster: Cluster, hand: Hand) -> None: ...
    def rebalance(self, needs: Mapping[str, float]) -> None:
        """Even out the load. A node carries ten, and a server of which nothing is said needs a half."""

    def cold_start(self, first: str | None) -> None:
        """Start all nodes after all were off. Where `first` is given, it alone has reported yet."""

    def fail_node(self, node: str) -> None: ...
    def return_node(self, node: str) -> None: ...
    def lose(self, what: str, node: str, name: str) -> None: ...
    def heal(self, what: str, node: str, name: str) -> None: ...
    def evacuate(self, node: str) -> None:
        """Let a node say that it cannot go on."""

    def evict(self, server: str, node: str) -> None: ...
    def admit(self, server: str, node: str) -> None:
        """Let a node no longer ask a server to stay away."""

    def fail_resource(self, resource: str) -> None:
        """Make a resource's next monitor find it dead."""

    def stick(self, resource: str) -> None:
        """Make every stop of a resource fail, where it is now."""

    def time(self, clock: str) -> None:
        """Make it that time of day, such as 23:00."""

    def settle(self) -> Seen: ...
