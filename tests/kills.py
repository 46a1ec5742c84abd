"""Where in the middle is an action killed? Later each time, until it ends by itself.

Twenty milliseconds are what an interpreter needs to begin. A small step is a
long series, for `make lab-full`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

FIRST = 0.02
"""Seconds until the first kill."""
KILLED = -9

steps = pytest.mark.parametrize("step", [1.6, pytest.param(1.08, marks=pytest.mark.full)])


def kills(action: Callable[[float], tuple[int, str]], step: float) -> Iterator[float]:
    """Run an action that is killed after some seconds, `step` times as many each time; yield after each kill.

    It returns its exit code, KILLED if it was, and what it said. The one that ends by itself has to succeed.
    """
    after = FIRST
    while (done := action(after))[0] == KILLED:
        yield after
        after *= step
    assert done[0] == 0, done[1]
