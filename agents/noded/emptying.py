"""How does a node learn that a server is stuck on it, and how does it give up?

The cluster is asked which stops have failed, and only while a storage unit is
lost here, since that is what such stops wait for. What the other nodes say is
asked when something is stuck.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from vsctl.agents.noded import commands, stuck
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.leaving import Guest
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.noded.stuck import EMPTY, FENCE, NOTHING, View

EVERY = 1.0
"""Seconds between two looks."""


class Emptying:
    """What one node does about servers that it cannot stop."""

    def __init__(
        self, loop: Loop, attributes: Attributes, say: Callable[[str, Collection[str]], None]
    ) -> None:
        self._loop = loop
        self._attributes = attributes
        self._say = say
        self._since: float | None = None
        self._said: dict[str, Mapping[str, str]] = {}
        self._asking = False
        self.verdict = NOTHING

    def remember(self, verdict: str) -> None:
        """Go on where the daemon before this one ended, but for its patience and its last word."""
        if verdict != NOTHING:
            self.verdict = EMPTY
            self._attributes.want([("evacuate", "1"), ("terminate", "false")])

    def look(
        self,
        node: str,
        nodes: Collection[str],
        guests: Mapping[str, Guest],
        here: Collection[str],
        lost: Collection[str],
    ) -> None:
        """Ask what is stuck here, and act on it when the answer comes.

        `nodes` are all of the cluster's, `here` the servers on this one, `lost` the units it has lost.
        """
        if not (here and lost):
            self._judge(View(), may_end=False)
            return
        if self._asking:
            return
        self._asking = True

        def then(status: int, words: str) -> None:
            self._asking = False
            if status not in (0, commands.NOTHING_FOUND):
                return  # nobody can tell just now
            held = stuck.servers(words if status == 0 else "", guests, here)
            if held:
                for name in ("node-ok", "evacuate", *(f"storage-{unit}" for unit in lost)):
                    self._attributes.ask(name, self._heard(name))
            else:
                self._said = {}
            freed = stuck.freed(held, guests, lost, self._said, node)
            view = View(held, frozenset(here), freed)
            self._judge(view, may_end=stuck.may_end(node, nodes, self._said))

        commands.start(self._loop, stuck.query(node), then)

    def _heard(self, name: str) -> Callable[[dict[str, str]], None]:
        def then(said: dict[str, str]) -> None:
            self._said[name] = said

        return then

    def _judge(self, view: View, *, may_end: bool) -> None:
        if not (view.freed and may_end):
            self._since = None
        elif self._since is None:
            self._since = now()
        verdict = stuck.verdict(view, self._since or now(), now(), may_end=may_end)
        if verdict == self.verdict:
            return
        self.verdict = verdict
        self._attributes.want(
            [
                ("evacuate", None if verdict == NOTHING else "1"),
                ("terminate", "true" if verdict == FENCE else None),
            ]
        )
        self._say(verdict, sorted(view.freed))
