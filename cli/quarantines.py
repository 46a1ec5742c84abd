"""What is known of filesystems that were found damaged, in sentences?

Pure: the records that agents leave in the configuration, and how far repairs
are, in; what an operator has to know out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vsctl.cli.facts import Facts
from vsctl.policy import naming
from vsctl.policy.model import ROOT, Cluster, Filesystem, VirtualServer
from vsctl.policy.quarantine import Quarantine, Quarantines, Stage

RECENT = 24 * 3600
"""Seconds for which a repair that ended well is still worth a note."""


@dataclass(frozen=True)
class RepairReport:
    """A repair that goes on: where, since when (seconds since the epoch), what it does, and percent if it says so."""

    node: str
    since: float | None
    doing: str | None
    percent: int | None


@dataclass(frozen=True)
class QuarantineReport:
    """`stage` is repair (blocked, to be repaired), person (blocked, waits for one) or over.

    `since` and `node` are when and where the damage was found, `why` what was
    seen; `result`, `said`, `advice`, `on`, `ended` and `log` are of the last repair: clean,
    repaired or person, in a sentence, the command that a person could run next, where it ran, when
    it ended, and where its log is. Times are in seconds since the epoch. None is not known.
    """

    stage: str
    since: float | None
    node: str | None
    why: str | None
    asked: bool
    repair: RepairReport | None
    result: str | None
    said: str | None
    advice: str | None
    on: str | None
    ended: float | None
    log: str | None

    @property
    def blocks(self) -> bool:
        return self.stage != Stage.OVER.value


def attributes(quarantines: Iterable[Quarantine]) -> tuple[str, ...]:
    """Return the private node attributes by which repairs say how far they are."""
    return tuple(
        attribute(each.server, each.filesystem) for each in quarantines if each.stage is Stage.REPAIR
    )


def attribute(server: str, filesystem: str) -> str:
    return f"repair-{server}.{filesystem}"


def of(quarantines: Quarantines, server: str, filesystem: str, facts: Facts) -> QuarantineReport | None:
    """Report on a filesystem; None if it was never found damaged."""
    found = next(
        (each for each in quarantines if (each.server, each.filesystem) == (server, filesystem)), None
    )
    if found is None:
        return None
    try:
        record = dict(json.loads(found.record))
    except (ValueError, TypeError):
        record = {"why": "its record in the configuration cannot be read"}
    return QuarantineReport(
        stage=found.stage.value,
        asked=bool(record.get("asked")),
        repair=_repair(server, filesystem, facts),
        **{
            each: record.get(each)
            for each in ("since", "node", "why", "result", "said", "advice", "on", "ended", "log")
        },
    )


def _repair(server: str, filesystem: str, facts: Facts) -> RepairReport | None:
    node = facts.placement.node_of(naming.repair(server, filesystem))
    if node is None:
        return None
    began, _, rest = (facts.attribute(node, attribute(server, filesystem)) or "").partition(" ")
    percent, _, doing = rest.partition(" ")
    return RepairReport(
        node,
        float(began) if began.isdigit() else None,
        doing or None,
        int(percent) if percent.isdigit() else None,
    )


def problem(cluster: Cluster, server: VirtualServer, filesystem: Filesystem, report: QuarantineReport) -> str:
    """Say of a blocked filesystem why, who is concerned, what is being done, and what to do."""
    name = f"{filesystem.name} of {server.name}"
    said = f"{name} is blocked: {report.why or 'it was found damaged'}"
    if report.stage == Stage.PERSON.value:
        after = f"{report.said}" if report.said else "it needs a person"
        log = f" (log: {report.log} on {report.on})" if report.log and report.on else ""
        again = f"vsctl repair {server.name}/{filesystem.name}"
        advice = "" if report.advice in (None, again) else f"{report.advice}, on one node; then "
        return f"{said}; {after}{log}; to do: {advice}`{again}`"
    waits = _waiting(server, filesystem)
    return f"{said}; {doing(cluster, filesystem, report)}{f'; {waits}' if waits else ''}"


def doing(cluster: Cluster, filesystem: Filesystem, report: QuarantineReport) -> str:
    """Say what is being done about a filesystem that is to be repaired."""
    repair = report.repair
    if repair is None:
        return f"it is to be checked on a node that reaches {filesystem.storage}"
    percent = "" if repair.percent is None else f", {repair.percent} %"
    return f"{repair.node} sees to it: {repair.doing or 'beginning'}{percent}"


def _waiting(server: VirtualServer, filesystem: Filesystem) -> str:
    if filesystem.name == ROOT:
        return f"all clients of {server.name} wait"
    return f"NFS clients of {filesystem.name} wait" if filesystem.exports else ""


def note(server: str, filesystem: str, report: QuarantineReport, now: float) -> str | None:
    """Say of a filesystem that was repaired lately that it was."""
    if report.blocks or report.ended is None or now - report.ended > RECENT:
        return None
    return (
        f"{filesystem} of {server} was found damaged on {report.node} ({report.why}) and checked on {report.on}: "
        f"{report.said}; log: {report.log}"
    )


def blocked(cluster: Cluster, server: VirtualServer, known: Quarantines) -> frozenset[str]:
    """Return the resources of a server that do not run because filesystems of it are blocked."""
    return frozenset(_blocked(cluster, server, known))


def _blocked(cluster: Cluster, server: VirtualServer, known: Quarantines) -> Iterator[str]:
    for each in known:
        if each.server != server.name or each.stage is Stage.OVER:
            continue
        if each.filesystem == ROOT:
            vips = {naming.announcer(server.name, subnet.name) for subnet in cluster.subnets_of(server)}
            yield from set(naming.primitives_of(cluster, server)) - vips - {naming.net(server.name)}
            return
        yield naming.filesystem(server.name, each.filesystem)
        yield naming.exports(server.name, each.filesystem)
        yield naming.shares(server.name, each.filesystem)
        if each.stage is Stage.REPAIR:
            yield naming.gate(server.name)
