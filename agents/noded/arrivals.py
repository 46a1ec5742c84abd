"""Are the addresses announced here that could be, of a server that is here?

A peer that failed to route to a server is not tried again for minutes. When
the server then comes to that very node, the node can announce it, and
nobody but the node knows. So it is where an announcer has failed for want of a port,
which the cluster was not told of in time, and a port is good again.
So the node asks the cluster to forget that failure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from vsctl.agents import announce
from vsctl.agents.noded import commands
from vsctl.agents.noded.loop import Loop, now

PATIENCE = 2.0
"""Seconds until addresses should be announced that can be; usually it takes a tenth of one.

And until the cluster is asked again that has not answered.
"""

ALWAYS = "INFINITY"
"""What Pacemaker calls as many failures as it takes."""


class Arrivals:
    """Since when could what be announced here, of what is the cluster being asked, and what has been seen to?"""

    def __init__(self, loop: Loop, log: Callable[[str], None]) -> None:
        self._loop = loop
        self._log = log
        self._since: dict[str, float] = {}
        self._asked: set[str] = set()
        self._settled: set[str] = set()
        self._problem = ""

    def look(self, here: Collection[str], good: Collection[str], node: str) -> None:
        """See to the announcers that should be here and are not, once whenever they have become possible.

        That is when their server is `here`, and their subnet among the `good` ones of this node.
        """
        possible = {
            f"{server}-vip-{subnet}": (server, subnet)
            for server in here
            for subnet in announce.recorded(server, announce.DETOUR)
            if subnet in good
        }
        moment = now()
        self._since = {each: self._since.get(each, moment) for each in possible}
        self._asked &= possible.keys()
        self._settled &= possible.keys()
        for announcer in sorted(possible.keys() - self._asked - self._settled):
            server, subnet = possible[announcer]
            if moment - self._since[announcer] < PATIENCE:
                continue
            if subnet in announce.recorded(server):
                self._settled.add(announcer)
            else:
                self._asked.add(announcer)
                self._try_again(announcer, node)

    def _try_again(self, announcer: str, node: str) -> None:
        """Let the cluster forget that an announcer failed here, if it did."""

        def counted(status: int, words: str) -> None:
            if words == "0":
                self._settle(announcer)
            elif status == 0 and (words.isdigit() or words == ALWAYS):
                commands.start(self._loop, forget(announcer, node), forgotten)
            else:  # without an answer, too, crm_failcount exits with 0
                self._unanswered(announcer, f"nobody says whether {announcer} has failed here: {words}")

        def forgotten(status: int, words: str) -> None:
            if status != 0:
                self._unanswered(announcer, f"{announcer} has failed here, and is not tried again: {words}")
            else:
                self._log(f"{announcer} has failed here, and its server is here now: it is tried again")
                self._settle(announcer)

        commands.start(self._loop, _count(announcer, node), counted)

    def _settle(self, announcer: str) -> None:
        self._problem = ""
        if announcer in self._asked:  # or it has become impossible meanwhile
            self._asked.remove(announcer)
            self._settled.add(announcer)

    def _unanswered(self, announcer: str, sentence: str) -> None:
        if sentence != self._problem:
            self._problem = sentence
            self._log(sentence)
        if announcer in self._asked:
            self._asked.remove(announcer)
            self._since[announcer] = now()


def _count(announcer: str, node: str) -> list[str]:
    """Return the command that says how often an announcer has failed on a node."""
    return ["crm_failcount", "--query", "--quiet", "--resource", announcer, "--node", node]


def forget(resource: str, node: str) -> list[str]:
    """Return the command that lets the cluster try a resource on a node again."""
    return ["crm_resource", "--cleanup", "--resource", resource, "--node", node]
