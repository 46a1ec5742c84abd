"""How does one wait without sleeping?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.lab.problem import LabProblem

T = TypeVar("T")

SELDOM = 0.5
"""Seconds between two looks at most."""


def wait(condition: Callable[[], T], sentence: str, limit: float = 30.0, every: float = 0.05) -> T:
    """Return the condition's first true value.

    `sentence` says what is waited for ("vs1 answers on n2"); it is what the
    reader sees when `limit` seconds have passed. What takes long to look at is
    looked at half of the time at most: what is waited for needs the processors.
    """
    begun = time.monotonic()
    while True:
        looked = time.monotonic()
        if value := condition():
            return value
        now = time.monotonic()
        if now > begun + limit:
            raise LabProblem(f"waited {limit:g} s in vain until {sentence}")
        time.sleep(max(every, min(now - looked, SELDOM)))
