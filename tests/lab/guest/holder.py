"""Who holds a locked file open in a guest, and what does that program live through?"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from types import TracebackType

from tests.lab.clients import record
from tests.lab.clients.journal import Report, read
from tests.lab.guest.guest import Guest, Program
from tests.lab.problem import LabProblem
from tests.lab.waiting import wait


class Holder:
    """A program in a guest that has one file open, and usually locked, and writes synced records through it.

    Errors are those a program gets from its system calls; `ack` is a record that fsync said is on disk.
    """

    def __init__(self, guest: Guest, file: str, *, locked: bool = True) -> None:
        self.guest = guest
        self.file = file
        self.options = () if locked else ("--unlocked",)
        self.run = secrets.token_hex(4)
        self.program: Program | None = None

    def __enter__(self) -> Holder:
        self.program = self.guest.python("hold.py", self.file, self.run, *self.options)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:  # a guest that no longer answers would hide the error that matters
            self.stop()

    def stop(self, limit: float = 60) -> Report:
        """Let go of the file, and return the report."""
        self._program.end(limit)
        return self.report()

    def report(self) -> Report:
        """Return what the program has lived through so far, in CLOCK_MONOTONIC of this machine."""
        shift = time.monotonic() - time.time()
        told = read(self._program.output().splitlines(keepends=True))
        events = tuple(replace(each, at=each.at + shift) for each in told.events)
        ends = [each.at for each in events if each.event == "end"]
        return Report(events, ends[-1] if ends else time.monotonic())

    def wait_for_progress(self, limit: float = 60, records: int = 20) -> None:
        """Wait until as many more records are on disk."""
        begin = self.report().acknowledged

        def progress() -> bool:
            report = self.report()
            if report.errors:
                raise LabProblem(f"{self.file} in {self.guest.name} is lost: {report}")
            return report.acknowledged >= begin + records

        wait(progress, f"{self.guest.name} gets on with {self.file}", limit, 0.25)

    def missing(self, reader: Guest) -> list[int]:
        """Return the numbers of records on disk that another guest, with the same mounts, does not read."""
        content = reader.check(["cat", self.file], 120).encode()
        numbers = [each.n for each in self.report().events if each.event == "ack"]
        return record.missing(self.run, numbers, lambda offset, length: content[offset : offset + length])

    @property
    def _program(self) -> Program:
        if self.program is None:
            raise LabProblem(f"{self.file} in {self.guest.name} is not held: enter the holder first")
        return self.program
