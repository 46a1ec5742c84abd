"""What may clients expect while they work? That nothing is lost, and, where their server stays, no connection either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.lab.clients import Client


@contextmanager
def at_work(clients: Sequence[Client], *, stays: bool) -> Iterator[Sequence[Client]]:
    """Let clients write, and assert at the end that they missed nothing; `stays`: their server does, and so do they."""
    with ExitStack() as all_of_them:
        for each in clients:
            all_of_them.enter_context(each).wait_for_progress()
        yield clients
    assert_served(clients, stays=stays)


def assert_served(clients: Iterable[Client], *, stays: bool) -> None:
    """Assert that nobody saw an error or misses what was acknowledged, and, `stays`, that no connection ended."""
    for each in clients:
        seen = each.stop()
        assert not seen.errors, f"{each.what}: {seen.errors}"
        assert not (stays and seen.lost), f"{each.what} has lost its connection: {seen.lost}"
        assert each.missing() == [], each.what


def go_on(clients: Iterable[Client]) -> None:
    """Wait until all have got on from now."""
    for each in clients:
        each.wait_for_progress()
