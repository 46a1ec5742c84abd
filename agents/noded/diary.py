"""What happened to ports, subnets and addresses on this node?

A line for each event, the newest last: when (seconds since the epoch), what it is about
and what it is now.

    1763829000.12 port e0a lost           good, lost, silent, waiting, flapping, released
    1763829000.13 subnet lan-a lost       lost, good, routed (by host route)
    1763829000.14 address vs1/lan-a e0b   the port that announces it here, - for none
    1763829000.15 route vs1/lan-a e0b     the same, for a server on another node
    1763829010.20 server vs1 leave        leave: it is asked to, stay: no longer
    1763829010.25 node n1 empty           empty: a server is stuck on it, fence: it asks to be fenced, nothing
    1763829010.27 storage san1 ended      it hung when this node went down; else its state
    1763829010.29 filesystem vs1/data damaged
    1763829010.30 daemon n1 started

Kept in a file over reboots; the cluster hears the last ones in a private attribute.
"""

from __future__ import annotations

import os
import re

from vsctl.agents import node, paths
from vsctl.agents.ocf import log

FILE = f"{paths.LOGS}/events"
KEPT = 1000
"""How many events the file keeps, at least; twice as many at most."""
TOLD = 60
"""How many events the cluster hears of."""
_EVENT = re.compile(r"[0-9]{1,15}\.[0-9]{2}(?: [^\x00-\x20\x7f\ufffd]+){3}")
"""A line of the file."""


class Diary:
    """The events of this node, and how everything was last."""

    def __init__(self) -> None:
        self._lines = _kept()[-KEPT:]
        self._written = 2 * KEPT  # the first event cuts the file
        self._last: dict[tuple[str, str], str] = {}
        for _, kind, about, state in map(str.split, self._lines):
            self._last[kind, about] = state

    def note(self, kind: str, about: str, state: str, when: float) -> None:
        """Write down how something is if it was not so before."""
        if self._last.get((kind, about)) != state:
            self.write(kind, about, state, when)

    def write(self, kind: str, about: str, state: str, when: float) -> None:
        self._last[kind, about] = state
        line = f"{when:.2f} {kind} {about} {state}"
        self._lines = [*self._lines, line][-KEPT:]
        try:
            if self._written >= 2 * KEPT:
                node.write_lines(FILE, self._lines)
                self._written = len(self._lines)
            else:
                _append(line)
                self._written += 1
        except OSError as problem:
            log(f"{FILE} takes no more events: {problem.strerror}")

    def known(self, kind: str) -> dict[str, str]:
        """Return how everything of a kind was last."""
        return {about: state for (its, about), state in self._last.items() if its == kind}

    def history(self, kind: str, about: str) -> list[tuple[float, str]]:
        """Return when something was how, oldest first, as far as the diary goes back."""
        words = (each.split() for each in self._lines)
        return [(float(each[0]), each[3]) for each in words if each[1:3] == [kind, about]]

    @property
    def told(self) -> str:
        return ";".join(self._lines[-TOLD:]) or "none"


def _kept() -> list[str]:
    """Return the events in the file: a power cut may have torn lines, or left anything in their place."""
    try:
        with open(FILE, "rb") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    return [line for line in (each.decode(errors="replace") for each in lines) if _EVENT.fullmatch(line)]


def _append(line: str) -> None:
    file = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)
