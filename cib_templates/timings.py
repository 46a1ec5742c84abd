"""How long may an action take, and how often is a resource looked at?

The agents say so themselves; this asks them. Fencing devices are asked seldom,
since Pacemaker needs them seldom.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module

from vsctl.agents.ocf import Agent
from vsctl.policy.resources import PROVIDER

_OFFERED_ONLY = frozenset({"meta-data", "validate-all"})
"""Actions that Pacemaker never runs by itself."""


@dataclass(frozen=True)
class Timing:
    """An operation as the CIB has it; seconds. `interval` 0: not repeated."""

    action: str
    timeout: int
    interval: int = 0


_FENCING = (Timing("start", 60), Timing("stop", 20), Timing("monitor", 60, 60))


@cache
def timings(agent: str) -> tuple[Timing, ...]:
    """Return what an agent such as ocf:vsctl:net declares, in order of action."""
    provider, _, name = agent.rpartition(":")
    if provider != PROVIDER:
        return _FENCING
    return tuple(
        Timing(each.name, each.timeout, each.interval or 0)
        for each in sorted(declared(name).operations(), key=lambda each: each.name)
        if each.name not in _OFFERED_ONLY
    )


def declared(name: str) -> type[Agent]:
    """Return the agent of that name: the class that its own module defines."""
    module = import_module(f"vsctl.agents.{name}")
    return next(
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Agent) and each.__module__ == module.__name__
    )
