"""What did the nodes do, and when?

Read from their own logs: each node says when it runs an action and when the
action ended, to the millisecond, by the clock that all nodes here share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tests.lab.lab import Lab

LOG = "/var/log/pacemaker/pacemaker.log"
_BEGUN = re.compile(
    r"^(\w+ \d+ [\d:.]+) \S+ .*Requesting local execution of ([\w-]+) operation for (\S+) on (\S+)"
)
_ENDED = re.compile(r"^(\w+ \d+ [\d:.]+) \S+ .*Result of ([\w-]+) operation for (\S+) on (\S+): (\S+)")


@dataclass(frozen=True)
class Act:
    """An action of an agent: `at` is seconds since the epoch; `result` None when it only began."""

    at: float
    operation: str
    resource: str
    node: str
    result: str | None = None


def acts(lab: Lab, since: float = 0.0) -> tuple[Act, ...]:
    """Return everything the nodes' agents began and ended after a moment, in order of time."""
    found = [each for node in lab.nodes_on for each in _of(node.run(["cat", LOG]).stdout) if each.at >= since]
    return tuple(sorted(found, key=lambda each: each.at))


def begun(lab: Lab, operation: str, since: float = 0.0) -> tuple[Act, ...]:
    """Return the actions of one kind that began after a moment."""
    return tuple(each for each in acts(lab, since) if each.operation == operation and each.result is None)


def _of(text: str) -> Iterator[Act]:
    for line in text.splitlines():
        if (found := _BEGUN.match(line)) or (found := _ENDED.match(line)):
            when, *rest = found.groups()
            yield Act(_seconds(when), *rest)


def _seconds(when: str) -> float:
    """Return the moment of a log line, which leaves out the year and means this machine's own time."""
    year = datetime.now().year
    return datetime.strptime(f"{year} {when}", "%Y %b %d %H:%M:%S.%f").timestamp()
