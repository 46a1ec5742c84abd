"""What may a rule say to Pacemaker?

Every object names its rule and what it is about; both make its id, which
is therefore the same whenever the same thing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vsctl.policy.resources import Window

INFINITY = 1_000_000
"""Pacemaker's own: a score from here on is a law, and no sum changes it."""


def identity(rule: str, *about: str) -> str:
    return f"vsctl-{rule}-{'.'.join(about)}"


@dataclass(frozen=True)
class Constraint:
    """`rule` said it about `about`, for the reason given: a sentence for the operator."""

    rule: str
    about: tuple[str, ...]
    reason: str

    @property
    def id(self) -> str:
        return identity(self.rule, *self.about)


class Operation(Enum):
    EQUAL = "eq"
    NOT_EQUAL = "ne"
    DEFINED = "defined"
    NOT_DEFINED = "not_defined"


@dataclass(frozen=True)
class Condition:
    """What must be so on a node: a comparison of one of its attributes."""

    attribute: str
    operation: Operation
    value: str | None = None


NODE_NAME = "#uname"
ANY_NODE = (Condition(NODE_NAME, Operation.DEFINED),)


def is_node(name: str) -> Condition:
    return Condition(NODE_NAME, Operation.EQUAL, name)


def is_not_node(name: str) -> Condition:
    return Condition(NODE_NAME, Operation.NOT_EQUAL, name)


def says(attribute: str, value: str) -> Condition:
    """The node reports this; one that reports nothing does not match."""
    return Condition(attribute, Operation.EQUAL, value)


def does_not_say(attribute: str, value: str) -> Condition:
    """The node does not report this; one that reports nothing matches."""
    return Condition(attribute, Operation.NOT_EQUAL, value)


@dataclass(frozen=True)
class Location(Constraint):
    """How much a resource likes the nodes where all conditions hold, or any of them.

    However many of the conditions hold, the score counts once. With `only`
    the resource is not even looked for on other nodes. `during` is the part of
    the day in which it counts, None for always.
    """

    resource: str
    score: int
    when: tuple[Condition, ...]
    any: bool = False
    only: bool = False
    during: Window | None = None


@dataclass(frozen=True)
class Preference(Constraint):
    """How much a resource likes one node."""

    resource: str
    node: str
    score: int


@dataclass(frozen=True)
class Colocation(Constraint):
    """Where `resource` goes, seen from `other`, which is placed first.

    With `influence`, what `resource` likes counts when `other` is placed.
    """

    resource: str
    other: str
    score: int = INFINITY
    other_role: str | None = None
    influence: bool = True


class Kind(Enum):
    MANDATORY = "Mandatory"
    OPTIONAL = "Optional"


@dataclass(frozen=True)
class Order(Constraint):
    """`first` starts before `then`, and stops after it."""

    first: str
    then: str
    kind: Kind = Kind.MANDATORY
    first_action: str | None = None


@dataclass(frozen=True)
class Precedence(Constraint):
    """Where starts of both are due, all of `first` begin before any of `then`. Stops are free."""

    first: tuple[str, ...]
    then: tuple[str, ...]


@dataclass(frozen=True)
class Farewell(Constraint):
    """Where stops of both are due, `first` has stopped before `then` does. Starts are free."""

    first: str
    then: str


@dataclass(frozen=True)
class FencingLevel(Constraint):
    """Devices that must all act on `node`; the levels are tried in turn, 1 first."""

    node: str
    level: int
    devices: tuple[str, ...]


@dataclass(frozen=True)
class Property(Constraint):
    """A setting of the whole cluster."""

    name: str
    value: str


@dataclass(frozen=True)
class Limits(Constraint):
    """How much of each kind a node can carry, in Pacemaker's whole numbers."""

    node: str
    has: tuple[tuple[str, str], ...]


Rule = Location | Preference | Colocation | Order | Precedence | Farewell
