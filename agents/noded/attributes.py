"""How does the cluster hear what the daemon found, and the daemon what the others did?

By attrd_updater: a process for each change, none while nothing changes, and one
at a time, so that attributes arrive in the order in which they are to be seen.
Private attributes are never written to the CIB and start no transition.

Every other attribute makes the cluster think anew, and what it was about to do
waits. So after a change for which it should act it hears of nothing else for
some seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vsctl.agents.noded import commands
from vsctl.agents.noded.loop import Loop, now

CALM = 3.0
"""Seconds that the cluster gets to act on urgent news before it hears the rest."""
AGAIN = 1.0
"""Seconds until the next try when the cluster does not answer."""
_ANSWER = re.compile(r'name="([^"]*)" host="([^"]*)" value="([^"]*)"')


@dataclass(frozen=True)
class Job:
    """One run of attrd_updater: what it sets, on this node if none is named; without a value it deletes."""

    name: str
    value: str | None
    private: bool = False
    urgent: bool = True
    node: str = ""

    @property
    def command(self) -> list[str]:
        what = ["--delete"] if self.value is None else ["--update", self.value]
        where = ["--node", self.node] if self.node else []
        return ["attrd_updater", "--name", self.name, *what, *where, *(["--private"] if self.private else [])]


class Attributes:
    """The node's attributes as they should be, and a queue of what is to be done about them."""

    def __init__(self, loop: Loop, log: Callable[[str], None]) -> None:
        self._loop = loop
        self._log = log
        self._wanted: dict[str, Job] = {}
        self._told: dict[str, str | None] = {}
        self._questions: list[tuple[str, Callable[[dict[str, str]], None]]] = []
        self._running = False
        self._failing = False
        self._calm = 0.0

    def want(
        self, pairs: Iterable[tuple[str, str | None]], *, private: bool = False, urgent: bool = True
    ) -> None:
        """Set attributes, in this order, unless they are so; None deletes one that was set."""
        urgent = urgent and not private
        for name, value in pairs:
            self._wanted.pop(name, None)
            self._wanted[name] = Job(name, value, private, urgent)
            if urgent and self._told.get(name, value) != value:
                self._calm = now() + CALM
        # What is less urgent lets what is wanted in the same breath go first.
        self._loop.after(0.0, self._go_on)

    def ask(self, name: str, then: Callable[[dict[str, str]], None]) -> None:
        """Ask what all nodes say of an attribute; `then` gets the values by node."""
        self._questions.append((name, then))
        self._go_on()

    def noticed(self, name: str, value: str) -> None:
        """Take in what the cluster says of an attribute of this node: somebody else has set it."""
        self._told[name] = value

    def drop(self, name: str) -> None:
        """Delete an attribute that somebody else has set here."""
        self._told[name] = ""
        self.want([(name, None)], private=True)

    def forget(self) -> None:
        """Set everything anew: the cluster has lost what it was told."""
        self._told.clear()
        self._go_on()

    @property
    def published(self) -> dict[str, str]:
        return {name: value for name, value in self._told.items() if value is not None}

    def _go_on(self) -> None:
        if self._running:
            return
        untold = (each for each in self._wanted.values() if self._told.get(each.name) != each.value)
        wait = self._calm - now()
        ready = (each for each in untold if each.urgent or wait <= 0)
        job = min(ready, key=lambda each: each.private, default=None)  # nothing waits for private ones
        if wait > 0:
            self._loop.after(wait, self._go_on)
        if job is not None:
            self._start(job.command, lambda _: self._told.update({job.name: job.value}))
        elif self._questions:
            name, then = self._questions.pop(0)
            # To ask for an attribute that nobody has is no error.
            ask = ["attrd_updater", "--name", name, "--query", "--all"]
            self._start(ask, lambda said: then(_by_node(said)), fails=False)

    def _start(self, command: list[str], then: Callable[[str], None], *, fails: bool = True) -> None:
        self._running = True

        def ended(status: int, words: str) -> None:
            self._running = False
            bad = fails and status != 0
            self._done(words or f"exit status {status}" if bad else None, lambda: then(words))

        commands.start(self._loop, command, ended)

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
