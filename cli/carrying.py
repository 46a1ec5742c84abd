"""How are virtual servers moved a few at a time, and what is left if that is interrupted?

A wave is one change of the configuration: its servers like their new nodes
best and stick to none, and what a failure does is laid down for where they are
then. When all of it runs there the next one begins, and the last change makes
them stick again. Whatever ends this in between, the cluster goes on with what
it was told last; `tidy` is what every next run begins with.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FrameType, TracebackType
from typing import TypeVar

from lxml import etree

from vsctl.cib_templates import stored
from vsctl.cli import configuration, output, rebalancing, verification
from vsctl.cli.configuration import Applied
from vsctl.cli.facts import Facts
from vsctl.cli.programs import Refused
from vsctl.cli.ready import missing_of
from vsctl.cli.rebalancing import Plan
from vsctl.cli.situation import Situation, nodes_up
from vsctl.cli.store import Store
from vsctl.policy import naming
from vsctl.policy.balance import Move
from vsctl.policy.balanced import Balanced
from vsctl.policy.model import Cluster

LOOK_EVERY = 2.0
"""So often, in seconds, it is looked whether somebody else has changed the configuration."""
ARRIVAL = 30.0
"""So long, in seconds, a server is waited for that somebody else has sent on its way."""

T = TypeVar("T")
Look = Callable[[Applied, Facts], Situation]
"""Says what every server needs and where it may go, by what is configured and known now."""


class Stopped(Refused):
    """The rest is not done, for the reason given; what is done stays."""


class Interruption:
    """Ctrl-C, or SIGTERM: the first one is heard when the moves under way have ended, the second one at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        for each in (signal.SIGINT, signal.SIGTERM):
            self._before[each] = signal.signal(each, self._hear)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def spare(self, ask: Callable[[], T]) -> T:
        """Ask again what a signal has cut off: on a terminal it reaches the programs that were asked, too."""
        before = self.asked
        try:
            return ask()
        except Refused:
            if self.asked == before:
                raise
            return ask()


@dataclass(frozen=True)
class Job:
    """What is being carried out, and what has to stay as it is meanwhile.

    `written` is what evening out came to by each change that this job tried: one may be there though it was refused.
    """

    store: Store
    cluster: Cluster
    plan: Plan
    look: Look
    up: tuple[str, ...]
    limit: float
    interruption: Interruption
    written: list[Balanced] = field(default_factory=list)


def carry_out(
    store: Store,
    applied: Applied,
    cluster: Cluster,
    plan: Plan,
    look: Look,
    limit: float,
    told: Callable[[Sequence[Move]], None],
) -> None:
    """Do what a plan for what is applied says, wave by wave; `told` hears of each that is done.

    Before each wave it is looked again whether its servers may still go there. Raises Stopped if one
    may not, if the cluster changes meanwhile, a server does not arrive
    within `limit` seconds, or somebody interrupts. Nothing is left half done.
    """
    with Interruption() as interruption:
        job = Job(store, cluster, plan, look, nodes_up(cluster, store.facts()), limit, interruption)
        load, done = stored.load(etree.fromstring(applied.cib)), 0
        try:
            where: dict[str, str] = {}
            for wave in plan.waves:
                if interruption.asked:
                    raise Stopped("it was interrupted")
                applied, now = _looked(job, applied, load)
                _refuse_other_places(now, wave)
                where.update({each.server: each.target for each in wave})
                load = _begin(job, applied, now, load, wave, where)
                _await(job, wave, load)
                told(wave)
                done += len(wave)
            applied, now = _looked(job, applied, load)
            ranks = rebalancing.ranks(cluster, now, plan.known, where)
            last = replace(load, ranked=tuple(ranks.items()), moving=())
            if last != load:
                _write(job, applied, last)
        except Refused as problem:
            tidy(store, interruption, job.written)
            raise Stopped(
                f"{problem}; {done} of {output.count(len(plan.moves), 'move')} done, nothing is left behind: "
                "`vsctl rebalance` says what there is to do now"
            ) from None


def tidy(store: Store, interruption: Interruption, ours: Collection[Balanced]) -> None:
    """Let every server stick to where it is, and like it best, if any are still said to be moving.

    Only if what is there is one of `ours`: what somebody else is moving meanwhile goes on.
    What waits for a wave of its own, or has arrived, keeps the preferences that it has.
    """
    applied = interruption.spare(lambda: configuration.read(store))
    load = stored.load(etree.fromstring(applied.cib))
    if applied.cluster is None or not load.moving:
        return
    if not any(_is_under_way(load, each) for each in ours):
        return
    here = _places(applied.cluster, interruption.spare(store.facts))
    where = {server: here[server] for server, _ in load.moving if server in here}
    ranks = rebalancing.staying(applied.cluster, load.ranks, where)
    wanted = configuration.with_load(applied, replace(load, ranked=tuple(ranks.items()), moving=()))
    interruption.spare(lambda: store.change(applied.cib, wanted.cib))


def _is_under_way(found: Balanced, load: Balanced) -> bool:
    return (found.moving, found.moved) == (load.moving, load.moved)


