"""Which servers does this node ask to leave? Watches those that are here, and tells the cluster.

Costs nothing while all subnets are there. While one is lost it is found out once a
second whether a peer routes (`detours`); the cluster is asked for what other
nodes can announce only when a server is about to leave.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from vsctl.agents import paths
from vsctl.agents.noded import leaving
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.leaving import Guest, Loss
from vsctl.agents.noded.loop import now

ASKING = 5.0
"""Seconds until the cluster is asked again for what the other nodes can announce."""


class Evictions:
    """The verdicts of one node on the servers that may leave it."""

    def __init__(
        self,
        attributes: Attributes,
        is_routed: Callable[[str, str], bool],
        say: Callable[[str, bool], None],
    ) -> None:
        self._attributes = attributes
        self._is_routed = is_routed
        self._say = say
        self._losses: dict[str, dict[str, Loss]] = {}
        self._evicted: set[str] = set()
        self._said: dict[str, dict[str, str]] = {}
        self._asked = -ASKING

    def weigh(self, node: str, guests: Mapping[str, Guest], worth: Mapping[str, int]) -> None:
        """Look at every server once. `worth` is the value of each `subnet-<subnet>` of this node."""
        moment = now()
        wondering: set[str] = set()
        for server in self._evicted - set(guests):
            self._tell(server, False)
        for server, guest in guests.items():
            lost = [each for each in guest.subnets if worth.get(each, 0) == 0]
            here = bool(lost) and os.path.exists(paths.namespace(server))
            due, wanted = False, len(guest.subnets)
            if here:
                routed = [each for each in lost if self._is_routed(server, each)]
                losses = leaving.observed(self._losses.get(server, {}), lost, routed, moment)
                self._losses[server] = losses
                due = leaving.is_due(losses.values(), guest.bridge, moment)
                wanted = leaving.enough(guest, losses.values(), moment)
            else:
                self._losses.pop(server, None)
            if due:
                wondering.update(guest.subnets)
            self._judge(server, guest, node, wanted, here=here, lost=bool(lost), due=due)
        self._ask(node, wondering, moment)

    def state(self) -> dict[str, object]:
        """Return what the next daemon has to know."""
        return {
            "asked": sorted(self._evicted),
            "lost": {
                server: {subnet: loss.since for subnet, loss in losses.items()}
                for server, losses in self._losses.items()
            },
        }

    def remember(self, state: Mapping[str, Any]) -> None:
        """Go on where the daemon before this one ended. Who routed then is taken to route still."""
        moment = now()
        self._losses = {
            server: {subnet: Loss(since, moment) for subnet, since in losses.items()}
            for server, losses in state["lost"].items()
        }
        self._evicted = set(state["asked"])
        self._attributes.want([(_attribute(each), "1") for each in sorted(self._evicted)])

    def _judge(
        self, server: str, guest: Guest, node: str, wanted: int, *, here: bool, lost: bool, due: bool
    ) -> None:
        known = all(self._said.get(each) for each in guest.subnets)
        elsewhere = leaving.refuge(guest, node, self._said, wanted) is not None if known else None
        before = server in self._evicted
        after = leaving.evicted(before, here=here, lost=lost, due=due, elsewhere=elsewhere)
        if after != before:
            self._tell(server, after)

    def _ask(self, node: str, subnets: set[str], moment: float) -> None:
        if not subnets:
            self._said = {}
        elif moment - self._asked >= ASKING:
            self._asked = moment
            for subnet in sorted(subnets):
                self._attributes.ask(f"subnet-{subnet}", self._heard(subnet))

    def _heard(self, subnet: str) -> Callable[[dict[str, str]], None]:
        def then(said: dict[str, str]) -> None:
            self._said[subnet] = said

        return then

    def _tell(self, server: str, leaves: bool) -> None:
        (self._evicted.add if leaves else self._evicted.discard)(server)
        self._say(server, leaves)
        self._attributes.want([(_attribute(server), "1" if leaves else None)])


def _attribute(server: str) -> str:
    return f"evict-{server}"
