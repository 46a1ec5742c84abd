"""How does one wait without sleeping?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.lab.problem import LabProblem

T = TypeVar("T")


def wait(condition: Callable[[], T], sentence: str, limit: float = 30.0, every: float = 0.05) -> T:
    """Return the condition's first true value.

    `sentence` says what is waited for ("vs1 answers on n2"); it is what the
    reader sees when `limit` seconds have passed.
    """
    end = time.monotonic() + limit
    while not (value := condition()):
        if time.monotonic() > end:
            raise LabProblem(f"waited {limit:g} s in vain until {sentence}")
        time.sleep(every)
    return value
