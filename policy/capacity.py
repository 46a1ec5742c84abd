"""What does not fit on a node?

Pacemaker counts in whole numbers of at most 31 bits: thousandths of a
processor, MiB, Mbit/s. A need is rounded up and a limit down.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

from vsctl.policy.constraints import Limits
from vsctl.policy.model import Cluster, Load, Node, VirtualServer
from vsctl.policy.resources import Pairs

UNITS = {"cpu": Fraction(1, 1000), "memory": Fraction(2**20), "network": Fraction(10**6)}
"""What can be limited, and how much of it Pacemaker counts as one."""

PLENTY = 10**9
"""More than any node has, and than any servers need together."""


def limits(cluster: Cluster) -> tuple[Limits, ...]:
    """Say what each node can carry, where the operator calls that hard for any of them.

    A server that would be too much is not started there; where it is too much
    everywhere, those of lower priority give way. Measured in such a kind, a
    node without a limit has plenty: to Pacemaker, no number means nothing at all.
    """
    kinds = _limited(cluster)
    return tuple(
        Limits(
            "capacity",
            (node.name,),
            f"the capacity of {node.name} is hard: what does not fit is not started there"
            if node.capacity.hard
            else f"{node.name} has no hard capacity, and others have one",
            node=node.name,
            has=tuple((name(kind), str(_limit(node, kind))) for kind in kinds),
        )
        for node in cluster.nodes
        if kinds
    )


def needs(cluster: Cluster, server: VirtualServer) -> Pairs:
    """Return what a server takes of the limits of nodes: what its `load` in the cluster file says, else nothing."""
    return tuple((name(kind), str(need)) for kind in _limited(cluster) if (need := _need(server.load, kind)))


def short_of(
    cluster: Cluster, server: VirtualServer, node: str, beside: Iterable[VirtualServer]
) -> tuple[str, ...]:
    """Return the kinds of which a node has not enough left for a server, beside others that it carries."""
    carried = tuple(beside)
    return tuple(
        kind
        for kind in _limited(cluster)
        if (need := _need(server.load, kind))
        and need + sum(_need(each.load, kind) for each in carried) > _limit(cluster.node(node), kind)
    )


def name(kind: str) -> str:
    """Return what a kind is called in the CIB, where others may count something of their own."""
    return f"vsctl-{kind}"


def _limited(cluster: Cluster) -> tuple[str, ...]:
    """Return the kinds of which any node has a hard limit."""
    hard = [each.capacity for each in cluster.nodes if each.capacity.hard]
    return tuple(kind for kind in UNITS if any(getattr(each, kind) is not None for each in hard))


def _need(load: Load, kind: str) -> int:
    expected = getattr(load, kind)
    return 0 if expected is None else ceil(_exactly(expected) / UNITS[kind])


def _limit(node: Node, kind: str) -> int:
    given = getattr(node.capacity, kind) if node.capacity.hard else None
    return PLENTY if given is None else min(PLENTY, floor(_exactly(given) / UNITS[kind]))


def _exactly(number: float) -> Fraction:
    """Return the number that was written down: 0.1 processors are a tenth."""
    return Fraction(str(number))
