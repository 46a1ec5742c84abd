"""Are the addresses of a server that has come here announced here?

A peer that failed to route to a server is not tried again for minutes. When
the server then comes to that very node, the node can announce it, and
nobody but the node knows. So it asks the cluster to forget that failure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from vsctl.agents import announce

PATIENCE = 2.0
"""Seconds from a server's arrival until its addresses should be announced; usually it takes a tenth of one."""


class Arrivals:
    """When the servers that are here have come, and who of them was looked after."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._settled: set[str] = set()

    def silent(self, here: Collection[str], good: Collection[str], now: float) -> list[str]:
        """Return the announcers, once for each arrival, that should be here and are not. `good` are subnets."""
        for gone in set(self._since) - set(here):
            del self._since[gone]
            self._settled.discard(gone)
        found: list[str] = []
        for server in here:
            since = self._since.setdefault(server, now)
            if server not in self._settled and now - since >= PATIENCE:
                self._settled.add(server)
                found += [f"{server}-vip-{each}" for each in _unannounced(server, good)]
        return found


def _unannounced(server: str, good: Collection[str]) -> Iterable[str]:
    announced = announce.recorded(server)
    return [
        each
        for each in sorted(announce.recorded(server, announce.DETOUR))
        if each in good and each not in announced
    ]


def count(announcer: str, node: str) -> list[str]:
    """Return the command that says how often an announcer has failed on a node."""
    return ["crm_failcount", "--query", "--quiet", "--resource", announcer, "--node", node]


def forget(resource: str, node: str) -> list[str]:
    """Return the command that lets the cluster try a resource on a node again."""
    return ["crm_resource", "--cleanup", "--resource", resource, "--node", node]
