"""What do many trials of one failure say?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from tests.lab.clients import Client


def note(outages: Mapping[str, list[float]], clients: Iterable[Client], since: float) -> None:
    """Add to each client's outages the longest that it has seen since then (seconds, monotonic)."""
    for values, each in zip(outages.values(), clients, strict=True):
        values.append(max(length for at, length in each.report().gaps if at + length > since))


def tell(what: str, outages: Mapping[str, Sequence[float]]) -> None:
    for name, values in outages.items():
        print(f"{what}, {name}: median {median(values):.2f} s, {min(values):.2f} to {max(values):.2f} s")


def judge(what: str, outages: Mapping[str, Sequence[float]], target: float) -> None:
    tell(what, outages)
    assert all(median(values) < target for values in outages.values())
