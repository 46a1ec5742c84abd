"""How are storage units read without ever waiting for one?

Each unit has a process of its own that reads when it is asked to, past the
page cache, so that the storage itself answers. It is asked again only after it has
answered. One that never does is stuck in the kernel, where no signal
reaches it: it is left alone until the storage lets it go. The processes end
with the daemon.
"""

from __future__ import annotations

import errno
import mmap
import os
import signal
from collections.abc import Callable, Mapping
from time import monotonic

from vsctl.agents.holders import READER
from vsctl.agents.mounts import BLOCK
from vsctl.agents.noded import judge, storage
from vsctl.agents.noded.judge import Record
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.noded.storage import Answer, Reads

EVERY = 1.0
"""Seconds from one read of a unit to the next,"""
SOON = 0.2
"""and after an error."""

Units = Mapping[str, tuple[str, ...]]


class Unit:
    """One storage unit as this node sees it."""

    def __init__(self, devices: tuple[str, ...], record: Record) -> None:
        self.devices = devices
        self.record = record
        self.reads = Reads()
        self.state = storage.UNKNOWN
        self.process, self._question, self.answer = _start(devices)
        self._next = 0
        self._good_since = 0.0

    def judged(self, works: bool | None, moment: float) -> str:
        """Take in a verdict, and return what the unit is called now."""
        self.record = judge.observed(self.record, works, moment)
        state = storage.state(self.record, self.reads, moment)
        if state != storage.GOOD:
            self._good_since = moment
        return storage.told(self.state, state, self._good_since, moment)

    def ask(self) -> None:
        """Have the next device read, unless a read has not come back yet."""
        if self.reads.asked is not None:
            return
        self.reads = self.reads.begun(now())
        try:
            os.write(self._question, bytes([self._next]))
        except BrokenPipeError:
            return  # it was killed: the end of what it says is next
        self._next = (self._next + 1) % min(len(self.devices), 256)

    def read(self) -> bool:
        """Take in the answer that has come; False if none will come any more."""
        took, _, problem = os.read(self.answer, 4096).decode().partition(" ")
        if took:
            self.reads = self.reads.answered(Answer(float(took), problem))
        return bool(took)

    def is_held_up(self) -> bool:
        """Whether the reading process waits for its turn on a processor, and not for the storage."""
        try:
            with open(f"/proc/{self.process}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "R"
        except OSError:
            return False

    def end(self) -> None:
        os.close(self._question)
        os.close(self.answer)
        os.kill(self.process, signal.SIGKILL)


class Storage:
    """Every storage unit that this node should reach. `changed` is called after each verdict."""

    def __init__(self, loop: Loop, log: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._loop = loop
        self._log = log
        self._changed = changed
        self.units: dict[str, Unit] = {}
        self._ending: list[int] = []

    def watch(self, wanted: Units, remembered: Mapping[str, Record]) -> None:
        """Watch these units from now on; `remembered` is what a daemon before this one knew."""
        for name in [each for each, unit in self.units.items() if wanted.get(each) != unit.devices]:
            remembered = {**remembered, name: self._end(name)}
        for name, devices in wanted.items():
            if name not in self.units:
                self._begin(name, devices, remembered.get(name, Record()))

    def _begin(self, name: str, devices: tuple[str, ...], record: Record) -> None:
        unit = self.units[name] = Unit(devices, record)
        self._loop.watch(unit.answer, self._reader(name, unit))
        unit.ask()

    def _end(self, name: str) -> Record:
        unit = self.units.pop(name)
        self._loop.unwatch(unit.answer)
        unit.end()
        self._ending.append(unit.process)
        return unit.record

    def tick(self) -> None:
        """Read every unit, and look for those that do not answer; again and again."""
        self._ending = [each for each in self._ending if os.waitpid(each, os.WNOHANG) == (0, 0)]
        for name, unit in list(self.units.items()):
            if unit.reads.asked is None:
                unit.ask()
                continue
            self._judge(name, unit)
            # Who uses a unit that hangs waits for the verdict: it comes when it is due, not with the next look.
            if 0 < (left := storage.until_dead(unit.reads, now())) < EVERY:
                self._loop.after(left, self._judge_if_watched(name, unit))
        self._loop.after(EVERY, self.tick)

    @property
    def is_known(self) -> bool:
        """Whether something is known of every unit."""
        return all(each.record.good is not None for each in self.units.values())

    @property
    def attributes(self) -> list[tuple[str, str]]:
        return storage.attributes({name: unit.record for name, unit in self.units.items()})

    @property
    def states(self) -> dict[str, str]:
        """Return how every unit is, in a word; nothing of those that no read has come back from."""
        return {name: unit.state for name, unit in self.units.items() if unit.state != storage.UNKNOWN}

    @property
    def silent(self) -> list[str]:
        """Return the devices of the units that hang; one whose reader is only short of a processor does not."""
        hung = (
            unit for unit in self.units.values() if unit.state == storage.HUNG and unit.record.works is False
        )
        return [device for unit in hung for device in unit.devices]

    @property
    def dead(self) -> list[str]:
        """Return the units that are not reached now; others that are lost work again, and have to for a while."""
        return [name for name, unit in self.units.items() if unit.record.works is False]

    @property
    def lost(self) -> list[str]:
        return [name for name, unit in self.units.items() if unit.record.good is False]

    @property
    def waiting(self) -> list[str]:
        """Return the units that are reached again, and have to be for a while until they count."""
        return [name for name, unit in self.units.items() if unit.record.works and not unit.record.good]

    @property
    def unsteady(self) -> list[str]:
        """Return those of them that may be lost again at any moment; the others are only held back."""
        return storage.unsteady({name: unit.record for name, unit in self.units.items()}, now())

    def release(self, name: str) -> None:
        """Count a unit at once if it is reached: an operator says that it is all right."""
        unit = self.units[name]
        unit.record = judge.released(unit.record)
        unit.state = unit.judged(None, now())
        self._changed()

    def report(self) -> dict[str, object]:
        """Return what an operator may want to know, as in `docs/contracts.md`."""
        return {
            name: {
                "state": unit.state,
                "works": unit.record.works,
                "good": unit.record.good,
                "since": unit.record.since,
                "losses": list(unit.record.losses),
                "hold": unit.record.hold,
                "devices": list(unit.devices),
                "took": [round(each.took, 4) for each in unit.reads.answers],
                "problem": unit.reads.problem,
                "waits_since": unit.reads.asked,
            }
            for name, unit in self.units.items()
        }

    def _reader(self, name: str, unit: Unit) -> Callable[[], None]:
        def read() -> None:
            if not unit.read():
                self._begin(name, unit.devices, self._end(name))
                return
            self._judge(name, unit)
            if unit.reads.answers[-1].problem:
                self._loop.after(SOON, lambda: unit.ask() if self.units.get(name) is unit else None)

        return read

    def _judge(self, name: str, unit: Unit) -> None:
        moment = now()
        works = storage.works(unit.reads, moment)
        if works is False and unit.reads.asked is not None and unit.is_held_up():
            works = None
        before, state = unit.record, unit.judged(works, moment)
        if state != unit.state and (unit.state, state) != (storage.UNKNOWN, storage.GOOD):
            self._log(storage.sentence(name, state, unit.reads, unit.record, moment))
        if (unit.state, before) != (state, unit.record):
            unit.state = state
            self._changed()

    def _judge_if_watched(self, name: str, unit: Unit) -> Callable[[], None]:
        return lambda: self._judge(name, unit) if self.units.get(name) is unit else None


def _start(devices: tuple[str, ...]) -> tuple[int, int, int]:
    """Start the process that reads a unit; return its id, where to ask it, and where it answers."""
    hear, question = os.pipe()
    answer, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(hear)
        os.close(tell)
        return child, question, answer
    try:
        become_reader(hear, tell)
        while asked := os.read(0, 1):
            os.write(1, _read(devices[asked[0]]).encode())
    finally:
        os._exit(0)


def become_reader(hear: int, tell: int) -> None:
    """Keep nothing of the daemon's: no file, no signals, not its name."""
    signal.set_wakeup_fd(-1)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)
    os.dup2(hear, 0)
    os.dup2(tell, 1)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    with open("/proc/self/comm", "w") as file:
        file.write(READER)


def _read(device: str) -> str:
    """Read the beginning of a device from the storage; return how long it took, and what was wrong."""
    begun = monotonic()
    problem = ""
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT)
        try:
            if os.preadv(descriptor, [mmap.mmap(-1, BLOCK)], 0) <= 0:
                problem = f"{device}: it is empty"
        finally:
            os.close(descriptor)
    except OSError as error:
        problem = f"{device}: {os.strerror(error.errno or errno.EIO)}"
    return f"{monotonic() - begun:.6f} {problem}"
