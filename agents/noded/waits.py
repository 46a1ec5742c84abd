"""Which exports do NFS clients of the servers here wait for, and who hears of it?

The relay has them wait while a filesystem is away (`relay`); the cluster is
told in a private attribute, for `vsctl status`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import quote

from vsctl.agents import relay
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.loop import Loop

WAITED = "exports-waited"
"""The private attribute; `docs/contracts.md` has its form."""
EVERY = 1.0
"""Seconds between two looks."""
_PLAIN = "/._-@:$"


class Waits:
    """What the cluster is told of the servers on this node."""

    def __init__(self, loop: Loop, attributes: Attributes, servers: Callable[[], Iterable[str]]) -> None:
        self._loop = loop
        self._attributes = attributes
        self._servers = servers

    def look(self) -> None:
        """Look now and again every second."""
        told = [
            f"{server}={quote(path, _PLAIN)}"
            for server in self._servers()
            for _, path in relay.waited(server)
        ]
        self._attributes.want([(WAITED, " ".join(told) or "none")], private=True)
        self._loop.after(EVERY, self.look)
