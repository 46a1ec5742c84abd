"""Which exports do NFS clients of the servers here wait for, and who hears of it?

The relay has them wait while a filesystem is away (`relay`); the cluster is
told in a private attribute, for `vsctl status`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote

from vsctl.agents import relay
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.loop import Loop
from vsctl.agents.ocf import words

WAITED = "exports-waited"
"""The private attribute; `docs/contracts.md` has its form."""
EVERY = 1.0
"""Seconds between two looks."""
_PLAIN = "/._-@:$"


class Waits:
    """What the cluster is told of the servers on this node; what cannot be read is said once to the log."""

    def __init__(
        self,
        loop: Loop,
        attributes: Attributes,
        servers: Callable[[], Iterable[str]],
        log: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._attributes = attributes
        self._servers = servers
        self._log = log
        self._problems: dict[str, str] = {}
        """Why it is not known of a server what is waited for, where that is so."""

    def look(self) -> None:
        """Look now and again every second."""
        told = [
            f"{server}={quote(path, _PLAIN)}" for server in self._servers() for path in self._waited(server)
        ]
        self._attributes.want([(WAITED, " ".join(told) or "none")], private=True)
        self._loop.after(EVERY, self.look)

    def _waited(self, server: str) -> Iterator[str]:
        try:
            found = relay.waited(server)
        except OSError as problem:
            if self._problems.get(server) != words(problem):
                self._log(f"which exports of {server} are waited for cannot be read: {words(problem)}")
            self._problems[server] = words(problem)
            return
        self._problems.pop(server, None)
        for _, path in found:
            yield path