def take_over(store: Store, limit: float, *, wait: bool) -> None:
    """Let servers stick that somebody has left on their way.

    They still move, or did so long ago: who is to move servers next waits for them, and where one does
    not arrive, that is as it is. Who does not, leaves them alone as long as somebody may be waiting for them.
    """
    applied = configuration.read(store)
    load = stored.load(etree.fromstring(applied.cib))
    if applied.cluster is None or not load.moving:
        return
    if wait:
        _finish(store, applied.cluster, load, min(limit, ARRIVAL))
    elif any(time.time() - times[-1] < limit for server, times in load.moved if server in dict(load.moving)):
        return
    with Interruption() as interruption:
        tidy(store, interruption, [load])


def _finish(store: Store, cluster: Cluster, load: Balanced, limit: float) -> None:
    up = nodes_up(cluster, store.facts())
    for server, node in load.moving:
        if node in up and server in {each.name for each in cluster.servers}:
            try:
                output.wait(_arrived(store, cluster, server, node), limit)
            except output.Late:
                continue


def _arrived(store: Store, cluster: Cluster, server: str, node: str) -> output.Condition:
    return lambda: missing_of(cluster, cluster.server(server), store.facts(), node)


def _begin(
    job: Job,
    applied: Applied,
    now: Situation,
    load: Balanced,
    wave: Sequence[Move],
    where: Mapping[str, str],
) -> Balanced:
    ranks = rebalancing.ranks(job.cluster, now, load.ranks or job.plan.known, where)
    moving = tuple(sorted((each.server, each.target) for each in wave))
    noted = load.noted((each.server for each in wave), time.time())
    wanted = replace(noted, ranked=tuple(ranks.items()), moving=moving)
    _write(job, applied, wanted)
    return wanted


def _write(job: Job, applied: Applied, load: Balanced) -> None:
    wanted = configuration.with_load(applied, load)
    verification.verify(applied.cib, wanted.cib)
    job.written.append(load)
    job.interruption.spare(lambda: job.store.change(applied.cib, wanted.cib))


def _await(job: Job, wave: Sequence[Move], load: Balanced) -> None:
    """Wait until the servers of a wave serve on their new nodes."""
    applied, looked = None, time.monotonic()

    def missing() -> str | None:
        nonlocal applied, looked
        facts = job.interruption.spare(job.store.facts)
        _refuse_other_nodes(job, facts)
        for each in wave:
            late = missing_of(job.cluster, job.cluster.server(each.server), facts, each.target)
            if late is not None:
                _refuse_failure(job, facts, each)
                break
        else:
            return None
        if time.monotonic() - looked > LOOK_EVERY:
            _refuse_other_load(configuration.read(job.store), load)
            looked = time.monotonic()
        if job.interruption.asked:
            return f"interrupted, and ends when these moves have: {late}"
        return late

    try:
        output.wait(missing, job.limit)
    except output.Late as late:
        raise Stopped(str(late)) from None


def _looked(job: Job, before: Applied, load: Balanced) -> tuple[Applied, Situation]:
    """Return what is configured and so now, and refuse to go on where somebody else has changed it."""
    applied = job.interruption.spare(lambda: configuration.read(job.store))
    _refuse_other_load(applied, load)
    if (applied.cluster, applied.hand, applied.quarantines) != (
        before.cluster,
        before.hand,
        before.quarantines,
    ):
        raise Stopped("somebody else has changed the configuration")
    facts = job.interruption.spare(job.store.facts)
    _refuse_other_nodes(job, facts)
    return applied, job.look(applied, facts)


def _refuse_other_load(applied: Applied, load: Balanced) -> None:
    if not _is_under_way(stored.load(etree.fromstring(applied.cib)), load):
        raise Stopped("somebody else has changed the configuration")


def _refuse_other_places(now: Situation, wave: Sequence[Move]) -> None:
    """Refuse a wave of which a server is not to be moved any more, or not to where the plan sends it."""
    fixed = {each.server: each for each in now.stays}
    nodes = {each.server: each.nodes for each in now.demands}
    for each in wave:
        if each.server in fixed:
            raise Stopped(str(fixed[each.server]))
        if each.server not in nodes:
            raise Stopped(f"{each.server} has stopped meanwhile")
        if each.target not in nodes[each.server]:
            raise Stopped(f"{each.server} cannot go to {each.target} any more")


def _refuse_failure(job: Job, facts: Facts, move: Move) -> None:
    parts = naming.primitives_of(job.cluster, job.cluster.server(move.server))
    for tries in facts.tries:
        if tries.banned and tries.node == move.target and tries.resource in parts:
            raise Stopped(f"{move.server} does not start on {move.target}: {tries.resource} has failed there")


def _refuse_other_nodes(job: Job, facts: Facts) -> None:
    now = nodes_up(job.cluster, facts)
    gone, come = (
        [each for each in job.up if each not in now],
        [each for each in now if each not in job.up],
    )
    if gone:
        raise Stopped(f"{' and '.join(gone)} went down meanwhile")
    if come:
        raise Stopped(f"{' and '.join(come)} came up meanwhile")


def _places(cluster: Cluster, facts: Facts) -> dict[str, str]:
    found = {each.name: facts.placement.node_of(naming.net(each.name)) for each in cluster.servers}
    return {server: node for server, node in found.items() if node is not None}
