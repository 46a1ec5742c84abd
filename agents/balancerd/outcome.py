"""What has come of a look at the load, and how is it told?

Pure: the exit status of `vsctl rebalance --json` and what it said, in; the
text of the private attribute `balancer` (`docs/contracts.md`) out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from vsctl.agents.balancerd.timing import Due

UNKNOWN = 75
"""The exit status that says that nobody knows the load yet: servers and daemons have just started."""
LONGEST = 300
"""So many characters of what went wrong are told."""


@dataclass(frozen=True)
class Move:
    server: str
    origin: str
    target: str


@dataclass(frozen=True)
class Outcome:
    """`moves` were made, or proposed by one who only reports; `problem` is what stood in the way, if anything.

    `early` says that nobody knew the load: `status` tells of daemons that do not measure it, so this is no problem.
    """

    begun: float
    took: float
    moves: tuple[Move, ...] = ()
    problem: str = ""
    early: bool = False


def of(begun: float, ended: float, status: int, said: str, complaint: str) -> Outcome:
    """Return what has come of it; what is no document, and no reason either, is a problem itself."""
    took = ended - begun
    if status == 0:
        try:
            moves = tuple(
                Move(each["server"], each["from"] or "-", each["to"]) for each in json.loads(said)["moves"]
            )
        except (ValueError, KeyError, TypeError):
            return Outcome(begun, took, problem="vsctl rebalance says nothing that can be understood")
        return Outcome(begun, took, moves)
    if status == UNKNOWN:
        return Outcome(begun, took, early=True)
    lines = complaint.split("\n") if complaint else [f"vsctl rebalance ended with status {status}"]
    return Outcome(begun, took, problem=" ".join(" ".join(lines).split())[-LONGEST:])


def text(mode: str, due: Due, outcome: Outcome | None) -> str:
    """Return what the cluster is told of the balancer."""
    words = [f"mode={mode}", f"next={due.at:.0f}", f"why={due.why}"]
    if outcome is not None:
        words += [f"begun={outcome.begun:.0f}", f"took={outcome.took:.1f}"]
        words += [f"move={each.server}:{each.origin}:{each.target}" for each in outcome.moves]
        words += [f"problem={quote(outcome.problem, safe='')}"] if outcome.problem else []
    return " ".join(words)
