"""What did a client live through?

Each client writes one JSON object a line, flushed, with `at` from
CLOCK_MONOTONIC, which is the same in every namespace of the machine. Events:

start, end  the client began and was told to stop
ack         record `n` is on the server's disk, by the server's word; or a probe was answered
lost        the connection ended
connected   there is a new one
refused     a connection could not be made
waiting     the server asked for patience (NFS3ERR_JUKEBOX), or did not let the client mount yet
notified    the server's sm-notify said that it has restarted
error       what a program using the file would have seen as an error
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Event:
    at: float
    event: str
    n: int = -1
    text: str = ""


class Journal:
    """The journal that a client writes."""

    def __init__(self, path: str) -> None:
        self.file = Path(path).open("a", buffering=1)  # noqa: SIM115 - open as long as the client lives

    def __call__(self, event: str, **more: Any) -> None:
        self.file.write(json.dumps({"at": time.monotonic(), "event": event, **more}) + "\n")


@dataclass(frozen=True)
class Report:
    """What a journal says. Times are seconds, `errors` and `lost` sentences with their times."""

    events: tuple[Event, ...]
    until: float
    """Where the last gap ends: when the client stopped, or now."""

    @property
    def acknowledged(self) -> int:
        return len(self.acks)

    @property
    def acks(self) -> tuple[float, ...]:
        return tuple(each.at for each in self.events if each.event == "ack")

    @property
    def errors(self) -> tuple[Event, ...]:
        return self._events("error")

    @property
    def lost(self) -> tuple[Event, ...]:
        """When the client saw its connection end."""
        return self._events("lost")

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Every time without an acknowledgement, (beginning, length), from the first one to the end."""
        times = [*self.acks, self.until]
        return tuple((one, other - one) for one, other in pairwise(times))

    @property
    def longest_gap(self) -> float:
        """Seconds; the whole time if nothing was ever acknowledged."""
        if not self.acks:
            return self.until - min((each.at for each in self.events), default=self.until)
        return max((length for _, length in self.gaps), default=0.0)

    def _events(self, kind: str) -> tuple[Event, ...]:
        return tuple(each for each in self.events if each.event == kind)

    def __str__(self) -> str:
        counts = f"{self.acknowledged} acknowledged, {len(self.errors)} errors"
        said = f"{counts}, longest gap {self.longest_gap:.2f} s"
        return said + "".join(f"; {each.text}" for each in self.errors[:3])


def read(lines: Iterable[str]) -> Report:
    """Return what a journal's lines say; the last one may still be half written."""
    events = []
    for line in lines:
        if line.endswith("\n"):
            fields = json.loads(line)
            events.append(Event(fields["at"], fields["event"], fields.get("n", -1), fields.get("text", "")))
    ends = [each.at for each in events if each.event == "end"]
    return Report(tuple(events), ends[-1] if ends else time.monotonic())
