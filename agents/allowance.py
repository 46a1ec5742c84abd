"""How much of its time does an action still have?

One clock for all of it: what one step does not need the next one has, and their
sum stays within what Pacemaker gives.
"""

from __future__ import annotations

import time

SHARE = 0.9
"""Share of the action's time until it says how far it got; what is left is for saying it."""


class Allowance:
    """The time an action has, in seconds, from the moment on in which this is made."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begin = time.monotonic()

    @property
    def left(self) -> float:
        return max(0.0, self._begin + self._seconds * SHARE - time.monotonic())

    def part(self, share: float) -> float:
        """Return a share of the whole time, or what is left if that is less."""
        return min(self._seconds * share, self.left)

    @property
    def spent(self) -> str:
        return f"{time.monotonic() - self._begin:.0f} s"
