"""What would applying a cluster file do, and what speaks against it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from vsctl.cli import changes, configuration, devices, newcomers, output, verification
from vsctl.cli.changes import Changes
from vsctl.cli.configuration import Applied, Next
from vsctl.cli.hand import as_value
from vsctl.cli.programs import Refused
from vsctl.cli.store import Store
from vsctl.policy import naming
from vsctl.policy.model import Cluster


@dataclass(frozen=True)
class Plan:
    """`retired` are resources of servers that the file no longer has; they stop before they are removed.

    A fencing device is not among them: one that is stopped would not fence.
    """

    applied: Applied
    cluster: Cluster
    next: Next
    changes: Changes
    retired: tuple[str, ...]
    objections: tuple[str, ...]

    @property
    def nothing_to_do(self) -> bool:
        return not self.changes.edits


def plan(store: Store, cluster: Cluster, *, without_fencing: bool = False) -> Plan:
    """Compare what is applied with a cluster; `objections` are the sentences for which apply refuses.

    Raises Refused if there can be no such configuration.
    """
    applied = configuration.read(store)
    wanted = configuration.with_(applied, cluster, applied.hand, load=newcomers.load(store, applied, cluster))
    _refuse_missing(applied, cluster)
    verification.verify(applied.cib, wanted.cib)
    planned = changes.between(applied.cib, wanted.cib, applied.cluster, cluster)
    return Plan(
        applied=applied,
        cluster=cluster,
        next=wanted,
        changes=planned,
        retired=tuple(each for each in applied.of_servers if each not in naming.of_cluster(cluster)),
        objections=tuple(_objections(applied, cluster, without_fencing)),
    )


def _refuse_missing(applied: Applied, cluster: Cluster) -> None:
    there = {
        each.get("id") for each in etree.fromstring(applied.cib).iterfind("configuration/resources//*[@id]")
    }
    for server in cluster.servers:
        for each in server.filesystems:
            if each.after is not None and each.after not in there:
                raise Refused(
                    f"filesystem {each.name} of {server.name} comes after {each.after}, and the cluster has no "
                    "resource of that name: create it first, or correct the cluster file"
                )


def _objections(applied: Applied, cluster: Cluster, without_fencing: bool) -> Iterator[str]:
    fenced = {each.node for each in cluster.fencing}
    open_ = [each.name for each in cluster.nodes if each.name not in fenced]
    if open_ and not without_fencing:
        yield (
            f"{', '.join(open_)} cannot be fenced: after a crash two nodes could write to one filesystem. Give the "
            "cluster file a fencing device for each node, or say --without-fencing if losing data is acceptable"
        )
    yield from devices.used_twice(cluster)
    listed = etree.fromstring(applied.cib).iterfind("configuration/nodes/node")
    there = {each.get("uname", "") for each in listed}
    unknown = [each.name for each in cluster.nodes if each.name not in there]
    if there and unknown:
        yield (
            f"the cluster has no node {', '.join(unknown)}, it has {', '.join(sorted(there))}: correct the "
            "cluster file, or let the node join first"
        )


def said(plan: Plan) -> str:
    """Return a plan as a person reads it."""
    if plan.nothing_to_do:
        return "nothing to do: the cluster is what the file says"
    verbs = {
        verb: sum(each.verb == verb for each in plan.changes.edits) for verb in ("add", "change", "remove")
    }
    lines = ["in the CIB: " + ", ".join(f"{count} to {verb}" for verb, count in verbs.items() if count)]
    lines += [
        str(each) + ("" if each.explained else "  (the change is not about it)")
        for each in plan.changes.moves
    ]
    lines += ["nothing moves"] if not plan.changes.moves else []
    lines += [f"restarted: {', '.join(plan.changes.restarts)}"] if plan.changes.restarts else []
    lines += [f"changed while running: {', '.join(plan.changes.reloads)}"] if plan.changes.reloads else []
    lines += [f"stopped and removed: {', '.join(plan.retired)}"] if plan.retired else []
    lines += [f"left alone, not vsctl's: {', '.join(plan.next.foreign)}"] if plan.next.foreign else []
    lines += (
        [f"replaced settings of the cluster: {', '.join(plan.next.overruled)}"] if plan.next.overruled else []
    )
    lines += left_out(plan.next)
    return "\n".join(output.fold(each, "    ") for each in lines)


def left_out(of: Next) -> tuple[str, ...]:
    """Say what of ours a CIB has no place for."""
    if not of.absent:
        return ()
    return (
        f"not in it yet: what {', '.join(of.absent)} can carry (hard), since this CIB does not have the nodes; "
        "apply again when they have joined",
    )


def as_document(plan: Plan) -> dict[str, Any]:
    return {
        "nothing_to_do": plan.nothing_to_do,
        "edits": [{"verb": each.verb, "kind": each.kind, "id": each.id} for each in plan.changes.edits],
        "moves": [{**as_value(each), "explained": each.explained} for each in plan.changes.moves],
        "restarts": list(plan.changes.restarts),
        "reloads": list(plan.changes.reloads),
        "retired": list(plan.retired),
        "left_alone": list(plan.next.foreign),
        "replaced": list(plan.next.overruled),
        "absent_nodes": list(plan.next.absent),
        "objections": list(plan.objections),
    }
