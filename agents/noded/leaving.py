"""Should a server leave its node because of a subnet? What no rule of Pacemaker can see.

A rule sees that a subnet is lost here. It does not see that nobody routes for
the server, nor for how long it has been routed. The server leaves

- when nobody has routed for some seconds, for a node that can announce more of its subnets,
- when its `bridge` is over, for a node that can announce all of them: it stays where nowhere is better.

When it has left, the node goes on asking it to stay away until its subnets are
back: otherwise a server that returns by itself would come and go for ever.

Pure: what is lost, who answers and the clock in, verdicts out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

PATIENCE = 5.0
"""Seconds a peer gets to announce and route before the server goes; in a healthy cluster it takes one."""
RELIEF = 12.0
"""The same when one has routed and does no longer: it may be dead, and be fenced before another takes over."""


@dataclass(frozen=True)
class Guest:
    """A server that may leave: its subnets, the nodes it can run on, its bridge in seconds (None: for ever).

    `units` are the storage units of its filesystems.
    """

    subnets: tuple[str, ...]
    nodes: tuple[str, ...]
    bridge: float | None = None
    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loss:
    """Since when a server is here without one of its subnets, and when a peer was found to route last."""

    since: float
    routed: float | None = None

    def is_unrouted(self, now: float) -> bool:
        """Say whether peers have had their time."""
        if self.routed is None:
            return now - self.since >= PATIENCE
        return now - self.routed >= RELIEF


def observed(
    losses: Mapping[str, Loss], lost: Iterable[str], routed: Collection[str], now: float
) -> dict[str, Loss]:
    """Return the losses, by subnet, when these subnets are lost and a peer answers for some of them."""
    found = {subnet: losses.get(subnet, Loss(now)) for subnet in lost}
    return {subnet: replace(loss, routed=now) if subnet in routed else loss for subnet, loss in found.items()}


def is_due(losses: Iterable[Loss], bridge: float | None, now: float) -> bool:
    """Say whether a server should leave if there is a better node for it."""
    return any(
        each.is_unrouted(now) or (bridge is not None and now - each.since >= bridge) for each in losses
    )


def enough(guest: Guest, losses: Collection[Loss], now: float) -> int:
    """Return how many of a server's subnets a node has to announce for the server to go there.

    One more than are announced for it now, here or by peers; if peers do it for all, all.
    """
    unrouted = sum(each.is_unrouted(now) for each in losses)
    return len(guest.subnets) - max(0, unrouted - 1)


def refuge(guest: Guest, here: str, said: Mapping[str, Mapping[str, str]], wanted: int) -> str | None:
    """Return another node that can announce so many of a server's subnets, the most of them; None if there is none.

    `said` has for each subnet what every node says of it; who says nothing may be down.
    """

    def announces(node: str) -> int:
        return sum(said.get(each, {}).get(node, "0") != "0" for each in guest.subnets)

    best = max((each for each in guest.nodes if each != here), key=announces, default=None)
    return best if best is not None and announces(best) >= wanted else None


def evicted(before: bool, *, here: bool, lost: bool, due: bool, elsewhere: bool | None) -> bool:
    """Say whether a server is asked to leave, or to stay away. `elsewhere` None: nobody could tell just now."""
    if not lost:
        return False
    if not here or (due and elsewhere is None):
        return before
    return bool(due and elsewhere)
