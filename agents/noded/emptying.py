"""How does a node learn that a server is stuck on it, and how does it give up?

The cluster is asked which stops have failed: seldom while all storage is
there, often while a unit is lost, since that is what stops wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from vsctl.agents.noded import commands, stuck
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.noded.stuck import View

SELDOM = 30.0
"""Seconds between two looks while all storage is there,"""
OFTEN = 1.0
"""and while some is lost, or something is stuck."""


class Emptying:
    """What one node does about servers that it cannot stop."""

    def __init__(self, loop: Loop, attributes: Attributes, log: Callable[[str], None]) -> None:
        self._loop = loop
        self._attributes = attributes
        self._log = log
        self._view = View()
        self._since = 0.0
        self._verdict = stuck.NOTHING
        self._said: dict[str, dict[str, str]] = {}

    def look(self, node: str, nodes: Collection[str], here: Collection[str], lost: Collection[str]) -> float:
        """Ask what is stuck here, and act on it when the answer comes; return the seconds until the next look.

        `nodes` are all of the cluster's, `here` the servers on this one, `lost` the units it has lost.
        """
        if not here:
            self._judge(View(), node)
            return OFTEN if lost else SELDOM
        for unit in lost:
            self._attributes.ask(f"storage-{unit}", lambda said, it=unit: self._said.update({it: said}))  # type: ignore[misc]

        def then(status: int, words: str) -> None:
            said = {unit: self._said.get(unit, {}) for unit in lost}
            failed = stuck.servers(words if status == 0 else "", here)
            self._judge(View(failed, frozenset(here), stuck.elsewhere(said, node, nodes)), node)

        commands.start(self._loop, stuck.query(node), then)
        return OFTEN if lost or self._view.stuck else SELDOM

    def _judge(self, view: View, node: str) -> None:
        if view.stuck and not self._view.stuck:
            self._since = now()
            self._log(f"{' '.join(sorted(view.stuck))} cannot be stopped here")
        self._view = view
        verdict = stuck.verdict(view, self._since, now())
        if verdict == self._verdict:
            return
        self._verdict = verdict
        if verdict == stuck.FENCE:
            self._log(f"{node} has itself fenced, so that {' '.join(sorted(view.stuck))} can start elsewhere")
            self._attributes.want([("terminate", "true")])
            return
        self._attributes.want([("evacuate", "1" if verdict == stuck.EMPTY else "0")])
        if verdict == stuck.EMPTY:
            others = " ".join(sorted(view.here - view.stuck))
            self._log(f"{others} should leave {node} before it is fenced")
