"""What is the smallest change to the cluster file that gives a server another node?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from vsctl.policy.model import Cluster, Node, VirtualServer


def another_node(cluster: Cluster, server: VirtualServer, gone: Collection[str]) -> tuple[str, ...]:
    """Return what to change so that a server has a node besides those that are `gone`, the fewest changes there are.

    Empty if nothing in the file is in the way: then another node has to be added.
    """
    ways = [tuple(_missing(cluster, server, node)) for node in cluster.nodes if node.name not in gone]
    return min(ways, key=len, default=())


def _missing(cluster: Cluster, server: VirtualServer, node: Node) -> Iterator[str]:
    if node.name not in server.nodes:
        yield f"add {node.name} to `nodes` of {server.name}"
    for unit in dict.fromkeys(each.storage for each in server.filesystems):
        if node.name not in cluster.unit(unit).nodes:
            yield f"add {node.name} to `nodes` of the storage unit {unit}, once it reaches it"
    for subnet in cluster.lacks(node.name, server):
        yield f"give {node.name} a port on {subnet}"
