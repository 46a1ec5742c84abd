"""How long do clients stand still when a node is killed, and when a virtual server is moved?

"Answers" is a prober: a new connection and one question (NFS NULL, SMB
negotiation) every 50 ms. "Client" writes record by record, each synced, and
connects anew as Linux's kernel clients do.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from tests.bench.sides import BOTH, SERVERS, Ours, Side, Stock, protocol, up
from tests.bench.table import Row, Table
from tests.lab import history
from tests.lab.clients import Client

QUIET = 12.0
"""Seconds before the blow: the servers' list of connections is as old as a monitor's interval."""

Values = dict[str, list[float]]

_TARGETS = {
    "kill": {
        "NFS answers": "<= 4.4",
        "SMB answers": "<= 4.4",
        "NFS client": "<= 4.8",
        "SMB client": "<= 4.8",
    },
    "move": {"NFS client": "<= 1.5", "SMB client": "<= 1.5"},
}


def failovers(trials: int) -> Table:
    """Kill the node of one NFS and one SMB server; until each serves again, from the kill."""
    values, notes = _in_turn(trials, _killed)
    return Table(
        "A node is killed: seconds until its servers serve again",
        Ours.name(),
        Stock.name(),
        _rows(values, "kill"),
        (*notes, "at ...: when that start of the NFS server had ended."),
    )


def moves(trials: int) -> Table:
    """Move one NFS and one SMB server; how long each client stood still."""
    values, notes = _in_turn(trials, _moved)
    return Table(
        "A virtual server is moved: the longest time without an answer, seconds",
        Ours.name(),
        Stock.name(),
        _rows(values, "move"),
        notes,
    )


def _in_turn(
    trials: int, measure: Callable[[Side], Iterator[tuple[str, float]]]
) -> tuple[dict[type[Side], Values], tuple[str, ...]]:
    values: dict[type[Side], Values] = {side: defaultdict(list) for side in BOTH}
    for _ in range(trials):
        for side in BOTH:
            with up(side) as it:
                for what, value in measure(it):
                    values[side][what].append(value)
    return values, (f"{trials} trials of each, in turn, each in a fresh cluster of three nodes.",)


def _rows(values: dict[type[Side], Values], kind: str) -> tuple[Row, ...]:
    names = list(dict.fromkeys([*values[Ours], *values[Stock]]))
    return tuple(
        Row(each, "s", tuple(values[Ours][each]), tuple(values[Stock][each]), _TARGETS[kind].get(each, ""))
        for each in names
    )


def _killed(side: Side) -> Iterator[tuple[str, float]]:
    # Not the node that decides: an election would be measured with it, in some trials and not in others.
    victim = next(each.name for each in side.lab.nodes if each.name != side.controller())
    with _clients(side, victim) as clients:
        began, clock = time.monotonic(), time.time()
        side.lab.kill(victim)
        for name, client in clients.items():
            yield name, client.wait_for_progress(since=began + 0.5, limit=90) - began
        side.lab.wait_until_fenced(victim)
        yield "at fenced", side.lab.journal("off", victim)[-1].at - began
        side.wait_until_idle()
        yield from _steps(side, clients.nfs, clock)


def _moved(side: Side) -> Iterator[tuple[str, float]]:
    source = "n1"
    with _clients(side, source) as clients:
        for server, node in ((clients.nfs, "n2"), (clients.smb, "n3")):
            kind = protocol(server).upper()
            began = time.monotonic()
            side.move(server, node)
            side.lab.wait(lambda s=server, n=node: side.node_of(s) == n, f"{server} is on {node}", 60)  # type: ignore[misc]
            side.wait_until_idle()
            for name, client in clients.items():
                if name.startswith(kind):
                    client.wait_for_progress(limit=90)
                    yield name, max(length for at, length in client.report().gaps if at + length > began)


class _clients(ExitStack):  # noqa: N801 - reads as a word
    """A prober and a writer of each server on a node, connected long enough to be known."""

    def __init__(self, side: Side, node: str) -> None:
        super().__init__()
        here = {protocol(each): each for each in SERVERS if side.node_of(each) == node}
        self.nfs, self.smb = here["nfs"], here["smb"]
        self.side = side

    def __enter__(self) -> _clients:
        super().__enter__()
        self.by_name: dict[str, Client] = {}
        for server in (self.nfs, self.smb):
            kind = protocol(server).upper()
            self.by_name[f"{kind} answers"] = self.enter_context(self.side.prober(server))
            self.by_name[f"{kind} client"] = self.enter_context(self.side.writer(server))
            if kind == "NFS":
                self.by_name["NFSv4 opens"] = self.enter_context(self.side.opener(server))
        since = max(each.wait_for_progress() for each in self.by_name.values())
        for each in self.by_name.values():
            each.wait_for_progress(since=since + QUIET)
        return self

    def items(self) -> Iterator[tuple[str, Client]]:
        yield from self.by_name.items()


def _steps(side: Side, server: str, clock: float) -> Iterator[tuple[str, float]]:
    """Yield when each start of a server ended, seconds after a moment."""
    for each in history.acts(side.lab, clock):
        if each.operation == "start" and each.resource.startswith(f"{server}-") and each.result is not None:
            yield f"at {each.resource.removeprefix(f'{server}-')}", each.at - clock
