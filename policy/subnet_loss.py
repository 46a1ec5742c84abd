"""When does a lost subnet cost a server its node, and when only its announcer?"""

from __future__ import annotations

from collections.abc import Collection

from vsctl.policy import failback, naming, scores
from vsctl.policy.constraints import Location, is_node, is_not_node, says
from vsctl.policy.model import Cluster, OnSubnetLoss, Subnet, VirtualServer


def subnet_loss(cluster: Cluster, moving: Collection[str] = ()) -> tuple[Location, ...]:
    """Send a server from where its addresses cannot be announced to where they can: with `on_subnet_loss: move`
    at once, else when it has to leave its node anyway.

    Every subnet counts for itself: of two bad nodes the one with fewer lost
    subnets is better. A server that is routed is held on its node by more than
    that (`failback.holds`), and a peer announces (`announcers`). What can be
    announced by host route is not lost. While a server is `moving`, and sticks
    to no node, nothing would hold it, and lost subnets count nothing.
    """
    return tuple(
        _lost(server, subnet, held=server.name not in moving)
        for server in cluster.servers
        if server.on_subnet_loss is OnSubnetLoss.MOVE or failback.holds(cluster, server)
        for subnet in cluster.subnets_of(server)
    )


def _lost(server: VirtualServer, subnet: Subnet, *, held: bool) -> Location:
    moves = server.on_subnet_loss is OnSubnetLoss.MOVE
    fewer = scores.FEWER if held else 0
    return Location(
        "subnet",
        (server.name, subnet.name),
        f"{server.name} leaves a node where {subnet.name} is lost for one where it is not"
        if moves
        else f"if {server.name} has to leave its node, it goes where {subnet.name} is not lost",
        resource=naming.group(server.name),
        score=scores.SUBNET_LOST if moves else fewer,
        when=(says(attribute(subnet.name), "0"),),
    )


def refuges(cluster: Cluster) -> tuple[Location, ...]:
    """Let a server on a node without a port on one of its subnets leave as soon as there is a better one.

    Only a node that the operator listed for it, and that peers can route to,
    takes it at all.
    """
    return tuple(
        Location(
            "portless",
            (server.name, subnet.name),
            f"{server.name} is routed on {' '.join(nodes)}, which has no port on {subnet.name}",
            resource=naming.group(server.name),
            score=scores.SUBNET_LOST,
            when=tuple(is_node(node) for node in nodes),
            any=True,
        )
        for server in cluster.servers
        for subnet in cluster.subnets_of(server)
        if (nodes := [each for each in cluster.refuges(server) if subnet.name in cluster.lacks(each, server)])
    )


def announcers(cluster: Cluster) -> tuple[Location, ...]:
    """Let a peer announce, and route to the server, while the server's node has lost the subnet.

    The announcer comes back by itself: it would rather be with its server. A
    server with `on_subnet_loss: move` is routed only where it finds no better node.
    """
    return tuple(
        each
        for server in cluster.servers
        for subnet in cluster.subnets_of(server)
        for each in (_where_lost(server, subnet.name), _where_never(cluster, server, subnet.name))
    )


def attribute(subnet: str) -> str:
    """Return the node attribute that says how a subnet's addresses can be announced there."""
    return f"subnet-{subnet}"


def _where_lost(server: VirtualServer, subnet: str) -> Location:
    return Location(
        "lost",
        (server.name, subnet),
        f"the addresses of {server.name} are not announced where {subnet} is lost",
        resource=naming.announcer(server.name, subnet),
        score=scores.NEVER,
        when=(says(attribute(subnet), "0"),),
    )


def _where_never(cluster: Cluster, server: VirtualServer, subnet: str) -> Location:
    able = [node.name for node in cluster.nodes if node.ports_on(subnet)]
    return Location(
        "ported",
        (server.name, subnet),
        f"only {' '.join(able)} can announce addresses on {subnet}",
        resource=naming.announcer(server.name, subnet),
        score=scores.NEVER,
        when=tuple(is_not_node(node) for node in able),
    )
