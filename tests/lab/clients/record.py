"""What does a writer write?

Record n, 64 bytes, at offset 64 n. It carries its writer's run, so that what
an earlier run left in the file is not taken for this one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

SIZE = 64


def record(run: str, n: int) -> bytes:
    return f"{run} {n:012d} ".encode().ljust(SIZE - 1, b".") + b"\n"


def missing(run: str, acknowledged: Iterable[int], read: Callable[[int, int], bytes]) -> list[int]:
    """Return the acknowledged records that `read(offset, length)` does not give back as they were written."""
    step = 1024
    wanted = set(acknowledged)
    lost = []
    for first in range(0, max(wanted, default=-1) + 1, step):
        block = read(first * SIZE, step * SIZE)
        lost += [
            n
            for n in range(first, first + step)
            if n in wanted and block[(n - first) * SIZE : (n - first + 1) * SIZE] != record(run, n)
        ]
    return lost
