"""What is everything called that belongs to a virtual server or a node?

The one place that makes ids of resources, names of interfaces and NetBIOS
names; `docs/contracts.md` publishes them. Names are made of letters, digits
and hyphens, so two objects can ask for the same one: `vsctl check` refuses that.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

from vsctl.policy.model import ROOT, Cluster, Fencing, Filesystem, VirtualServer

OURS = "vsctl"
"""Every constraint, property and nvpair of ours is called `vsctl-...`, their property set `vsctl`."""

INTERFACE_NAME = 15
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


def of_server(server: VirtualServer, subnets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids of all resources of a server that has addresses on `subnets`, its group first."""
    return (
        group(server.name),
        net(server.name),
        filesystem(server.name, ROOT),
        *(filesystem(server.name, each.name) for each in server.further_filesystems),
        *(announcer(server.name, each) for each in subnets),
        *([nfs(server.name)] if server.serves_nfs else []),
        *([smb(server.name)] if server.serves_smb else []),
        *_of_filesystems(server.name, server.filesystems),
        gate(server.name),
    )


def _of_filesystems(server: str, filesystems: tuple[Filesystem, ...]) -> Iterator[str]:
    for each in filesystems:
        if each.exports:
            yield exports(server, each.name)
        if each.shares:
            yield shares(server, each.name)


def of_fencing(fencing: Fencing) -> tuple[tuple[str, ...], ...]:
    """Return the ids of a node's fencing devices, level by level."""
    if [len(level) for level in fencing.levels] == [1]:
        return ((f"fence-{fencing.node}",),)
    return tuple(
        tuple(f"fence-{fencing.node}-{level}-{place}" for place, _ in enumerate(devices, 1))
        for level, devices in enumerate(fencing.levels, 1)
    )


def of_cluster(cluster: Cluster) -> tuple[str, ...]:
    """Return the id of every resource that the cluster has."""
    of_servers = (
        each
        for server in cluster.servers
        for each in of_server(server, tuple(subnet.name for subnet in cluster.subnets_of(server)))
    )
    of_fences = (each for fencing in cluster.fencing for level in of_fencing(fencing) for each in level)
    return (*of_servers, *of_fences)


def is_reserved(name: str) -> bool:
    """Say whether a resource of this name would be taken for an object that vsctl itself writes."""
    return name == OURS or name.startswith(f"{OURS}-")


def interface(server: str) -> str:
    """Return the node's side of the veth pair of a server, short enough for the kernel."""
    plain = f"v-{server}"
    return plain if len(plain) <= INTERFACE_NAME else f"v-{crc32(server.encode()):08x}"


def netbios(server: str) -> str:
    """Return the name a server has in SMB, in capitals, short enough for NetBIOS."""
    plain = server.upper()
    return plain if len(plain) <= NETBIOS_NAME else f"{plain[:6]}-{crc32(server.encode()):08X}"
