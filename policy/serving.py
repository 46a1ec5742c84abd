"""Which resources make a virtual server?

The namespace and the root filesystem are a group: nothing else is needed by
everything. All the rest stands alone beside it, so that one part failing
restarts only what depends on it.
"""

from __future__ import annotations

from dataclasses import replace

from vsctl.policy import capacity, failback, naming, parameters, quarantine, recovery
from vsctl.policy.model import Cluster, Filesystem, Subnet, VirtualServer
from vsctl.policy.resources import PROVIDER, Group, Pairs, Resource, Tag


def virtual_servers(cluster: Cluster) -> tuple[Group | Resource, ...]:
    """Return everything that serves, server by server."""
    return tuple(each for server in cluster.servers for each in of(cluster, server))


def of(cluster: Cluster, server: VirtualServer) -> tuple[Group | Resource, ...]:
    parts: list[Group | Resource] = [_core(cluster, server)]
    parts += (_filesystem(server, each) for each in server.further_filesystems)
    if server.serves_nfs:
        parts.append(_alone(naming.nfs(server.name), server, "nfs", (), f"{server.name} serves NFS"))
    if server.serves_smb:
        parts.append(_smb(server))
    parts += (_exports(server, each) for each in server.filesystems if each.exports)
    parts += (_shares(server, each) for each in server.filesystems if each.shares)
    parts += (_vip(cluster, server, each) for each in cluster.subnets_of(server))
    parts.append(_gate(server))
    parts += (quarantine.repair(cluster, server, each) for each in server.filesystems)
    return tuple(parts)


def tags(cluster: Cluster) -> tuple[Tag, ...]:
    """Name everything of a virtual server after it."""
    return tuple(Tag(each.name, tuple(part.id for part in of(cluster, each))) for each in cluster.servers)


def _core(cluster: Cluster, server: VirtualServer) -> Group:
    sticky, window = failback.stickiness(cluster, server)
    net = _part(
        naming.net(server.name),
        server,
        "net",
        (
            ("addresses", parameters.addresses(server.addresses)),
            *parameters.given("detours", parameters.all_detours(cluster, server)),
        ),
        f"{server.name} is a network namespace of this name",
    )
    return Group(
        naming.group(server.name),
        (
            replace(
                net,
                meta=sticky,
                window=window,
                inside=failback.NONE if window else (),
                needs=capacity.needs(cluster, server),
            ),
            _filesystem_part(server, server.root),
        ),
        f"{server.name} is in the cluster file",
        meta=(("priority", str(server.priority)), *failback.NONE, *recovery.LIMITS),
    )


def _filesystem_part(server: VirtualServer, filesystem: Filesystem) -> Resource:
    return _part(
        naming.filesystem(server.name, filesystem.name),
        server,
        "fs",
        (
            ("filesystem", filesystem.name),
            ("device", filesystem.device),
            ("type", filesystem.type),
            *((("options", ",".join(filesystem.options)),) if filesystem.options else ()),
        ),
        f"{server.name} has filesystem {filesystem.name}",
    )


def _filesystem(server: VirtualServer, filesystem: Filesystem) -> Resource:
    return _with_limits(_filesystem_part(server, filesystem))


def _smb(server: VirtualServer) -> Resource:
    return _alone(
        naming.smb(server.name),
        server,
        "smb",
        (("netbios", naming.netbios(server.name)),),
        f"{server.name} serves SMB",
    )


def _exports(server: VirtualServer, filesystem: Filesystem) -> Resource:
    return _alone(
        naming.exports(server.name, filesystem.name),
        server,
        "exports",
        (("filesystem", filesystem.name), ("exports", parameters.exports(filesystem.exports))),
        f"{server.name} exports directories of {filesystem.name} by NFS",
    )


def _shares(server: VirtualServer, filesystem: Filesystem) -> Resource:
    return _alone(
        naming.shares(server.name, filesystem.name),
        server,
        "shares",
        (("filesystem", filesystem.name), ("shares", parameters.shares(filesystem.shares))),
        f"{server.name} shares directories of {filesystem.name} by SMB",
    )


def _vip(cluster: Cluster, server: VirtualServer, subnet: Subnet) -> Resource:
    return _alone(
        naming.announcer(server.name, subnet.name),
        server,
        "vip",
        (
            ("subnet", subnet.name),
            ("addresses", parameters.addresses(cluster.addresses_on(server, subnet))),
            ("ports", parameters.ports(cluster, subnet)),
            *parameters.given("gateways", " ".join(map(str, subnet.gateways))),
            *parameters.given("detours", parameters.detours(cluster, subnet)),
            *parameters.given("routed", parameters.host_routes(cluster, subnet)),
        ),
        f"{server.name} has addresses on {subnet.name}",
    )


def _gate(server: VirtualServer) -> Resource:
    return _alone(
        naming.gate(server.name),
        server,
        "gate",
        (),
        f"clients of {server.name} wait in silence while it starts and stops",
    )


def _part(id: str, server: VirtualServer, agent: str, of_its_own: Pairs, reason: str) -> Resource:
    on_fail = recovery.STUCK if agent in recovery.STOPS_WITH_STORAGE else ()
    return Resource(
        id, f"{PROVIDER}:{agent}", (("server", server.name), *of_its_own), reason, on_fail=on_fail
    )


def _alone(id: str, server: VirtualServer, agent: str, of_its_own: Pairs, reason: str) -> Resource:
    return _with_limits(_part(id, server, agent, of_its_own, reason))


def _with_limits(resource: Resource) -> Resource:
    return replace(resource, meta=(*failback.NONE, *recovery.LIMITS))
