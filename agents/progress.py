"""How far is a repair, and who is told?

e2fsck says `PASS DONE ALL DEVICE` on a descriptor, xfs_repair begins a `Phase` in
its log. What is known goes into the private node attribute `repair-<vs>.<filesystem>`,
which every node can ask for and no transition follows.
"""

from __future__ import annotations

import os
import select
import signal
import time

from vsctl.agents import programs
from vsctl.agents.ocf import NotInstalled

EVERY = 2.0
"""Seconds between two news, at least."""
LIMIT = 10.0
"""Seconds for the cluster to take one."""

_LINES = 4096
"""So many bytes hold the last line of what e2fsck counts."""

_SHARES = (0, 70, 90, 92, 95, 100)
"""Percent of e2fsck's work that are done after each of its passes, by its own reckoning (util.c, calc_percent)."""
_PHASES = 7


def of_e2fsck(text: str) -> int | None:
    """Return the percent that are done, from the last whole line of what `e2fsck -C` says."""
    for line in reversed(text.split("\n")[:-1]):
        words = line.split()
        if len(words) >= 3 and all(each.isdigit() for each in words[:3]):
            number, done, whole = map(int, words[:3])
            if 1 <= number < len(_SHARES) and whole:
                before, after = _SHARES[number - 1], _SHARES[number]
                return round(before + (after - before) * min(done / whole, 1))
    return None


def of_xfs_repair(text: str) -> int | None:
    """Return the percent that are done, from the end of what xfs_repair says: by its phases, which last differently."""
    for line in reversed(text.split("\n")):
        if line.startswith("Phase ") and line[6:7].isdigit():
            return round(100 * (int(line[6]) - 1) / _PHASES)
    return None


class Counter:
    """Where e2fsck says how far it is: a line for each directory block, and it waits when nobody takes them."""

    def __init__(self) -> None:
        self.line, self.theirs = os.pipe()
        self.said = ""
        """The end of what it has said so far."""

    def hear(self) -> None:
        self.said = (self.said + os.read(self.line, 1 << 16).decode(errors="replace"))[-_LINES:]

    def end(self) -> None:
        os.close(self.line)
        os.close(self.theirs)


class Teller:
    """Tells the cluster how far a repair is: `1763829000 34 checking`, since when, percent (- if unknown), what.

    Nobody waits for the cluster's answer: the next news is told when it has taken the last.
    """

    def __init__(self, attribute: str, began: float) -> None:
        self._attribute = attribute
        self._began = round(began)
        self._told = ""
        self._when = 0.0
        self._speaking: int | None = None

    def tell(self, about: str, percent: int | None = None) -> None:
        """Say what is being done; who says much is heard now and then."""
        words = f"{self._began} {'-' if percent is None else percent} {about}"
        news = about != self._told.partition(" ")[2].partition(" ")[2]
        if words == self._told or not (news or time.monotonic() - self._when >= EVERY):
            return
        if self._is_heard(0):
            self._told, self._when = words, time.monotonic()
            self._speak(words)

    def end(self) -> None:
        """Take back what was said last."""
        self._is_heard(LIMIT)
        forget(self._attribute)

    def _speak(self, words: str) -> None:
        command = _updater(self._attribute, "--update", words)
        silent = [(os.POSIX_SPAWN_OPEN, each, "/dev/null", os.O_RDWR, 0) for each in (0, 1, 2)]
        try:
            self._speaking = os.posix_spawnp(command[0], command, os.environ, file_actions=silent)
        except FileNotFoundError:
            return

    def _is_heard(self, patience: float) -> bool:
        """Say whether nothing is on its way, after so many seconds at most; what is late for long is given up."""
        if self._speaking is None:
            return True
        ended = os.pidfd_open(self._speaking)
        try:
            if not select.select([ended], [], [], patience)[0]:
                if time.monotonic() - self._when < LIMIT:
                    return False
                os.kill(self._speaking, signal.SIGKILL)
        finally:
            os.close(ended)
        os.waitpid(self._speaking, 0)
        self._speaking = None
        return True


def forget(attribute: str) -> None:
    """Take back what was said of a repair: it is news for a person, and nothing depends on it."""
    try:
        programs.ask(_updater(attribute, "--delete"))
    except (NotInstalled, TimeoutError):
        return


def _updater(attribute: str, *words: str) -> list[str]:
    return ["attrd_updater", "--private", "--name", attribute, *words]
