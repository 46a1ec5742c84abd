"""How does the cluster hear what the daemon found, and the daemon what the others did?

By attrd_updater: a process for each change, none while nothing changes, and one
at a time, so that attributes arrive in the order in which they are to be seen.
Private attributes are never written to the CIB and start no transition.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vsctl.agents.noded.loop import Loop

AGAIN = 1.0
"""Seconds until the next try when the cluster does not answer."""
LIMIT = 10.0
_ANSWER = re.compile(r'name="([^"]*)" host="([^"]*)" value="([^"]*)"')


@dataclass(frozen=True)
class Job:
    """One run of attrd_updater: what it sets, or, without a value, what it asks of all nodes."""

    name: str
    value: str | None = None
    private: bool = False

    @property
    def command(self) -> list[str]:
        ask = ["--query", "--all"] if self.value is None else ["--update", self.value]
        return ["attrd_updater", "--name", self.name, *ask, *(["--private"] if self.private else [])]


class Attributes:
    """The node's attributes as they should be, and a queue of what is to be done about them."""

    def __init__(self, loop: Loop, log: Callable[[str], None]) -> None:
        self._loop = loop
        self._log = log
        self._wanted: dict[str, Job] = {}
        self._told: dict[str, str | None] = {}
        self._questions: list[tuple[Job, Callable[[dict[str, str]], None]]] = []
        self._running = False
        self._failing = False

    def want(self, pairs: Iterable[tuple[str, str]], *, private: bool = False) -> None:
        """Set attributes, in this order, unless they are so."""
        for name, value in pairs:
            self._wanted.pop(name, None)
            self._wanted[name] = Job(name, value, private)
        self._go_on()

    def ask(self, name: str, then: Callable[[dict[str, str]], None]) -> None:
        """Ask what all nodes say of an attribute; `then` gets the values by node."""
        self._questions.append((Job(name), then))
        self._go_on()

    def forget(self) -> None:
        """Set everything anew: the cluster has lost what it was told."""
        self._told.clear()
        self._go_on()

    @property
    def published(self) -> dict[str, str | None]:
        return dict(self._told)

    def _go_on(self) -> None:
        if self._running:
            return
        untold = (each for each in self._wanted.values() if self._told.get(each.name) != each.value)
        job = min(untold, key=lambda each: each.private, default=None)  # nothing waits for private ones
        if job is not None:
            self._start(job, lambda _: self._told.update({job.name: job.value}))
        elif self._questions:
            question, then = self._questions.pop(0)
            self._start(question, lambda said: then(_by_node(said)))

    def _start(self, job: Job, then: Callable[[str], None]) -> None:
        said = os.memfd_create("vsctl")
        try:
            child = _spawn(job.command, said)
        except FileNotFoundError:
            os.close(said)
            self._done(f"{job.command[0]} is not installed", lambda: None)
            return
        ended = os.pidfd_open(child)
        self._running = True
        over = False

        def finish() -> None:
            nonlocal over
            over = True
            self._loop.unwatch(ended)
            os.close(ended)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            words = os.pread(said, 1 << 20, 0).decode(errors="replace").strip()
            os.close(said)
            self._running = False
            # To ask for an attribute that nobody has is no error.
            bad = status != 0 and job.value is not None
            self._done(words or f"exit status {status}" if bad else None, lambda: then(words))

        def kill() -> None:
            if not over:
                os.kill(child, 9)

        self._loop.watch(ended, finish)
        self._loop.after(LIMIT, kill)

    def _done(self, problem: str | None, then: Callable[[], None]) -> None:
        if problem is None:
            if self._failing:
                self._log("the cluster takes node attributes again")
            self._failing = False
            then()
            self._go_on()
            return
        if not self._failing:
            self._log(f"the cluster does not take node attributes: {problem}")
        self._failing = True
        self._loop.after(AGAIN, self._go_on)


def _by_node(said: str) -> dict[str, str]:
    return {host: value for _, host, value in _ANSWER.findall(said)}


def _spawn(command: list[str], said: int) -> int:
    nothing = os.open("/dev/null", os.O_RDONLY)
    try:
        return os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, nothing, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, said, 2),
            ],
        )
    finally:
        os.close(nothing)
