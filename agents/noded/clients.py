"""Which clients have connected, so that another node can tell them when this one dies?

The gate's monitor keeps the list of a server's connections, at its interval.
Who connects in between and then loses the node would wait for TCP's own
back-off. So the daemon looks every second, and has the list written when
somebody new is on it. Connections that have ended are left to the gate: to
end one that is no more does no harm, and storage is not written for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from vsctl.agents import connections, gate, nudge
from vsctl.agents.noded.balancing import Announcement
from vsctl.agents.noded.loop import Loop

EVERY = 1.0
"""Seconds between two looks."""


class Clients:
    """Keeps the lists of all servers that are open to clients here; storage that hangs holds up nobody."""

    def __init__(self, loop: Loop, servers: Callable[[], Iterable[str]]) -> None:
        self._loop = loop
        self._servers = servers
        self._told: dict[str, list[str]] = {}
        """What was given to be written last: storage that does not take it is not asked again for the same."""
        self.counts: dict[str, int] = {}
        """From how many addresses clients are connected to each server that is open to them."""

    def look(self) -> None:
        """Look now and again every second."""
        here = list(self._servers())
        self._told = {server: told for server, told in self._told.items() if server in here}
        self.counts = {}
        for server in here:
            try:
                self._look_at(server)
            except OSError:  # the server is leaving
                continue
        self._loop.after(EVERY, self.look)

    def _look_at(self, server: str) -> None:
        if gate.CLOSED_BY_GATE in gate.holders(server):
            return  # the list of the former node has not been read yet
        now = connections.established(server)
        self.counts[server] = len({line.split()[2] for line in now})
        new = set(now) - set(connections.remembered(server))
        if new and now != self._told.get(server):
            self._told[server] = now
            connections.record_later(server, now)


def hurry(before: Mapping[str, Announcement] | None, after: Mapping[str, Announcement]) -> None:
    """Have what waits on connections sent again where the way to them has changed."""
    for server, addresses in changed(before, after):
        nudge.nudge(server, addresses)


def changed(
    before: Mapping[str, Announcement] | None, after: Mapping[str, Announcement]
) -> list[tuple[str, tuple[bytes, ...]]]:
    """Return the servers here, with the addresses of theirs that are announced on another port than before.

    None: nobody has looked before, which is no change.
    """
    if before is None:
        return []
    return [
        (name.partition("/")[0], each.addresses)
        for name, each in after.items()
        if not each.routed and (name not in before or before[name].port != each.port)
    ]
