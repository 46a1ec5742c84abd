"""What is still missing until everything is where the configuration wants it?"""

from __future__ import annotations

from vsctl.cli import quarantines
from vsctl.cli.facts import Facts
from vsctl.cli.store import Store
from vsctl.policy import naming
from vsctl.policy.model import Cluster, VirtualServer
from vsctl.policy.quarantine import Quarantines


def missing_of(
    cluster: Cluster,
    server: VirtualServer,
    facts: Facts,
    node: str | None = None,
    known: Quarantines = (),
) -> str | None:
    """Say what of a server does not run yet, on `node` if one is named; None when all of it does.

    By the quarantines that are `known`, what is blocked is not waited for.
    """
    blocked = quarantines.blocked(cluster, server, known)
    for id in naming.primitives_of(cluster, server):
        if id in blocked:
            continue
        where = facts.placement.node_of(id)
        if where is None or (node is not None and where != node):
            return f"{server.name}: {id} does not run{f' on {node}' if node else ''} yet"
    return None


def running_of(resources: tuple[str, ...], store: Store) -> str | None:
    """Say which of these resources still runs; None when none does."""
    placement = store.facts().placement
    left = [each for each in resources if placement.node_of(each)]
    return f"{', '.join(left[:3])}{' and others' if len(left) > 3 else ''} still to stop" if left else None
