"""Are the addresses announced here that could be, of a server that is here?

A peer that failed to route to a server is not tried again for minutes. When
the server then comes to that very node, the node can announce it, and
nobody but the node knows. So it is where an announcer has failed for want of a port,
which the cluster was not told of in time, and a port is good again.
So the node asks the cluster to forget that failure.
"""

from __future__ import annotations

from collections.abc import Collection

from vsctl.agents import announce

PATIENCE = 2.0
"""Seconds until addresses should be announced that can be; usually it takes a tenth of one."""


class Arrivals:
    """Since when could what be announced here, a server's addresses on a subnet, and what was looked after."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}
        self._settled: set[tuple[str, str]] = set()

    def silent(self, here: Collection[str], good: Collection[str], now: float) -> list[str]:
        """Return the announcers that should be here and are not, once whenever they have become possible.

        That is when their server is here, and their subnet among the `good` ones.
        """
        possible = {
            (server, subnet)
            for server in here
            for subnet in announce.recorded(server, announce.DETOUR)
            if subnet in good
        }
        self._since = {each: self._since.get(each, now) for each in possible}
        self._settled &= possible
        due = {each for each in possible - self._settled if now - self._since[each] >= PATIENCE}
        self._settled |= due
        return [
            f"{server}-vip-{subnet}"
            for server, subnet in sorted(due)
            if subnet not in announce.recorded(server)
        ]


def count(announcer: str, node: str) -> list[str]:
    """Return the command that says how often an announcer has failed on a node."""
    return ["crm_failcount", "--query", "--quiet", "--resource", announcer, "--node", node]


def forget(resource: str, node: str) -> list[str]:
    """Return the command that lets the cluster try a resource on a node again."""
    return ["crm_resource", "--cleanup", "--resource", resource, "--node", node]
