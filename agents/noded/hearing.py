"""Is a port silent: it has a carrier, and nobody answers on it?

A witness is one host that is asked on a port: another node of the cluster, by
any of its ports on the subnet, or the subnet's gateways, which count as one.
One silent witness proves nothing, it may be dead. A port is silent

- if several witnesses that answered on it lately have stopped all at once, or
- if one that does not answer on it goes on answering another port of this node.

A port on which nobody has answered yet is silent if several hosts that should
be there do not answer. With a single witness and a single port nothing can be
told, and the carrier alone decides.

Pure: what was heard and the clock in, a verdict out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

LIMIT = 0.7
"""Seconds without an answer until a port is silent."""
ROUNDS = 3
"""How often all witnesses were asked in vain by then, at least: a daemon that was held up judges nobody."""
FIRST = 2.0
"""Seconds to wait for the first answer on a port that has just got its carrier."""
LATELY = 12.0
"""Seconds: two witnesses that both answered within this time were alive together."""
SEVERAL = 2


@dataclass(frozen=True)
class Heard:
    """What was heard on one port: when each witness answered last, and how often all were asked since, in vain."""

    since: float
    answers: Mapping[str, float] = field(default_factory=dict)
    vain: int = 0

    @property
    def last(self) -> float | None:
        return max(self.answers.values(), default=None)

    def answered(self, witness: str, now: float) -> Heard:
        return replace(self, answers={**self.answers, witness: now}, vain=0)

    def asked_all(self) -> Heard:
        return replace(self, vain=self.vain + 1)


def is_quiet(heard: Heard, now: float, patience: float) -> bool:
    """Say whether nobody has answered for some seconds, so that everybody should be asked."""
    return heard.last is None or now - heard.last >= patience


def is_silent(heard: Heard, others: Iterable[Heard], witnesses: frozenset[str], now: float) -> bool | None:
    """Return the verdict on a port with a carrier, None while it is too early for one.

    `others` are this node's other ports on the subnet, `witnesses` all that are asked.
    """
    if not witnesses:
        return False
    last = heard.last
    if last is not None and now - last < LIMIT:
        return False
    limit, begin = (FIRST, heard.since) if last is None else (LIMIT, last)
    if now - begin < limit or heard.vain < ROUNDS:
        return None if last is None else False
    elsewhere = any(at > begin + limit / 2 for other in others for at in other.answers.values())
    if last is None:
        return elsewhere or len(witnesses) >= SEVERAL
    together = [each for each, at in heard.answers.items() if at > last - LATELY]
    return elsewhere or len(together) >= SEVERAL
