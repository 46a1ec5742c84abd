"""What would every failure do, and what would mend each loss?

Every failure, and with depth 2 every two of them, is put to Pacemaker's own
scheduler, on as many processors as there are. What it answers is judged
here: each virtual server stays, moves, is routed, is cut off, or is down.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from itertools import combinations

from vsctl.cli import output
from vsctl.cli.faults import Fault, Rehearsal
from vsctl.cli.placement import Placement
from vsctl.cli.scheduler import Outcome
from vsctl.policy import mending, naming
from vsctl.policy.model import Cluster, OnStorageLoss, VirtualServer


class State(Enum):
    """What becomes of a server, best first. One that waits is pinned to a node that is down."""

    STAYS = "stays"
    MOVES = "moves"
    ROUTED = "routed"
    WAITS = "waits"
    CUT_OFF = "cut off"
    DOWN = "down"


LOST = (State.CUT_OFF, State.DOWN)


@dataclass(frozen=True)
class Landing:
    """Where a server is after a failure; `about` says through whom it is routed, or what it is cut off from."""

    server: str
    state: State
    origin: str | None
    node: str | None
    about: str = ""

    def __str__(self) -> str:
        where = {
            State.STAYS: f"{self.server} stays on {self.node}",
            State.MOVES: f"{self.server} moves {self.origin} -> {self.node}",
            State.ROUTED: f"{self.server} on {self.node} is routed {self.about}",
            State.WAITS: f"{self.server} waits for {self.origin}, it is pinned",
            State.CUT_OFF: f"{self.server} on {self.node} is cut off from {self.about}",
            State.DOWN: f"{self.server} is down",
        }
        return where[self.state]


@dataclass(frozen=True)
class Overload:
    """A node that carries more than it can, by the loads and capacities that the cluster file declares.

    `kept` says that it would not if servers had more `candidates`.
    """

    node: str
    kind: str
    load: float
    capacity: float
    kept: bool = False

    def __str__(self) -> str:
        more = f"; {MORE}" if self.kept else ""
        return f"{self.node} is overloaded: {self.kind} {self.load:g} of {self.capacity:g}{more}"


@dataclass(frozen=True)
class Loss:
    """A server that a failure takes away; `mend` are the fewest changes to the file that would save it.

    Pinned ones are never among them: what becomes of them is what was asked for.
    """

    server: str
    state: State
    mend: tuple[str, ...]

    @property
    def advice(self) -> str:
        return " and ".join(self.mend) if self.mend else "add a node that can run it"


@dataclass(frozen=True)
class Case:
    """What one failure, or several in turn, come to."""

    faults: tuple[Fault, ...]
    landings: tuple[Landing, ...]
    overloads: tuple[Overload, ...]
    losses: tuple[Loss, ...]

    @property
    def name(self) -> str:
        return " + ".join(map(str, self.faults))


@dataclass(frozen=True)
class Problem:
    """What is wrong after which failure; the same `key` in another proof is the same problem."""

    key: tuple[str, str, str]
    sentence: str


def _problems(case: Case) -> Iterator[Problem]:
    for loss in case.losses:
        landing = next(each for each in case.landings if each.server == loss.server)
        yield Problem(
            (case.name, loss.server, loss.state.value),
            f"{case.name}: {landing}; to keep it, {loss.advice}",
        )
    for over in case.overloads:
        yield Problem((case.name, over.node, over.kind), f"{case.name}: {over}")


@dataclass(frozen=True)
class Proof:
    cases: tuple[Case, ...]

    @property
    def holds(self) -> bool:
        return not self.problems

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(each for case in self.cases for each in _problems(case))


MORE = "raise `candidates` in `policy`, or leave it out"


def weighed(found: Proof, free: Rehearsal) -> Proof:
    """Return a proof that says what keeping servers to few candidates costs.

    Each failure that is a problem is rehearsed once more, in `free`, where they have all.
    """

    def one(case: Case) -> Case:
        if not case.losses and not case.overloads:
            return case
        rehearsal = free
        for fault in case.faults:
            rehearsal, _ = rehearsal.fail(fault)
        other = judge(free.cluster, case.faults, free.now.after, rehearsal)
        lost = {each.server for each in other.losses}
        full = {(each.node, each.kind) for each in other.overloads}
        return replace(
            case,
            losses=tuple(
                each if each.server in lost else replace(each, mend=(MORE,)) for each in case.losses
            ),
            overloads=tuple(
                replace(each, kept=(each.node, each.kind) not in full) for each in case.overloads
            ),
        )

    return Proof(tuple(map(one, found.cases)))


def every_fault(cluster: Cluster) -> tuple[Fault, ...]:
    """Return everything that can fail: nodes, ports, subnets of nodes, ways of nodes to storage."""
    return tuple(_faults(cluster))


def _faults(cluster: Cluster) -> Iterator[Fault]:
    for node in cluster.nodes:
        yield Fault("node", node.name)
    for node in cluster.nodes:
        for port in node.ports:
            yield Fault("port", node.name, port.interface)
        for subnet in dict.fromkeys(each.subnet for each in node.ports):
            yield Fault("subnet", node.name, subnet)
        for unit in cluster.storage:
            if node.name in unit.nodes:
                yield Fault("storage", node.name, unit.name)


def prove(cluster: Cluster, now: Outcome, depth: int) -> Proof:
    """Return what every failure does to a cluster that has settled; faults of nodes that are down are left out."""
    start = Rehearsal(cluster, now)
    single = [each for each in every_fault(cluster) if each.where in now.after.online]
    rows: list[tuple[Fault, ...]] = [(each,) for each in single]
    if depth > 1:
        rows += [pair for pair in combinations(single, 2) if _possible(pair)]
    after: dict[Fault, Rehearsal] = {}

    def one(faults: tuple[Fault, ...]) -> Case:
        rehearsal = start
        for fault in faults[:-1]:
            if fault not in after:
                after[fault] = rehearsal.fail(fault)[0]
            rehearsal = after[fault]
        rehearsal, _ = rehearsal.fail(faults[-1])
        return judge(cluster, faults, now.after, rehearsal)

    return Proof(tuple(_at_once(one, rows)))


def _possible(pair: tuple[Fault, ...]) -> bool:
    """Say whether the second can still happen: of a node that is down nothing more fails."""
    first, second = pair
    return not (first.kind == "node" and second.where == first.where)


def _at_once(one: Callable[[tuple[Fault, ...]], Case], rows: Sequence[tuple[Fault, ...]]) -> Iterator[Case]:
    with output.Progress() as progress, ThreadPoolExecutor(max_workers=os.cpu_count()) as workers:
        try:
            for number, case in enumerate(workers.map(one, rows), 1):
                progress.say(f"{number} of {output.count(len(rows), 'failure')} rehearsed …")
                yield case
        except BaseException:
            workers.shutdown(cancel_futures=True)
            raise


def judge(cluster: Cluster, faults: tuple[Fault, ...], before: Placement, rehearsal: Rehearsal) -> Case:
    after = rehearsal.now.after
    down = tuple(each.where for each in faults if each.kind == "node")
    landings = tuple(_landing(cluster, each, before, rehearsal) for each in cluster.servers)
    return Case(
        faults=faults,
        landings=landings,
        overloads=tuple(_overloads(cluster, after)),
        losses=tuple(
            _loss(cluster, cluster.server(each.server), each, faults, down)
            for each in landings
            if each.state in LOST and not cluster.server(each.server).pinned
        ),
    )


def _landing(cluster: Cluster, server: VirtualServer, before: Placement, rehearsal: Rehearsal) -> Landing:
    after = rehearsal.now.after
    origin, node = before.node_of(naming.net(server.name)), after.node_of(naming.net(server.name))
    if node is None:
        waits = server.pinned and origin not in after.online
        return Landing(server.name, State.WAITS if waits else State.DOWN, origin, None)
    lost = {(each.where, each.part) for each in rehearsal.happened if each.kind == "storage"}
    units = [each for each in dict.fromkeys(fs.storage for fs in server.filesystems) if (node, each) in lost]
    if units:
        return Landing(server.name, State.CUT_OFF, origin, node, " and ".join(units))
    routes = [each for each in rehearsal.routes() if each.server == server.name]
    unreached = [each.subnet for each in routes if each.through is None]
    if unreached:
        return Landing(server.name, State.CUT_OFF, origin, node, " and ".join(unreached))
    if routes:
        through = " and ".join(f"on {each.subnet} through {each.through}" for each in routes)
        return Landing(server.name, State.ROUTED, origin, node, through)
    return Landing(server.name, State.STAYS if node == origin else State.MOVES, origin, node)


def _loss(
    cluster: Cluster,
    server: VirtualServer,
    landing: Landing,
    faults: tuple[Fault, ...],
    down: tuple[str, ...],
) -> Loss:
    """Return what would have saved a server. A node that lost what it needs is as good as gone for it."""
    gone = {*down, *(each.where for each in faults)}
    mend = mending.another_node(cluster, server, gone)
    if landing.state is State.DOWN and not mend and server.on_storage_loss is OnStorageLoss.STOP:
        mend = (f"let {server.name} stay without its storage (`on_storage_loss: stay`)",)
    return Loss(server.name, landing.state, mend)


def _overloads(cluster: Cluster, after: Placement) -> Iterator[Overload]:
    for node in cluster.nodes:
        here = [each for each in cluster.servers if after.node_of(naming.net(each.name)) == node.name]
        for kind in ("cpu", "memory", "network"):
            capacity = getattr(node.capacity, kind)
            load = sum(getattr(each.load, kind) or 0 for each in here)
            if capacity is not None and load > capacity:
                yield Overload(node.name, kind, load, capacity)
