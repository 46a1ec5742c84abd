"""When is the load to be looked at again?

Pure: what the cluster file says, when it was done last and when servers were
moved last by somebody else, in; a time and why not earlier out. All times are
seconds since the epoch: quiet hours are told by the clock on the wall.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

MANUAL, AUTO = "manual", "auto"
FIRST = 60.0
"""Seconds until one looks that has just come, or could not the last time: by then every load is known."""
SLACK = 5.0
"""Seconds by which the clocks of nodes may differ."""

TURN, COOL_DOWN, QUIET = "turn", "cool-down", "quiet"
"""Why it is not looked earlier: it is not its turn, servers have just moved, the hours are quiet."""

DAY = 24 * 60
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_START = re.compile(r"<lrm_rsc_op [^>]*>")
_ID = re.compile(r' id="([^"]*)-net_[^"]*"')
_CHANGED = re.compile(r' last-rc-change="(\d+)"')


@dataclass(frozen=True)
class Settings:
    """`every` and `cool_down` are seconds; `quiet` are minutes since midnight, from and to, None for no such hours."""

    mode: str
    every: float
    cool_down: float
    quiet: tuple[int, int] | None = None


@dataclass(frozen=True)
class Due:
    at: float
    why: str


def mode(text: str) -> str:
    if text not in (MANUAL, AUTO):
        raise ValueError(f"the mode is {MANUAL} or {AUTO}")
    return text


def seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a number of seconds is needed")
    return float(text)


def quiet(text: str) -> tuple[int, int] | None:
    """Read `22:00-05:00`; nothing is never."""
    if not text:
        return None
    found = _QUIET.fullmatch(text)
    if found is None:
        raise ValueError("the hours have the form 22:00-05:00")
    hour, minute, last_hour, last_minute = map(int, found.groups())
    return hour * 60 + minute, last_hour * 60 + last_minute


def write(mode: str, every: float, cool_down: float, quiet: str) -> str:
    """Return the text of the file of settings."""
    return f"mode {mode}\nevery {every:.0f}\ncool_down {cool_down:.0f}\nquiet {quiet}\n"


def read(text: str) -> Settings:
    """Read what `write` wrote."""
    said = dict(line.partition(" ")[::2] for line in text.splitlines())
    return Settings(said["mode"], float(said["every"]), float(said["cool_down"]), quiet(said["quiet"]))


def due(
    settings: Settings,
    *,
    came: float,
    looked: float | None,
    failed: bool,
    disturbed: float | None,
    now: float,
    minute: Callable[[float], float],
) -> Due:
    """Return when to look next.

    `came` is when this balancer has begun, `looked` when it looked last, `failed` whether
    something stood in its way then, `disturbed` when somebody else last moved a server, or a
    failure did; `minute` returns the minutes since midnight of a time. What is overdue is done
    `now`, unless these hours are quiet.
    """
    soon = min(FIRST, settings.every)
    found = Due(came + soon if looked is None else looked + (soon if failed else settings.every), TURN)
    if disturbed is not None and disturbed + settings.cool_down > found.at:
        found = Due(disturbed + settings.cool_down, COOL_DOWN)
    if settings.quiet is not None:
        start, end = settings.quiet
        soonest = max(found.at, now)
        at = minute(soonest)
        if (at - start) % DAY < (end - start) % DAY:
            found = Due(soonest + 60 * ((end - at) % DAY), QUIET)
    return found


def query() -> list[str]:
    """Return the command that asks when servers have last been started, on every node."""
    history = "//lrm_resource[@provider='vsctl' and @type='net']/lrm_rsc_op"
    return ["cibadmin", "--query", "--xpath", f"{history}[@operation='start' and @rc-code='0']"]


@dataclass(frozen=True)
class Own:
    """The servers that we have moved in one go, and from when to when."""

    begun: float
    ended: float
    servers: frozenset[str]

    def has_started(self, server: str, at: float) -> bool:
        return server in self.servers and self.begun - SLACK <= at <= self.ended + SLACK


def last_by_others(said: str, own: Iterable[Own]) -> float | None:
    """Return when a server was last started that we have not moved, from the answer to `query`."""
    ours = list(own)
    return max(
        (at for server, at in _starts(said) if not any(each.has_started(server, at) for each in ours)),
        default=None,
    )


def _starts(said: str) -> Iterator[tuple[str, float]]:
    for start in _START.findall(said):
        about, changed = _ID.search(start), _CHANGED.search(start)
        if about and changed:
            yield about[1], float(changed[1])
