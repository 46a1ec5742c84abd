"""How far is a repair, and who is told?

e2fsck says `PASS DONE ALL DEVICE` on a descriptor, xfs_repair begins a `Phase` in
its log. What is known goes into the private node attribute `repair-<vs>.<filesystem>`,
which every node can ask for and no transition follows.
"""

from __future__ import annotations

import time

from vsctl.agents import programs
from vsctl.agents.ocf import NotInstalled

EVERY = 2.0
"""Seconds between two news, at least."""

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


class Teller:
    """Tells the cluster how far a repair is: `1763829000 34 checking`, since when, percent (- if unknown), what."""

    def __init__(self, attribute: str, began: float) -> None:
        self._attribute = attribute
        self._began = round(began)
        self._told = ""
        self._when = 0.0

    def tell(self, about: str, percent: int | None = None) -> None:
        """Say what is being done; who says much is heard now and then."""
        words = f"{self._began} {'-' if percent is None else percent} {about}"
        news = about != self._told.partition(" ")[2].partition(" ")[2]
        if words == self._told or not (news or time.monotonic() - self._when >= EVERY):
            return
        self._told, self._when = words, time.monotonic()
        _updater("--update", words, name=self._attribute)

    def end(self) -> None:
        forget(self._attribute)


def forget(attribute: str) -> None:
    """Take it back."""
    _updater("--delete", name=attribute)


def _updater(*words: str, name: str) -> None:
    """Tell the cluster; it is news for a person, and nothing depends on it."""
    try:
        programs.ask(["attrd_updater", "--private", "--name", name, *words])
    except (NotInstalled, TimeoutError):
        return
