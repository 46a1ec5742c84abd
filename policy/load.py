"""What do servers and nodes need just now, and what could nodes carry?

Values alone: who measures them is the node daemons' business, who reads them
`vsctl.cli.measured`'s. Whatever is absent was not measured; nothing stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vsctl.policy.model import Cluster


@dataclass(frozen=True)
class Load:
    """What one server, or one node with all that is on it, needs.

    `cpu` is in processors, `memory` in bytes, `network` in bits a second in both
    directions together, `disk` in bytes a second, read and written; `operations`
    are reads and writes of clients a second, `clients` the addresses they come
    from, `locks` what they hold locked.
    """

    cpu: float
    memory: int
    network: float
    disk: float
    operations: float
    clients: int
    locks: int


@dataclass(frozen=True)
class Size:
    """What one node could carry, in the units of Load; `disk` is None where nobody can tell."""

    cpu: float
    memory: int
    network: float
    disk: float | None = None


@dataclass(frozen=True)
class Measured:
    """Everything that was measured, by name. `capacities` is what nodes say of themselves.

    `silent` are nodes whose daemon does not work: what it once said of loads is not among the rest.
    """

    servers: Mapping[str, Load] = field(default_factory=dict)
    nodes: Mapping[str, Load] = field(default_factory=dict)
    capacities: Mapping[str, Size] = field(default_factory=dict)
    silent: tuple[str, ...] = ()


def sizes(cluster: Cluster, measured: Measured) -> dict[str, Size]:
    """Return what each node can carry: what the operator says, and what was measured for the rest.

    A node is absent of which one of processors, memory and network is neither said nor measured.
    """
    found = {}
    for node in cluster.nodes:
        told, seen = node.capacity, measured.capacities.get(node.name)
        cpu = seen.cpu if told.cpu is None and seen else told.cpu
        memory = seen.memory if told.memory is None and seen else told.memory
        network = seen.network if told.network is None and seen else told.network
        if cpu is not None and memory is not None and network is not None:
            found[node.name] = Size(cpu, memory, network, seen.disk if seen else None)
    return found
