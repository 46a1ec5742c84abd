"""The balancer: it has the load evened out when it is time for that.

It decides nothing but when. `vsctl rebalance` runs as its child, by the
Python that `vsctl install` was run by, and ends with it.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque

from vsctl.agents import files, node, paths, resident
from vsctl.agents.balancer import ALIVE, CHILD, PROCESS, SETTINGS
from vsctl.agents.balancerd import outcome, timing
from vsctl.agents.balancerd.outcome import Outcome
from vsctl.agents.balancerd.timing import AUTO, Due, Own, Settings
from vsctl.agents.noded import commands
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.ocf import log

ATTRIBUTE = "balancer"
TICK = 5.0
"""Seconds between two looks at the clock."""
LIMIT = 1800.0
"""Seconds after which a child is told to end,"""
FAREWELL = 10.0
"""and how many it gets for that, here and when the balancer itself is to end."""
OWN = 50
"""Of so many of its own moves it remembers when they were."""


class Balancer:
    """`run` returns when it is told to end, and its child has ended."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.attributes = Attributes(self.loop, log)
        self.came = time.time()
        self.outcome: Outcome | None = None
        self.disturbed: float | None = None
        self.own: deque[Own] = deque(maxlen=OWN)
        self.child: int | None = None
        self.ending = False
        self._asking = False

    def run(self) -> None:
        self._heed_signals()
        node.write_lines(PROCESS, [resident.mark(os.getpid())])
        self._note(os.uname().nodename, "started")
        self._tick()
        self.loop.run()
        for each in (PROCESS, ALIVE):
            os.unlink(each)

    def _heed_signals(self) -> None:
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write)
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: None)

        def heed() -> None:
            os.read(read, 64)  # or it would be called again and again while the child tidies up
            self._end()

        self.loop.watch(read, heed)

    def _end(self) -> None:
        """End, but let the child tidy up first."""
        if self.child is None:
            self.loop.end()
        elif not self.ending:
            self._dismiss(self.child)
        self.ending = True

    def _dismiss(self, child: int) -> None:
        """Tell a child to end, and see that it does."""
        os.kill(child, signal.SIGTERM)

        def insist() -> None:
            if self.child == child:
                os.kill(child, signal.SIGKILL)

        self.loop.after(FAREWELL, insist)

    def _tick(self) -> None:
        node.write_lines(ALIVE, [f"{now():.0f}"])
        settings = timing.read(files.read(SETTINGS))
        if self.child is None and not self.ending:
            due = self._due(settings)
            if due.at <= time.time():
                self._ask(settings)
            else:
                self._tell(settings, due)
        self.loop.after(TICK, self._tick)

    def _due(self, settings: Settings) -> Due:
        return timing.due(
            settings,
            came=self.came,
            looked=self.outcome.begun if self.outcome else None,
            failed=bool(self.outcome and (self.outcome.problem or self.outcome.early)),
            disturbed=self.disturbed,
            now=time.time(),
            minute=_minute,
        )

    def _tell(self, settings: Settings, due: Due) -> None:
        self.attributes.want([(ATTRIBUTE, outcome.text(settings.mode, due, self.outcome))], private=True)

    def _ask(self, settings: Settings) -> None:
        """Ask whether servers have moved meanwhile, and look at the load unless they have."""
        if self._asking:
            return
        self._asking = True

        def then(status: int, words: str) -> None:
            self._asking = False
            if status not in (0, commands.NOTHING_FOUND) or self.ending:
                return  # nobody can tell just now
            self.disturbed = timing.last_by_others(words if status == 0 else "", self.own)
            due = self._due(settings)
            if due.at > time.time():
                self._tell(settings, due)
            else:
                self._look(settings)

        commands.start(self.loop, timing.query(), then)

    def _look(self, settings: Settings) -> None:
        begun = time.time()
        interpreter = files.read(paths.INTERPRETER).strip()
        command = [interpreter, "-I", "-m", "vsctl.cli", "rebalance", "--periodic", "--json"]
        command += ["--apply"] if settings.mode == AUTO else []
        said, complaint = os.memfd_create("said"), os.memfd_create("complaint")

        def finish(status: int) -> None:
            texts = [
                os.pread(each, 1 << 20, 0).decode(errors="replace").strip() for each in (said, complaint)
            ]
            os.close(said)
            os.close(complaint)
            self._looked(settings, outcome.of(begun, time.time(), status, *texts))

        def refuse(why: str) -> None:
            os.write(complaint, f"{why}; run vsctl install".encode())
            finish(commands.MISSING)

        try:
            if (others := others_write(paths.INTERPRETER, interpreter)) is not None:
                refuse(
                    f"{others} could be changed by others than root, so nothing is run: let root alone write it"
                )
                return
            self.child = _spawn(command, said, complaint)
        except OSError as problem:
            refuse(f"{interpreter or paths.INTERPRETER}: {problem.strerror}")
            return
        child = self.child
        node.write_lines(CHILD, [resident.mark(child)])
        ended = os.pidfd_open(child)

        def reap() -> None:
            self.loop.unwatch(ended)
            os.close(ended)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            self.child = None
            node.write_lines(CHILD, [])
            finish(status)
            if self.ending:
                self.loop.end()

        self.loop.watch(ended, reap)
        self.loop.after(LIMIT, lambda: self._dismiss(child) if self.child == child else None)

    def _looked(self, settings: Settings, found: Outcome) -> None:
        self.outcome = found
        if settings.mode == AUTO:
            # One that ended with a problem does not say what it has moved: that counts as moved by others.
            moved = frozenset(each.server for each in found.moves)
            self.own.append(Own(found.begun, found.begun + found.took, moved))
            for each in found.moves:
                self._note(each.server, f"{each.origin}:{each.target}")
        if found.problem:
            log(f"the load could not be evened out: {found.problem}")
            self._note(os.uname().nodename, "failed")
        self._tell(settings, self._due(settings))

    def _note(self, about: str, state: str) -> None:
        """Have it written into the diary of the node, where there is one."""
        try:
            resident.ask(f"note balancer {about} {state}", 1.0)
        except OSError:
            return


def others_write(*files: str) -> str | None:
    """Return the first of some files that somebody else than root could write."""
    for each in files:
        about = os.stat(each)
        if about.st_uid != 0 or about.st_mode & 0o022:
            return each
    return None


def _spawn(command: list[str], said: int, complaint: int) -> int:
    nothing = os.open("/dev/null", os.O_RDONLY)
    try:
        return os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, complaint, 2),
            ],
            setsigdef=(signal.SIGTERM, signal.SIGINT),
        )
    finally:
        os.close(nothing)


def _minute(at: float) -> float:
    there = time.localtime(at)
    return there.tm_hour * 60 + there.tm_min + there.tm_sec / 60


def main() -> None:
    Balancer().run()
