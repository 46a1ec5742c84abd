"""How does a node learn that a server is stuck, here or elsewhere, and how does it give up?

The cluster is asked which stops have failed: often while a storage unit has just
been lost here, since that is what such stops wait for, and now and then for the
other nodes' sake, whose daemons may not be able to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from vsctl.agents.noded import arrivals, commands, deputy, stuck
from vsctl.agents.noded.attributes import Attributes, Job
from vsctl.agents.noded.deputy import BEAT, Case
from vsctl.agents.noded.leaving import Guest
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.noded.stuck import EMPTY, EMPTYING, ENDING, FENCE, NOTHING, Heard, Said, View

EVERY = 1.0
"""Seconds between two looks at this node itself."""
AT_ONCE = 0.3
"""Seconds between two questions to the cluster while storage has been lost here for less than"""
FRESH = 60.0
"""so many seconds;"""
ELSEWHERE = 2.0
"""seconds between two while something is stuck on another node, or was here,"""
LATER = 5.0
"""while a unit has been lost here for longer, or has to work for a while,"""
SELDOM = 15.0
"""and else."""
AGAIN = commands.LIMIT
"""Seconds until a failed stop is to be forgotten once more that has not been."""
NEWS = 1.2
"""Seconds from a loss here until it counts that others reach the unit: they may be about to lose it, too, and read it
once a second."""
WATCH = "emptying"
"""The private attribute by which a daemon on whose node storage is lost says that it lives, and what it does."""


@dataclass(frozen=True)
class Scene:
    """The node, all nodes, the servers that may leave theirs, those that are here, and the units not reached here now.

    `hanging` are the servers here that have something mounted from a unit that hangs; `waiting` the
    units that are reached again, but have not been for a while. `held_back` are those that have, and of which
    the node says all the same that it has lost them: servers stay away, but nothing here waits for storage.
    """

    node: str
    nodes: Collection[str]
    guests: Mapping[str, Guest]
    here: Collection[str]
    lost: Collection[str]
    hanging: Collection[str] = ()
    waiting: Collection[str] = ()
    held_back: Collection[str] = ()

    @property
    def unwell(self) -> frozenset[str]:
        """The units that count as lost here."""
        return frozenset({*self.lost, *self.waiting})

    @property
    def is_seen_to(self) -> bool:
        """Whether servers are here while the node says that it has lost storage: its daemon sees to them."""
        return bool(self.here and (self.unwell or self.held_back))


class Emptying:
    """What one node does about servers that cannot be stopped, on it and, in their place, on others."""

    def __init__(
        self,
        loop: Loop,
        attributes: Attributes,
        look: Callable[[], Scene],
        say: Callable[[str, str, Collection[str]], None],
        keep: Callable[[], None],
    ) -> None:
        """`look` returns how things are now; `say` is told of each node what is done to it and for whose sake.

        `keep` is called when `held` has changed, for the daemon that may come after this one.
        """
        self._loop = loop
        self._attributes = attributes
        self._look = look
        self._say = say
        self._keep = keep
        self._lost_since: float | None = None
        self._since: float | None = None
        self._left = 0.0
        self._here: frozenset[str] = frozenset()
        self._gone: set[str] = set()
        self._held: frozenset[str] = frozenset()
        self._tried: dict[str, float] = {}
        self._shaken: frozenset[str] = frozenset()
        self._asked: Scene | None = None
        self._asking = False
        self._due = 0.0
        self._cases: dict[str, Case] = {}
        self._beats: dict[str, str] = {}
        self._ordered: dict[str, str] = {}
        self.verdict = NOTHING

    @property
    def held(self) -> list[str]:
        """The parts of servers here whose stop has failed, and may have because storage was lost."""
        return sorted(self._held)

    def remember(self, verdict: str, held: Collection[str]) -> None:
        """Go on where the daemon before this one ended, but for its patience and its last word."""
        self._held = frozenset(held)
        if verdict != NOTHING:
            self.verdict = EMPTY
            self._tell()

    def begin(self) -> None:
        """Look for ever; first take back what is left of a daemon before this one, or of another node's."""
        for name in (EMPTYING, ENDING):
            self._attributes.ask(name, self._left_over(name))
        self._go_on()

    def _left_over(self, name: str) -> Callable[[dict[str, str]], None]:
        return lambda said: self._correct({name: said})

    def _go_on(self) -> None:
        self.look()
        self._loop.after(AT_ONCE if self._lost_since is not None else EVERY, self._go_on)

    def look(self) -> None:
        """Look now, and ask the cluster if it is time to."""
        scene = self._look()
        if not scene.lost:
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = now()
        if not (scene.here and scene.lost):
            self._judge(scene.node, View(), NOTHING)
        self._shaken |= scene.unwell
        if not self._asking and (now() >= self._due or self._is_news(scene)):
            self._asking = True
            self._asked = scene
            shaken, self._shaken = self._shaken, scene.unwell
            commands.start(
                self._loop,
                stuck.query(),
                lambda status, words: self._answered(status, words, shaken, scene.unwell),
            )

    def _is_news(self, scene: Scene) -> bool:
        """Whether other units are lost, or work again, than when the cluster was asked last."""
        asked = self._asked
        return asked is None or (set(asked.lost), asked.unwell) != (set(scene.lost), scene.unwell)

    def _answered(self, status: int, words: str, shaken: Collection[str], unwell: Collection[str]) -> None:
        """Take in what the cluster says.

        `unwell` were the units that counted as lost when it was asked, `shaken` those that did since
        it had been asked before that.
        """
        self._asking = False
        scene = self._look()
        self._due = now() + self._pause(scene)
        heard = stuck.read(words)
        if status != 0 or heard.said.keys() <= {stuck.STANDBY}:
            self._shaken |= frozenset(shaken)
            return  # nobody can tell just now
        failed = heard.stops.get(scene.node, frozenset())
        held = (self._held | stuck.waiting(failed, scene.guests, scene.here, shaken)) & failed
        if held != self._held:
            self._held = held
            self._keep()
        # A stop may fail until its storage is back: what was said before does not tell all of them.
        self._let_go(scene, {*unwell, *scene.unwell})
        if scene.here and self._lost_since is not None and now() - self._lost_since >= NEWS:
            self._judge_here(scene, heard)
        if scene.is_seen_to:
            # Deputies stand back as long as this is heard, also while the unit has to work for a while.
            self._attributes.want([(WATCH, f"{self.verdict} {now() // BEAT:.0f}")], private=True)
        self._correct(heard.said)
        self._look_at_others(scene, heard)

    def _pause(self, scene: Scene) -> float:
        if scene.here and self._lost_since is not None and now() - self._lost_since < FRESH:
            return AT_ONCE
        if self._cases or self._held:
            return ELSEWHERE
        return LATER if scene.is_seen_to else SELDOM

    def _judge_here(self, scene: Scene, heard: Heard) -> None:
        failed = heard.stops.get(scene.node, frozenset())
        held = stuck.servers(failed, scene.guests, scene.here)
        freed, hopeless = (
            stuck.freed(each, scene.guests, scene.lost, heard.said, scene.node)
            for each in (held, set(scene.hanging) - held)
        )
        view = View(held, frozenset(scene.here), freed, hopeless, self._moving(scene, heard))
        self._judge(scene.node, view, stuck.turn(scene.node, scene.nodes, heard.said))

    def _let_go(self, scene: Scene, unwell: Collection[str]) -> None:
        """Have stops tried again that failed while storage was lost, and that nothing keeps any more."""
        kept = stuck.waiting(self._held, scene.guests, scene.guests, unwell)
        self._tried = {each: when for each, when in self._tried.items() if each in self._held - kept}
        for resource in sorted(self._held - kept):
            if now() - self._tried.get(resource, -AGAIN) >= AGAIN:
                self._tried[resource] = now()
                commands.start(self._loop, arrivals.forget(resource, scene.node), self._forgotten)

    def _forgotten(self, status: int, _: str) -> None:
        if status == 0:
            # Look at once whether it is: a stop that fails anew, by itself, is somebody's to look at.
            self._asked = None
            self.look()

    def _moving(self, scene: Scene, heard: Heard) -> frozenset[str]:
        """Return the servers that have left since this node is to be empty, and that nobody has seen serve since."""
        here = frozenset(scene.here)
        if self.verdict == NOTHING:
            self._gone = set()
        elif self._here - here:
            self._gone |= self._here - here
            self._left = now()
        self._here = here
        elsewhere = frozenset().union(*(on for node, on in heard.serving.items() if node != scene.node))
        self._gone -= elsewhere | here
        return frozenset(self._gone)

    def _judge(self, node: str, view: View, most: str) -> None:
        if most == NOTHING or not (view.freed or view.hopeless):
            self._since = None
        elif self._since is None or (view.freed and self.verdict == NOTHING):
            # The others get all their time, however long nobody wanted to stop what hangs.
            self._since = now()
        verdict = stuck.verdict(view, self._since or now(), self._left, now(), most)
        if verdict == self.verdict:
            return
        self.verdict = verdict
        self._tell()
        self._say(node, verdict, sorted(view.freed | view.hopeless))

    def _tell(self) -> None:
        self._attributes.want(_attributes(self.verdict))

    def _correct(self, said: Said) -> None:
        """Take back what is said of this node, and was not said by this daemon."""
        node = self._look().node
        for name, wanted in _attributes(self.verdict):
            value = said.get(name, {}).get(node)
            if value not in (None, wanted):
                self._attributes.noticed(name, value)
                self._tell()

    def _look_at_others(self, scene: Scene, heard: Heard) -> None:
        """Do for a node on which servers are stuck what its own daemon does not."""
        suffering = {
            node: freed
            for node in scene.nodes
            if node != scene.node and (freed := _freed(node, scene, heard))
        }
        if suffering:
            self._attributes.ask(WATCH, self._watched)
        self._cases = {node: case for node, case in self._cases.items() if node in suffering}
        for node in {*suffering, *self._ordered}:
            verdict = NOTHING
            if node in suffering:
                emptying = heard.said.get(EMPTYING, {}).get(node) == "1"
                case = deputy.observed(
                    self._cases.get(node), self._beats.get(node, ""), now(), emptying=emptying
                )
                self._cases[node] = case
                deputies = stuck.others(node, scene.nodes, heard.said)
                if scene.node not in deputies or not deputy.is_due(case, deputies.index(scene.node), now()):
                    self._ordered.pop(node, None)  # its own daemon has the word
                    continue
                verdict = deputy.verdict(case, now(), stuck.turn(node, scene.nodes, heard.said))
            self._order(node, verdict, sorted(suffering.get(node, ())), heard)

    def _watched(self, said: dict[str, str]) -> None:
        self._beats = said or self._beats  # none: nobody could tell

    def _order(self, node: str, verdict: str, freed: Collection[str], heard: Heard) -> None:
        """Have another node say what its daemon should have."""
        for name, value in _attributes(verdict):
            if heard.said.get(name, {}).get(node) != value:
                commands.start(self._loop, Job(name, value, node=node).command, lambda *_: None)
        if verdict != self._ordered.pop(node, NOTHING):
            self._say(node, verdict, freed)
        if verdict != NOTHING:
            self._ordered[node] = verdict


def _attributes(verdict: str) -> list[tuple[str, str | None]]:
    """Return what a node is to say when this is done about it; None: nothing."""
    return [
        (EMPTYING, None if verdict == NOTHING else "1"),
        (ENDING, "true" if verdict == FENCE else None),
    ]


def _freed(node: str, scene: Scene, heard: Heard) -> frozenset[str]:
    """Return the servers that are stuck on another node and could start elsewhere if it ended."""
    lost = heard.lost(node)
    held = stuck.servers(heard.stops.get(node, ()), scene.guests, scene.guests)
    return stuck.freed(held, scene.guests, lost, heard.said, node)


def sentence(node: str, verdict: str, freed: Collection[str]) -> str:
    """Tell an operator what is done to a node."""
    names = " and ".join(freed)
    return {
        EMPTY: f"{names} cannot be stopped on {node} and could start elsewhere: the others should leave it",
        FENCE: f"{node} is to be fenced, so that {names} can start elsewhere",
    }.get(verdict, f"nothing is stuck on {node} any more that could start elsewhere: servers may stay")
