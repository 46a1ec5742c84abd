"""When does lost storage cost a server its node?"""

from __future__ import annotations

from vsctl.policy import naming, scores
from vsctl.policy.constraints import Location, says
from vsctl.policy.model import Cluster, OnStorageLoss, VirtualServer


def storage_loss(cluster: Cluster) -> tuple[Location, ...]:
    """Send a server to a node that reaches all its storage.

    However many units a node has lost, it counts once: a node that reaches
    half of a server's storage is no better than one that reaches none. Where
    no node reaches it the server stays, or stops if the file says so.
    """
    return tuple(
        Location(
            "storage",
            (server.name,),
            _reason(server),
            resource=naming.group(server.name),
            score=scores.NEVER if server.on_storage_loss is OnStorageLoss.STOP else scores.STORAGE_LOST,
            when=tuple(says(f"storage-{unit}", "0") for unit in _units(server)),
            any=True,
        )
        for server in cluster.servers
    )


def _units(server: VirtualServer) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.storage for each in server.filesystems))


def _reason(server: VirtualServer) -> str:
    units = " or ".join(_units(server))
    if server.on_storage_loss is OnStorageLoss.STOP:
        return f"{server.name} does not run where {units} is lost (on_storage_loss: stop)"
    return f"{server.name} leaves a node that has lost {units} for one that has not"
