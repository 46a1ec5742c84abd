"""Which port of a node announces a server first?

The cluster file lists ports best first. Evening out the load of ports
(`vsctl rebalance ports`, or the nodes themselves) changes that for one announcer on one node,
in the announcer's parameter `ports`: the CIB is the memory of it. Here it is
kept when the rest of the configuration is made anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vsctl.policy import naming, parameters
from vsctl.policy.model import Cluster
from vsctl.policy.resources import Clone, Group, Resource

Orders = Mapping[str, Mapping[str, tuple[str, ...]]]
"""For some announcers, by id, and for some nodes the ports, best first."""


def kept(before: Cluster | None, now: Cluster, orders: Orders) -> Orders:
    """Return the orders that still hold: those of nodes whose ports on the subnet the file lists as before.

    Who changes the order in the cluster file means it.
    """
    if before is None:
        return {}
    return {
        announcer: {
            node: ports
            for node, ports in orders[announcer].items()
            if _listed(now, node, subnet) == _listed(before, node, subnet) != ()
            and sorted(ports) == sorted(_listed(now, node, subnet))
        }
        for announcer, subnet in _announcers(now)
        if announcer in orders
    }


def ordered(
    cluster: Cluster, resources: Iterable[Group | Clone | Resource], orders: Orders
) -> tuple[Group | Clone | Resource, ...]:
    """Return the resources with these orders in the announcers' parameters."""
    subnets = dict(_announcers(cluster))
    return tuple(
        _with_ports(each, parameters.ports(cluster, cluster.subnet(subnets[each.id]), orders[each.id]))
        if isinstance(each, Resource) and each.id in orders
        else each
        for each in resources
    )


def put_first(orders: Orders, first: Mapping[str, Mapping[str, str]]) -> Orders:
    """Return the orders with some ports before the others, by announcer and node."""
    return {
        announcer: {
            node: _with_first(ports, first.get(announcer, {}).get(node)) for node, ports in by_node.items()
        }
        for announcer, by_node in orders.items()
    }


def _with_first(ports: tuple[str, ...], port: str | None) -> tuple[str, ...]:
    return tuple(sorted(ports, key=lambda each: each != port))


def read(text: str) -> dict[str, tuple[str, ...]]:
    """Return the ports of each node in an announcer's parameter `ports`."""
    words = (each.partition("=") for each in text.split())
    return {node: tuple(ports.split(",")) for node, _, ports in words}


def _with_ports(announcer: Resource, ports: str) -> Resource:
    given = tuple((name, ports if name == "ports" else value) for name, value in announcer.parameters)
    return replace(announcer, parameters=given)


def _announcers(cluster: Cluster) -> tuple[tuple[str, str], ...]:
    """Return the id and the subnet of every announcer."""
    return tuple(
        (naming.announcer(server.name, subnet.name), subnet.name)
        for server in cluster.servers
        for subnet in cluster.subnets_of(server)
    )


def _listed(cluster: Cluster, node: str, subnet: str) -> tuple[str, ...]:
    return next((each.ports_on(subnet) for each in cluster.nodes if each.name == node), ())
