"""Which routers are told of host routes by this node, and what does that make of its subnets?"""

from __future__ import annotations

from collections.abc import Callable, Collection

from vsctl.agents import bird
from vsctl.agents.noded.loop import Loop
from vsctl.agents.noded.settings import Settings
from vsctl.agents.ocf import log

LISTENING = 1.0
"""Seconds between two looks at which routers are told of host routes, and how long BIRD may take to say."""


class Routers:
    """Follows routers that begin or cease to listen; `changed` is called when one has.

    `told` are the ports by which routers are told of host routes, none where none are declared.
    """

    def __init__(self, loop: Loop, known: Callable[[], Settings], changed: Callable[[], None]) -> None:
        self._loop = loop
        self._known = known
        self._changed = changed
        self.told: frozenset[str] = frozenset()
        self.told = self._listeners()

    def hear(self) -> None:
        """Look now and again every second."""
        told = self._listeners()
        if told != self.told:
            self.told = told
            log(f"routers are told of host routes by {' '.join(sorted(told)) or 'no port'}")
            self._changed()
        self._loop.after(LISTENING, self.hear)

    def reached(self, good: Collection[str]) -> frozenset[str]:
        """Return the subnets whose addresses can be announced by host route now. `good` are ports."""
        known = self._known()
        by = {known.mine[port] for port in good if port in self.told}
        return frozenset(subnet for subnet, vias in known.routed.items() if by & set(vias))

    def _listeners(self) -> frozenset[str]:
        """A BIRD that does not answer at once is busy, until its agent says that it is not."""
        if not self._known().routed:
            return frozenset()
        told = bird.told(LISTENING / 4)
        return self.told if told is None else frozenset(told)
