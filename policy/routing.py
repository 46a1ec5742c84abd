"""Who tells routers of addresses that are announced by host route, and which node does so rather?"""

from __future__ import annotations

from vsctl.policy import daemon, naming, parameters, scores
from vsctl.policy.constraints import Location, is_not_node, says
from vsctl.policy.model import Cluster
from vsctl.policy.resources import PROVIDER, Clone, Resource
from vsctl.policy.subnet_loss import attribute


def router(cluster: Cluster) -> tuple[Clone, ...]:
    """Run a BIRD of our own on every node with a port on a subnet whose routers listen.

    Like the node daemon: nothing waits for it, and its end never costs a
    node a fencing. Routers are called before anything is lost.
    """
    if not parameters.router_ports(cluster):
        return ()
    told = " ".join(each.name for each in cluster.subnets if each.told)
    speaker = Resource(
        naming.ROUTER,
        f"{PROVIDER}:router",
        (("routers", parameters.routers(cluster)), ("ports", parameters.router_ports(cluster))),
        f"it tells routers on {told} of addresses that are announced by host route",
        meta=daemon.PATIENT,
        on_fail=(("stop", "block"),),
    )
    reason = f"every node with a port on {told} tells the routers there by itself"
    return (Clone(naming.ROUTERS, speaker, reason, meta=(("interleave", "true"),)),)


def only_beside_routers(cluster: Cluster) -> tuple[Location, ...]:
    """Run no BIRD where there is nobody to tell."""
    able = [
        node.name for node in cluster.nodes if any(cluster.subnet(port.subnet).told for port in node.ports)
    ]
    if not able:
        return ()
    return (
        Location(
            "beside",
            (naming.ROUTER,),
            f"only {' '.join(able)} can tell routers anything",
            resource=naming.ROUTERS,
            score=scores.NEVER,
            when=tuple(is_not_node(node) for node in able),
        ),
    )


def directly(cluster: Cluster) -> tuple[Location, ...]:
    """Of peers, let one announce that is on the subnet itself rather than one that can by host route only.

    The server's own node comes before both: its announcer stays with it as long as either is possible.
    """
    return tuple(
        Location(
            "direct",
            (server.name, subnet.name),
            f"the addresses of {server.name} are rather announced on {subnet.name} itself than by host route",
            resource=naming.announcer(server.name, subnet.name),
            score=scores.DIRECT,
            when=(says(attribute(subnet.name), "2"),),
        )
        for server in cluster.servers
        for subnet in cluster.subnets_of(server)
        if cluster.vias(subnet)
    )
