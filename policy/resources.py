"""What does Pacemaker run?

Resources as values, without XML. Parameters carry the names the agents
declare; how often and how long an action may take is the agents' business too
and is filled in where the CIB is written.
"""

from __future__ import annotations

from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]

PROVIDER = "ocf:vsctl"


@dataclass(frozen=True)
class Window:
    """A time of day, in minutes since midnight; it spans midnight where `end` is not after `start`."""

    start: int
    end: int


@dataclass(frozen=True)
class Resource:
    """One resource. `agent` is what `crm_resource --list-agents` would say, such as ocf:vsctl:net.

    `meta` are its meta attributes. `inside` are meta attributes that go before
    them during `window`. `on_fail` says for single actions what their failure
    leads to, where that is not what Pacemaker would do. `needs` is what it
    takes of the limits of its node.
    """

    id: str
    agent: str
    parameters: Pairs
    reason: str
    meta: Pairs = ()
    window: Window | None = None
    inside: Pairs = ()
    on_fail: Pairs = ()
    needs: Pairs = ()


@dataclass(frozen=True)
class Clone:
    """One resource that runs on every node."""

    id: str
    of: Resource
    reason: str
    meta: Pairs = ()


@dataclass(frozen=True)
class Group:
    """Resources that start one after the other in one place."""

    id: str
    members: tuple[Resource, ...]
    reason: str
    meta: Pairs = ()


@dataclass(frozen=True)
class Tag:
    """A name for several resources. `name` is the virtual server's."""

    name: str
    resources: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"vsctl-tag-{self.name}"
