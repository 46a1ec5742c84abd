"""What was done to the machines, and when?

One JSON object a line. `at` is CLOCK_MONOTONIC, which is the same in every
namespace: times of the lab, of its clients and of agents can be compared.
"""

from __future__ import annotations

import datetime
import json
import time
from dataclasses import asdict, dataclass

from tests.lab.place import Place


@dataclass(frozen=True)
class Entry:
    """`event` is one of `cut`, `off`, `on`, `mounted-twice`; `why` says who wanted it.

    `wall` is the same moment in seconds since the epoch, for files' times; `time` is for people.
    """

    at: float
    wall: float
    event: str
    machine: str
    why: str
    time: str


class Journal:
    """The power switch's journal of one lab."""

    def __init__(self, place: Place) -> None:
        self.path = place.path / "journal.jsonl"

    def write(self, event: str, machine: str, why: str) -> None:
        wall = time.time()
        readable = datetime.datetime.fromtimestamp(wall).astimezone().isoformat(timespec="milliseconds")
        entry = Entry(time.monotonic(), wall, event, machine, why, readable)
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(entry)) + "\n")

    def read(self, event: str | None = None, machine: str | None = None) -> list[Entry]:
        if not self.path.exists():
            return []
        entries = [Entry(**json.loads(line)) for line in self.path.read_text().splitlines()]
        return [each for each in entries if event in (None, each.event) and machine in (None, each.machine)]
