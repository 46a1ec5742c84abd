"""What of a server goes where, and after what?

Everything is where the server is. What depends on something starts after it;
the gate opens last and closes first, so that clients see silence, never a
refusal, while exports come and go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from vsctl.policy import naming, scores
from vsctl.policy.constraints import Colocation, Farewell, Kind, Order
from vsctl.policy.model import ROOT, Cluster, Filesystem, VirtualServer

PROMOTED = "Promoted"

Binding = Colocation | Order | Farewell


def bindings(cluster: Cluster, promotable: Collection[str] = ()) -> tuple[Binding, ...]:
    """Keep the parts of every server together and in order.

    `promotable` are the existing resources that a filesystem may need not only
    running but promoted (DRBD).
    """
    return tuple(
        each
        for server in cluster.servers
        for each in (
            *_filesystems(server),
            *_below(server, promotable),
            *_daemons(server),
            *_exported(server),
            *_announcers(cluster, server),
            *_gate(cluster, server),
        )
    )


def _filesystems(server: VirtualServer) -> Iterator[Colocation | Order]:
    for each in server.further_filesystems:
        part = naming.filesystem(server.name, each.name)
        yield _with(part, server.name, f"filesystem {each.name} is where {server.name} is")
        yield _after(part, naming.net(server.name), f"{each.name} is mounted for {server.name} alone")


def _below(server: VirtualServer, promotable: Collection[str]) -> Iterator[Colocation | Order]:
    for each in server.filesystems:
        if each.after is None:
            continue
        part = naming.filesystem(server.name, each.name)
        goes = naming.group(server.name) if each.name == ROOT else part
        reason = f"filesystem {each.name} of {server.name} is on {each.after}"
        yield from on(part, each.after, reason, goes=goes, promoted=each.after in promotable)


def on(
    part: str, below: str, reason: str, *, goes: str, promoted: bool, influence: bool = True
) -> Iterator[Colocation | Order]:
    """Start `part` after what is below it, and put `goes`, it or what it is in, there."""
    yield Colocation(
        "with",
        (part, below),
        reason,
        resource=goes,
        other=below,
        other_role=PROMOTED if promoted else None,
        influence=influence,
    )
    yield Order(
        "after",
        (part, below),
        reason,
        first=below,
        then=part,
        first_action="promote" if promoted else None,
    )


def _daemons(server: VirtualServer) -> Iterator[Colocation | Order]:
    for serves, part, protocol in (
        (server.serves_nfs, naming.nfs(server.name), "NFS"),
        (server.serves_smb, naming.smb(server.name), "SMB"),
    ):
        if serves:
            yield _with(part, server.name, f"the {protocol} server is where {server.name} is")
            root = naming.filesystem(server.name, ROOT)
            yield _after(part, root, f"the {protocol} server keeps its state on the root filesystem")


def _exported(server: VirtualServer) -> Iterator[Colocation | Order]:
    for each in server.filesystems:
        below = naming.filesystem(server.name, each.name)
        for what, part, daemon in (
            (each.exports, naming.exports(server.name, each.name), naming.nfs(server.name)),
            (each.shares, naming.shares(server.name, each.name), naming.smb(server.name)),
        ):
            if what:
                yield _with(part, _holder(server, each), f"what {part} serves is on filesystem {each.name}")
                yield _after(part, below, f"what {part} serves is on filesystem {each.name}")
                yield _after(part, daemon, f"{daemon} serves it")


def _announcers(cluster: Cluster, server: VirtualServer) -> Iterator[Binding]:
    net = naming.net(server.name)
    for subnet in cluster.subnets_of(server):
        part = naming.announcer(server.name, subnet.name)
        yield Colocation(
            "with",
            (part, net),
            f"the node of {server.name} announces its addresses on {subnet.name} if it can, else a peer",
            resource=part,
            other=net,
            score=scores.ANNOUNCER,
        )
        yield _after(part, net, f"there is nothing to announce before {server.name} is there")
        if server.serves_smb:  # NFS is silent behind the gate; and neither waits for it to start
            smb = naming.smb(server.name)
            reason = f"SMB clients of {server.name} see the server end before its addresses go"
            yield Farewell("before", (smb, part), reason, first=smb, then=part)


def _gate(cluster: Cluster, server: VirtualServer) -> Iterator[Colocation | Order]:
    gate = naming.gate(server.name)
    yield _with(gate, server.name, f"the gate of {server.name} is a filter in its namespace")
    yield _after(gate, naming.net(server.name), f"the gate of {server.name} is a filter in its namespace")
    if server.serves_nfs:
        yield _after(gate, naming.nfs(server.name), "the gate is closed while the NFS server starts and ends")
    last = f"{server.name} opens to clients when all else has started"
    for each in server.filesystems:
        if each.name != ROOT:
            yield _after(gate, naming.filesystem(server.name, each.name), last, Kind.OPTIONAL)
        if each.exports:
            yield _after(gate, naming.exports(server.name, each.name), last, Kind.OPTIONAL)
        if each.shares:
            yield _after(gate, naming.shares(server.name, each.name), last, Kind.OPTIONAL)
    if server.serves_smb:
        yield _after(gate, naming.smb(server.name), last, Kind.OPTIONAL)
    for subnet in cluster.subnets_of(server):
        yield _after(gate, naming.announcer(server.name, subnet.name), last, Kind.OPTIONAL)


def _holder(server: VirtualServer, filesystem: Filesystem) -> str:
    """Return what goes with a filesystem: it, or the group it is in.

    What comes after it is ordered after the filesystem itself: after a group that cannot start, the
    scheduler of Pacemaker 2.1.5 may plan a start that never becomes possible, and gives up in the middle.
    """
    return server.name if filesystem.name == ROOT else naming.filesystem(server.name, filesystem.name)


def _with(part: str, other: str, reason: str) -> Colocation:
    return Colocation("with", (part, other), reason, resource=part, other=other)


def _after(part: str, first: str, reason: str, kind: Kind = Kind.MANDATORY) -> Order:
    return Order("after", (part, first), reason, first=first, then=part, kind=kind)
