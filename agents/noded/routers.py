"""Which routers are told of host routes by this node, and what does that make of its subnets?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from vsctl.agents import bird
from vsctl.agents.noded.loop import Loop, now
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
        self._missed: dict[str, float | None] = {}
        self._listen()

    @property
    def told(self) -> frozenset[str]:
        return frozenset(self._missed)

    def hear(self) -> None:
        """Look now and again every second."""
        before = self.told
        self._listen()
        if self.told != before:
            log(f"routers are told of host routes by {' '.join(sorted(self.told)) or 'no port'}")
            self._changed()
        self._loop.after(LISTENING, self.hear)

    def reached(self, good: Collection[str]) -> frozenset[str]:
        """Return the subnets whose addresses can be announced by host route now. `good` are ports."""
        known = self._known()
        by = {known.mine[port] for port in good if port in self.told}
        return frozenset(subnet for subnet, vias in known.routed.items() if by & set(vias))

    def _listen(self) -> None:
        """A BIRD that does not answer at once is busy, until its agent says that it is not."""
        if not self._known().routed:
            self._missed = {}
        elif (told := bird.told(LISTENING / 4)) is not None:
            self._missed = believed(self._missed, told, now())


def believed(
    missed: Mapping[str, float | None], told: Collection[str], moment: float
) -> dict[str, float | None]:
    """Return the ports by which routers are taken to be told, and since when each is missed; None: it is not.

    `missed` is what this returned before, `told` what BIRD says now. A gain is
    believed at once, a loss when it has lasted: it is counted from when it was
    seen, because whatever BIRD was kept from, this process was kept from, too.
    """
    since = {port: moment if when is None else when for port, when in missed.items() if port not in told}
    held = {port: when for port, when in since.items() if moment - when < bird.HELD}
    return {**held, **dict.fromkeys(told)}
