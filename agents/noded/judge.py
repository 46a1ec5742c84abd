"""May a port be used?

Down at once, up only after quiet. A port that was lost is used again when it
has worked without a break for a while, which doubles with every loss in the
last ten minutes: a port that flaps costs one failover, not ten.

Pure: observations and the clock in, records out. Times are seconds of a clock
that only goes forward and survives a restart of the daemon.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

QUIET = 2.0
"""Seconds a port has to work after its first loss."""
LONGEST = 300.0
MEMORY = 600.0
"""Seconds after which a loss is forgotten."""

DIRECTLY = 2
"""The value of `subnet-<subnet>` where a port of the node itself can announce."""

GOOD, LOST, SILENT, WAITING, FLAPPING, UNKNOWN = "good", "lost", "silent", "waiting", "flapping", "unknown"


@dataclass(frozen=True)
class Record:
    """What is known of one port.

    `works` is what was observed last and `since` when that changed; both it
    and `good`, the verdict, are None before anything was observed. `losses`
    are the times of those that count. `hold` is for how many seconds it has to
    work at least until it counts again, once.
    """

    works: bool | None = None
    since: float = 0.0
    losses: tuple[float, ...] = ()
    good: bool | None = None
    hold: float = 0.0


def observed(record: Record, works: bool | None, now: float) -> Record:
    """Take in what is observed now; None is no news."""
    if works is not None and works != record.works:
        first = record.works is None
        losses = record.losses if works or first else (*_counting(record, now), now)
        good = works if first else bool(record.good and works)
        return replace(record, works=works, since=now, losses=losses, good=good)
    if record.works and not record.good and now >= usable_at(record, now):
        return replace(record, good=True, hold=0.0)
    return record


def usable_at(record: Record, now: float) -> float:
    """Return when a port that works now may be used if it goes on working."""
    return max(record.since + record.hold, calm_at(record, now))


def calm_at(record: Record, now: float) -> float:
    """Return when a port that works now has worked for as long as its losses ask for, whatever holds it back."""
    return record.since + quiet(max(1, len(_counting(record, now))))


def quiet(losses: int) -> float:
    """Return how long a port has to work after so many losses."""
    return min(QUIET * 2.0 ** min(losses - 1, 30), LONGEST)


def released(record: Record) -> Record:
    """Forget the losses: an operator says that the port is all right."""
    return replace(record, losses=(), good=record.works, hold=0.0)


def state(record: Record, carrier: bool, now: float) -> str:
    """Say in a word how a port is."""
    if record.good is None:
        return UNKNOWN
    if record.good:
        return GOOD
    if record.works:
        return FLAPPING if len(_counting(record, now)) > 1 else WAITING
    return SILENT if carrier else LOST


def worth(subnet: str, good: Collection[str], routed: Collection[str]) -> int:
    """Return the value of `subnet-<subnet>`.

    `good` are the subnets on which this node has a good port, `routed` those
    whose addresses can be announced by host route now, from a port on another one.
    """
    if subnet in good:
        return DIRECTLY
    return 1 if subnet in routed and good else 0


def worths(
    records: Mapping[str, Record], subnets: Mapping[str, str], routed: Collection[str]
) -> dict[str, int]:
    """Return the value of `subnet-<subnet>` for every subnet that a port is on."""
    good = {subnets[port] for port, record in records.items() if record.good}
    return {each: worth(each, good, routed) for each in dict.fromkeys(subnets.values())}


def attributes(
    records: Mapping[str, Record], subnets: Mapping[str, str], routed: Collection[str]
) -> list[tuple[str, str]]:
    """Return the node attributes, in the order in which they are to be set; none before all ports were observed.

    `subnets` has the subnet of every port. What sends most away comes first,
    so that the cluster never acts on half the news; `node-ok` comes last. Not
    all of them are urgent (`is_urgent`).
    """
    if any(each.good is None for each in records.values()):
        return []
    return [
        ("ports-good", str(sum(bool(each.good) for each in records.values()))),
        *((f"subnet-{each}", str(value)) for each, value in worths(records, subnets, routed).items()),
        *((f"port-{port}", str(int(bool(record.good)))) for port, record in records.items()),
        ("node-ok", "1"),
    ]


def is_urgent(name: str, value: str) -> bool:
    """Say whether the cluster has something to do when this changes."""
    return name.startswith("subnet-") or (name, value) == ("ports-good", "0")


def next_port(
    ports: Iterable[str], announced: Collection[str], good: Collection[str], bad: Collection[str]
) -> str | None:
    """Return the port to which addresses have to move, None if they stay.

    `ports` may announce them, best first; `announced` do now. What is
    announced on a port that is not bad stays there, also when a better one
    returns, and while nothing is known of it.
    """
    if any(each not in bad for each in announced):
        return None
    return next((each for each in ports if each in good), None)


def _counting(record: Record, now: float) -> tuple[float, ...]:
    return tuple(each for each in record.losses if now - each < MEMORY)
