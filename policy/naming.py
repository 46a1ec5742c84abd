"""What is everything called that belongs to a virtual server or a node?

The one place that makes ids of resources and NetBIOS names;
`docs/contracts.md` publishes them. Names are made of letters, digits and
hyphens, so two objects can ask for the same one: `vsctl check` refuses that.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from vsctl.policy.model import BalanceMode, Cluster, Fencing, VirtualServer

OURS = "vsctl"
"""Every constraint, property and nvpair of ours is called `vsctl-...`, their property set `vsctl`."""

STATE = ".vsctl"
"""The directory on a server's root filesystem that keeps its own state."""

DAEMON = f"{OURS}-daemon"
DAEMONS = f"{DAEMON}-clone"
"""The node daemon, and the clone of it that runs on every node."""

ROUTER = f"{OURS}-router"
ROUTERS = f"{ROUTER}-clone"
"""What tells routers of host routes, and the clone of it that runs on every node with such a router beside it."""

BALANCER = f"{OURS}-balancer"
"""What has the load evened out, on one node at a time."""

NETBIOS_NAME = 15


def group(server: str) -> str:
    return server


def net(server: str) -> str:
    return f"{server}-net"


def filesystem(server: str, filesystem: str) -> str:
    return f"{server}-fs-{filesystem}"


def nfs(server: str) -> str:
    return f"{server}-nfs"


def smb(server: str) -> str:
    return f"{server}-smb"


def exports(server: str, filesystem: str) -> str:
    return f"{server}-exp-{filesystem}"


def shares(server: str, filesystem: str) -> str:
    return f"{server}-shr-{filesystem}"


def announcer(server: str, subnet: str) -> str:
    return f"{server}-vip-{subnet}"


def gate(server: str) -> str:
    return f"{server}-gate"


def resources(
    server: str,
    *,
    filesystems: Sequence[str],
    exported: Sequence[str],
    shared: Sequence[str],
    subnets: Sequence[str],
) -> tuple[str, ...]:
    """Return the ids of all resources of a server, its group first.

    `exported` and `shared` are the filesystems with NFS exports and with SMB
    shares, `subnets` those that the server has addresses on.
    """
    return (
        group(server),
        net(server),
        *(filesystem(server, each) for each in filesystems),
        *(announcer(server, each) for each in subnets),
        *([nfs(server)] if exported else []),
        *([smb(server)] if shared else []),
        *(exports(server, each) for each in exported),
        *(shares(server, each) for each in shared),
        gate(server),
    )


def of_server(server: VirtualServer, subnets: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of all resources of a server that has addresses on `subnets`, its group first."""
    return resources(
        server.name,
        filesystems=[each.name for each in server.filesystems],
        exported=[each.name for each in server.filesystems if each.exports],
        shared=[each.name for each in server.filesystems if each.shares],
        subnets=subnets,
    )


def primitives_of(cluster: Cluster, server: VirtualServer) -> tuple[str, ...]:
    """Return the ids of everything that runs for a server of a cluster: all but its group."""
    return of_server(server, [each.name for each in cluster.subnets_of(server)])[1:]


def fences(node: str, levels: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """Return the ids of a node's fencing devices, level by level; `levels` says how many each has."""
    if list(levels) == [1]:
        return ((f"fence-{node}",),)
    return tuple(
        tuple(f"fence-{node}-{level}-{place}" for place in range(1, devices + 1))
        for level, devices in enumerate(levels, 1)
    )


def of_fencing(fencing: Fencing) -> tuple[tuple[str, ...], ...]:
    """Return the ids of a node's fencing devices, level by level."""
    return fences(fencing.node, [len(level) for level in fencing.levels])


def of_cluster(cluster: Cluster) -> tuple[str, ...]:
    """Return the id of every resource that the cluster has."""
    of_servers = (
        each
        for server in cluster.servers
        for each in of_server(server, [subnet.name for subnet in cluster.subnets_of(server)])
    )
    routers = (ROUTERS, ROUTER) if any(each.told for each in cluster.subnets) else ()
    balancers = () if cluster.policy.balance.mode is BalanceMode.OFF else (BALANCER,)
    return (*of_servers, *of_fences(cluster), DAEMONS, DAEMON, *routers, *balancers)


def of_fences(cluster: Cluster) -> tuple[str, ...]:
    """Return the id of every fencing device that the cluster has."""
    return tuple(each for fencing in cluster.fencing for level in of_fencing(fencing) for each in level)


def is_reserved(name: str) -> bool:
    """Say whether a resource of this name would be taken for an object that vsctl itself writes."""
    return name == OURS or name.startswith(f"{OURS}-")


def netbios(server: str) -> str:
    """Return the name a server has in SMB, in capitals, short enough for NetBIOS."""
    plain = server.upper()
    return plain if len(plain) <= NETBIOS_NAME else f"{plain[:6]}-{crc32(server.encode()):08X}"


def seen_as(filesystem: str, path: str) -> str:
    """Return the path by which NFS clients mount a directory, unless the cluster file says another."""
    return f"/{filesystem}{path}".rstrip("/")
