"""How is what an agent must know written as one line of text?

The forms of `docs/contracts.md`. Whatever could be mistaken for a separator
is written as %XX, byte for byte, so that agents split first and decode later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from vsctl.policy.model import (
    BalanceMode,
    Bgp,
    Cluster,
    Interface,
    NfsExport,
    Ospf,
    SmbShare,
    Subnet,
    VirtualServer,
)
from vsctl.policy.resources import Pairs

_UNSAFE = re.compile(rb"[^A-Za-z0-9/._\-@:$]")


def given(name: str, value: str) -> Pairs:
    """Return a parameter, none where its value is empty."""
    return ((name, value),) if value else ()


def encoded(text: str) -> str:
    return _UNSAFE.sub(lambda byte: b"%%%02X" % byte.group()[0], text.encode()).decode()


def addresses(interfaces: Iterable[Interface]) -> str:
    return " ".join(str(each) for each in interfaces)


def ports(
    cluster: Cluster, subnet: Subnet, orders: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> str:
    """Return the ports of every node that has any on the subnet: `n1=e0a,e0b n3=ens5`.

    `orders` are other orders than the cluster file's, for some nodes.
    """
    by_node = ((node.name, orders.get(node.name) or node.ports_on(subnet.name)) for node in cluster.nodes)
    return " ".join(f"{node}={','.join(ports)}" for node, ports in by_node if ports)


def ports_with_subnets(cluster: Cluster) -> str:
    """Return every port of every node, best first: `n1=e0a:lan-a,e1a:lan-b n3=ens5:lan-a`."""
    return " ".join(
        f"{node.name}={','.join(f'{port.interface}:{port.subnet}' for port in node.ports)}"
        for node in cluster.nodes
        if node.ports
    )


def gateways(cluster: Cluster) -> str:
    """Return the gateways of every subnet that has any: `lan-a=192.0.2.1,2001:db8:a::1`."""
    return " ".join(
        f"{subnet.name}={','.join(map(str, subnet.gateways))}"
        for subnet in cluster.subnets
        if subnet.gateways
    )


def storage(cluster: Cluster) -> str:
    """Return by which devices which nodes see whether they reach a unit: `san1 nodes=n1,n2 /dev/a`.

    A node looks only at devices of servers that may run on it. What lies on
    another resource is there only while that is: it says nothing of the unit.
    """
    devices: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for unit in cluster.storage:
        for server in cluster.servers:
            nodes = tuple(each for each in unit.nodes if each in server.nodes)
            for each in server.filesystems:
                if each.storage == unit.name and not each.after and nodes:
                    devices.setdefault((unit.name, nodes), []).append(encoded(each.device))
    return ";".join(
        f"{unit} nodes={','.join(nodes)} {' '.join(sorted(found))}"
        for (unit, nodes), found in sorted(devices.items())
    )


def detours(cluster: Cluster, subnet: Subnet) -> str:
    """Return for every node its ports on other subnets, by which a server and a peer that announces it meet."""
    by_node = (
        (node.name, [port.interface for port in node.ports if port.subnet != subnet.name])
        for node in cluster.nodes
    )
    return " ".join(f"{node}={','.join(ports)}" for node, ports in by_node if ports)


def all_detours(cluster: Cluster, server: VirtualServer) -> str:
    """Return the detours of every subnet of a server, with its addresses there."""
    by_subnet = (
        (each, detours(cluster, each), addresses(cluster.addresses_on(server, each)))
        for each in cluster.subnets_of(server)
    )
    return ";".join(f"{subnet.name} {own} {found}" for subnet, found, own in by_subnet if found)


def leaving(cluster: Cluster) -> str:
    """Return every server that may leave its node, where it can go, what it needs, and how long it may be routed."""
    return ";".join(
        f"{server.name} subnets={','.join(each.name for each in cluster.subnets_of(server))}"
        f" nodes={','.join(cluster.candidates(server))}"
        f" units={','.join(dict.fromkeys(each.storage for each in server.filesystems))}"
        + ("" if server.bridge is None else f" bridge={server.bridge}")
        for server in cluster.servers
        if not server.pinned and cluster.candidates(server)
    )


def balance(cluster: Cluster) -> str:
    """Return how often and how exactly every node evens out its ports by itself."""
    balance = cluster.policy.balance
    if balance.mode is not BalanceMode.AUTO:
        return ""
    return f"every={balance.every} tolerance={balance.tolerance:g}"


def balancing(cluster: Cluster) -> tuple[tuple[str, str], ...]:
    """Return what the balancer is told: `quiet` as `22:00-05:00`, times in seconds."""
    balance = cluster.policy.balance
    hours = balance.quiet
    quiet = "-".join(f"{at // 60:02}:{at % 60:02}" for at in (hours.start, hours.end)) if hours else ""
    return (
        ("mode", balance.mode.value),
        ("every", str(balance.every)),
        ("cool_down", str(balance.cool_down)),
        *((("quiet", quiet),) if quiet else ()),
    )


def host_routes(cluster: Cluster, subnet: Subnet) -> str:
    """Return the gateways and ports of each subnet by which host routes are announced: `lan-b 198.51.100.1 n1=e1a`."""
    return ";".join(
        " ".join((each.name, *map(str, each.gateways), ports(cluster, each))) for each in cluster.vias(subnet)
    )


def routed(cluster: Cluster) -> str:
    """Return for each subnet those by which its addresses can be announced by host route: `lan-a=lan-b,lan-c`."""
    found = ((subnet.name, [each.name for each in cluster.vias(subnet)]) for subnet in cluster.subnets)
    return " ".join(f"{name}={','.join(vias)}" for name, vias in found if vias)


def routers(cluster: Cluster) -> str:
    """Return the routers of every subnet: `lan-b bgp 64512 198.51.100.1@64500 /etc/vsctl/bgp;lan-c ospf 0.0.0.0 4`."""
    return ";".join(_routers(each) for each in cluster.subnets if each.told)


def _routers(subnet: Subnet) -> str:
    if subnet.bgp:
        peers = (f"{each.address}@{each.number}" for each in subnet.bgp.peers)
        password = (subnet.bgp.password_file,) if subnet.bgp.password_file else ()
        return " ".join((subnet.name, "bgp", str(subnet.bgp.number), *peers, *password, *_bfd(subnet.bgp)))
    area = subnet.ospf.area if subnet.ospf else ""
    return " ".join((subnet.name, "ospf", area, *map(str, sorted(subnet.told)), *_bfd(subnet.ospf)))


def _bfd(spoken: Bgp | Ospf | None) -> tuple[str, ...]:
    return ("bfd",) if spoken and spoken.bfd else ()


def router_ports(cluster: Cluster) -> str:
    """Return the ports of every node on subnets with routers to tell: `n1=e1a:lan-b`."""
    told = {each.name for each in cluster.subnets if each.told}
    found = (
        (node.name, [f"{port.interface}:{port.subnet}" for port in node.ports if port.subnet in told])
        for node in cluster.nodes
    )
    return " ".join(f"{node}={','.join(ports)}" for node, ports in found if ports)


def exports(of: Iterable[NfsExport]) -> str:
    return ";".join(
        " ".join(
            (
                encoded(each.path),
                encoded(each.seen_as),
                f"id={each.id}",
                f"squash={each.squash.value}",
                *(f"{client.who}={client.access.value}" for client in each.clients),
            )
        )
        for each in of
    )


def shares(of: Iterable[SmbShare]) -> str:
    return ";".join(
        f"{encoded(each.share)} {encoded(each.path)} access={each.access.value}"
        f" users={','.join(encoded(user) for user in each.users)}"
        for each in of
    )
