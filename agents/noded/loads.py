"""What does a server, or a node, need just now?

Pure: what they have used until some moments (`Sample`), in; what they use on
average, and what is worth telling, out. Only what was used between two samples
counts, so that neither a server that has just come, nor a daemon that was
started again, nor a counter that began anew is ever taken for load; and what
was used in a long gap is not, either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

EVERY = 10.0
"""Seconds from one sample to the next."""
GAP = 3 * EVERY
"""Seconds after which nobody can tell any more what was used evenly and what at one blow."""
WINDOW = 60.0
"""Seconds over which the load is the mean."""
SETTLED = 1.5 * EVERY
"""For how many seconds it must be known what was used before anything is said: for two steps."""

CHANGE = 0.10
"""By what part a number has to change until it is told again,"""
LEAST = {"cpu": 0.02, "memory": 4 << 20, "network": 100_000.0, "disk": 100_000.0, "operations": 1.0}
"""and by how much at least."""


@dataclass(frozen=True)
class Process:
    """What a process has used: seconds of processors, with those of children it has waited for; reads and writes."""

    parent: int
    cpu: float
    operations: int


@dataclass(frozen=True)
class Sample:
    """What has been used until `when` (CLOCK_MONOTONIC), and what is there.

    `processes` by process id and birth, `network` and `disk` bytes by whatever
    counts them: a counter that is replaced by another one has another name.
    """

    when: float
    processes: Mapping[tuple[int, str], Process] = field(default_factory=dict)
    memory: int = 0
    network: Mapping[Any, int] = field(default_factory=dict)
    disk: Mapping[Any, int] = field(default_factory=dict)
    clients: int = 0
    locks: int = 0


@dataclass(frozen=True)
class Step:
    """What was used in the `seconds` before `end`: seconds of processors, bits, bytes, reads and writes."""

    end: float
    seconds: float
    cpu: float
    network: float
    disk: float
    operations: float


@dataclass(frozen=True)
class Load:
    """As `vsctl.policy.load` has it; a mean of WINDOW but for memory, clients and locks."""

    cpu: float
    memory: int
    network: float
    disk: float
    operations: float
    clients: int
    locks: int


class Meter:
    """Turns the samples of one server, or of the node, into its load."""

    def __init__(self) -> None:
        self._last: Sample | None = None
        self._steps: deque[Step] = deque()

    def take(self, sample: Sample) -> None:
        if self._last is not None and (taken := step(self._last, sample)) is not None:
            self._steps.append(taken)
        self._last = sample
        while self._steps and sample.when - self._steps[0].end >= WINDOW:
            self._steps.popleft()

    @property
    def load(self) -> Load | None:
        """The load, None while too little is known of it."""
        seconds = sum(each.seconds for each in self._steps)
        if self._last is None or seconds < SETTLED:
            return None
        return Load(
            cpu=sum(each.cpu for each in self._steps) / seconds,
            memory=self._last.memory,
            network=sum(each.network for each in self._steps) / seconds,
            disk=sum(each.disk for each in self._steps) / seconds,
            operations=sum(each.operations for each in self._steps) / seconds,
            clients=self._last.clients,
            locks=self._last.locks,
        )


def step(before: Sample, after: Sample) -> Step | None:
    """Return what was used between two samples, None where that cannot be told."""
    seconds = after.when - before.when
    network, disk = grown(before.network, after.network), grown(before.disk, after.disk)
    if not 0 < seconds <= GAP or network is None or disk is None:
        return None
    cpu, operations = spent(before.processes, after.processes)
    return Step(after.when, seconds, cpu, 8 * network, disk, operations)


def grown(before: Mapping[Any, int], after: Mapping[Any, int]) -> int | None:
    """Return by how much counters have grown that are there still; None if one of them began anew."""
    steps = [after[each] - before[each] for each in before.keys() & after.keys()]
    return None if any(each < 0 for each in steps) else sum(steps)


def spent(
    before: Mapping[tuple[int, str], Process], after: Mapping[tuple[int, str], Process]
) -> tuple[float, float]:
    """Return the time and the operations that processes have used between two samples.

    The time that a process has used passes to its parent when that has waited for it. So
    of a process that has gone only what it used since the first sample is new to its
    parent; one that has come counts if a process forked it that was there before:
    otherwise it is a daemon that has just been started, or no part of the server.

    Operations count while a process is there: those with which it begins are its own affairs,
    and monitors connect for a moment.
    """
    cpu = operations = 0.0
    for each in before.keys() & after.keys():
        cpu += max(0.0, after[each].cpu - before[each].cpu)
        operations += max(0, after[each].operations - before[each].operations)
    stayed = {process for process, _ in before.keys() & after.keys()}
    for each in _descended(after, stayed):
        cpu += after[each].cpu
    for each in _descended(before, stayed):
        cpu -= before[each].cpu
    return max(0.0, cpu), operations


def _descended(processes: Mapping[tuple[int, str], Process], ancestors: set[int]) -> set[tuple[int, str]]:
    """Return the processes that are none of the ancestors, but descend from one."""
    family, found = set(ancestors), set[tuple[int, str]]()
    while new := {
        each
        for each, process in processes.items()
        if each not in found and each[0] not in ancestors and process.parent in family
    }:
        found |= new
        family |= {process for process, _ in new}
    return found


def of_node(own: Load | None, servers: Iterable[Load]) -> Load | None:
    """Return the load of a node: what nobody but its servers knows is theirs together."""
    if own is None:
        return None
    theirs = list(servers)
    return replace(
        own,
        disk=sum(each.disk for each in theirs),
        operations=sum(each.operations for each in theirs),
        clients=sum(each.clients for each in theirs),
        locks=sum(each.locks for each in theirs),
    )


def differs(told: Load | None, now: Load | None) -> bool:
    """Say whether a load is so different from the one told last that it should be told again."""
    if told is None or now is None:
        return told is not now
    before, after = asdict(told), asdict(now)
    return any(
        abs(after[kind] - before[kind]) > max(LEAST.get(kind, 0.0), CHANGE * max(after[kind], before[kind]))
        for kind in before
    )


def text(load: Load, most: Mapping[str, float] | None = None) -> str:
    """Return a load as it is told: `cpu=1.2/16 memory=9100000000/67000000000 …`; `most` is what could be carried."""
    words = []
    for kind, amount in asdict(load).items():
        most_of_it = f"/{_number(most[kind])}" if most and kind in most else ""
        words.append(f"{kind}={_number(amount)}{most_of_it}")
    return " ".join(words)


def _number(amount: float) -> str:
    """Return a number in as many digits as anybody needs."""
    return f"{amount:.0f}" if amount >= 1000 else f"{amount:.3g}"
