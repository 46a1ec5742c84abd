"""What keeps a damaged filesystem from its clients, and lets it be repaired?

Every filesystem has a quarantine and a repair in the configuration, both
idle. Whoever finds it damaged arms them by changing scores, and only these: so
it is the configuration that remembers, over the death of any node and of all,
and nothing has to be computed at that moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

from vsctl.policy import bindings, failback, naming, parameters, recovery, scores
from vsctl.policy.constraints import ANY_NODE, Colocation, Location, Order, is_node, says
from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster, Filesystem, VirtualServer
from vsctl.policy.resources import PROVIDER, Resource

STICKY = (failback.NAME, "100")
"""A repair begins anew wherever it goes: it stays where it is."""


class Stage(Enum):
    """How far a quarantine has got: blocked and to be repaired, blocked until a person acts, lifted."""

    REPAIR = "repair"
    PERSON = "person"
    OVER = "over"


@dataclass(frozen=True)
class Quarantine:
    """A filesystem that was found damaged; `record` is all that is known of it, as the CIB has it."""

    server: str
    filesystem: str
    stage: Stage
    record: str


Quarantines = tuple[Quarantine, ...]


def within(quarantines: Quarantines, cluster: Cluster) -> Quarantines:
    """Drop what is about filesystems that the cluster does not have (any more)."""
    there = {(server.name, each.name) for server in cluster.servers for each in server.filesystems}
    return tuple(each for each in quarantines if (each.server, each.filesystem) in there)


def repair(cluster: Cluster, server: VirtualServer, filesystem: Filesystem) -> Resource:
    """Return what checks and repairs a filesystem while it is in quarantine."""
    policy = cluster.policy.repair
    return Resource(
        naming.repair(server.name, filesystem.name),
        f"{PROVIDER}:repair",
        (
            ("server", server.name),
            ("filesystem", filesystem.name),
            ("device", filesystem.device),
            ("type", filesystem.type),
            ("mode", policy.mode.value),
            *parameters.given("keep_image", "yes" if policy.keep_image else ""),
        ),
        f"it repairs {filesystem.name} of {server.name} when that is damaged",
        meta=(STICKY, *recovery.LIMITS),
        on_fail=recovery.STUCK,
    )


def blocking(cluster: Cluster, quarantines: Quarantines) -> tuple[Location, ...]:
    """Keep a filesystem in quarantine unmounted, everywhere, and the rest of its server where it is.

    Its NFS clients wait until it is back, which is the agents' business (`exports`).
    """
    return tuple(
        each
        for server in cluster.servers
        for filesystem in server.filesystems
        for each in _blocking(server, filesystem, _stage(quarantines, server, filesystem))
    )


def _blocking(server: VirtualServer, filesystem: Filesystem, stage: Stage) -> Iterator[Location]:
    about = (server.name, filesystem.name)
    name = f"{filesystem.name} of {server.name}"
    yield Location(
        "quarantine",
        about,
        f"{name} is not used from when it is found damaged until it is repaired",
        resource=naming.filesystem(*about),
        score=0 if stage is Stage.OVER else scores.NEVER,
        when=ANY_NODE,
    )
    yield Location(
        "repair",
        about,
        f"{name} is repaired only while it is in quarantine",
        resource=naming.repair(*about),
        score=0 if stage is Stage.REPAIR else scores.NEVER,
        when=ANY_NODE,
    )


def repairing(
    cluster: Cluster, hand: Hand, promotable: Collection[str] = ()
) -> tuple[Location | Colocation | Order, ...]:
    """Repair where the storage is reached, and never while the filesystem may be mounted anywhere.

    Pacemaker starts the one only when it has stopped the other, both ways and
    on whatever nodes: to no checker can it be seen that another node has its device mounted.
    """
    return tuple(
        each
        for server in cluster.servers
        for filesystem in server.filesystems
        for each in _repairing(cluster, server, filesystem, hand, promotable)
    )


def _repairing(
    cluster: Cluster, server: VirtualServer, filesystem: Filesystem, hand: Hand, promotable: Collection[str]
) -> Iterator[Location | Colocation | Order]:
    about = (server.name, filesystem.name)
    part, below = naming.repair(*about), naming.filesystem(*about)
    name = f"{filesystem.name} of {server.name}"
    unit = cluster.unit(filesystem.storage)
    elsewhere = [
        each.name
        for each in cluster.nodes
        if each.name not in unit.nodes or each.name not in server.nodes or each.name in hand.drained
    ]
    yield Location(
        "reach",
        about,
        f"{name} is repaired where {unit.name} is reached, and not on a node that is to be empty",
        resource=part,
        score=scores.NEVER,
        when=(says(f"storage-{unit.name}", "0"), says("evacuate", "1"), *map(is_node, elsewhere)),
        any=True,
    )
    yield Order(
        "apart",
        (part, below),
        f"{name} is never mounted while it is repaired",
        first=below,
        then=part,
        first_action="stop",
    )
    if filesystem.after is not None:
        promoted = filesystem.after in promotable
        reason = f"{name} is on {filesystem.after}"
        yield from bindings.on(part, filesystem.after, reason, goes=part, promoted=promoted, influence=False)


def _stage(quarantines: Quarantines, server: VirtualServer, filesystem: Filesystem) -> Stage:
    about = (server.name, filesystem.name)
    return next((each.stage for each in quarantines if (each.server, each.filesystem) == about), Stage.OVER)
