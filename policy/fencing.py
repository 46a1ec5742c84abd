"""How is a node that does not answer cut off?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

from vsctl.policy import naming
from vsctl.policy.constraints import FencingLevel, Preference
from vsctl.policy.model import Cluster, FenceDevice, Fencing
from vsctl.policy.resources import Pairs, Resource
from vsctl.policy.scores import NEVER

HOST_LIST = "pcmk_host_list"
HOST_MAP = "pcmk_host_map"


def devices(cluster: Cluster) -> tuple[Resource, ...]:
    """Configure every fencing device, each for its own node."""
    return tuple(
        Resource(
            name,
            f"stonith:{device.agent}",
            (*_host(fencing.node, device), *device.options),
            f"{name} cuts {fencing.node} off",
        )
        for fencing in cluster.fencing
        for name, device in _named(fencing)
    )


def elsewhere(cluster: Cluster) -> tuple[Preference, ...]:
    """Keep a device off the node it fences: it is needed when that node is gone."""
    return tuple(
        Preference(
            "fence",
            (name, fencing.node),
            f"{name} is needed when {fencing.node} is gone",
            resource=name,
            node=fencing.node,
            score=NEVER,
        )
        for fencing in cluster.fencing
        for name, _ in _named(fencing)
    )


def levels(cluster: Cluster) -> tuple[FencingLevel, ...]:
    """Try the levels of a node in turn; all devices of a level must act. One device alone needs none."""
    return tuple(
        FencingLevel(
            "level",
            (fencing.node, str(number)),
            f"attempt {number} to cut {fencing.node} off",
            node=fencing.node,
            level=number,
            devices=level,
        )
        for fencing in cluster.fencing
        if len(_named(fencing)) > 1
        for number, level in enumerate(naming.of_fencing(fencing), 1)
    )


def with_options(cluster: Cluster, told: Mapping[str, Pairs]) -> Cluster:
    """Return a cluster whose fencing devices, by resource id, are told this; the others are told nothing."""

    def filled(fencing: Fencing) -> Fencing:
        levels = zip(naming.of_fencing(fencing), fencing.levels, strict=True)
        return replace(
            fencing,
            levels=tuple(
                tuple(
                    replace(device, options=told.get(name, ()))
                    for name, device in zip(names, devices, strict=True)
                )
                for names, devices in levels
            ),
        )

    return replace(cluster, fencing=tuple(map(filled, cluster.fencing)))


def _named(fencing: Fencing) -> tuple[tuple[str, FenceDevice], ...]:
    names = chain.from_iterable(naming.of_fencing(fencing))
    return tuple(zip(names, chain.from_iterable(fencing.levels), strict=True))


def _host(node: str, device: FenceDevice) -> tuple[tuple[str, str], ...]:
    """Name the node, unless the file says itself which one the device knows by which name."""
    given = dict(device.options)
    return () if HOST_LIST in given or HOST_MAP in given else ((HOST_LIST, node),)
