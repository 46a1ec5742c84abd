"""What does Pacemaker get for a cluster? The table of contents of this package."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from vsctl.policy import (
    allowed_nodes,
    apart,
    balanced,
    balancer,
    bindings,
    candidates,
    capacity,
    daemon,
    fencing,
    homeward,
    leaving,
    pinning,
    port_loss,
    port_order,
    preferences,
    priority_order,
    properties,
    quarantine,
    routing,
    serving,
    storage_loss,
    subnet_loss,
)
from vsctl.policy.balanced import Balanced
from vsctl.policy.candidates import NOWHERE, Running
from vsctl.policy.constraints import FencingLevel, Limits, Property, Rule
from vsctl.policy.hand import NO_HAND, Hand, moved
from vsctl.policy.model import Cluster
from vsctl.policy.placement import place
from vsctl.policy.port_order import Orders
from vsctl.policy.quarantine import Quarantines
from vsctl.policy.resources import Clone, Group, Resource, Tag


@dataclass(frozen=True)
class Configuration:
    """Everything of ours in the CIB. All tuples are in the order of the cluster file."""

    resources: tuple[Group | Clone | Resource, ...]
    constraints: tuple[Rule, ...]
    limits: tuple[Limits, ...]
    levels: tuple[FencingLevel, ...]
    tags: tuple[Tag, ...]
    properties: tuple[Property, ...]


def configuration(
    cluster: Cluster,
    hand: Hand = NO_HAND,
    *,
    placed: Mapping[str, str] | None = None,
    promotable: Collection[str] = (),
    orders: Orders | None = None,
    quarantines: Quarantines = (),
    load: Balanced = balanced.NOTHING,
    running: Running = NOWHERE,
) -> Configuration:
    """Return what Pacemaker gets.

    `placed` is the node that each server was given last time; servers keep it
    as long as that is even. `promotable` are existing resources that are
    promoted, for filesystems `after` them. `orders` are orders of ports that
    evening out their load has found. `quarantines` are of filesystems that were
    found damaged. `load` is what evening out that of the nodes has found.
    `running` is where servers are.
    """
    hand = hand.within(cluster)
    placement = place(cluster, placed or {}, load.ranks)
    lists = candidates.listed(cluster, hand, placement, running)
    moving = dict(load.moving)
    servers = balanced.loosened(serving.virtual_servers(cluster), moving)
    return Configuration(
        resources=(
            *fencing.devices(cluster),
            *daemon.daemon(cluster, candidates.narrowed(cluster, lists)),
            *routing.router(cluster),
            *balancer.balancer(cluster),
            *port_order.ordered(cluster, servers, orders or {}),
        ),
        constraints=(
            *preferences.preferences(cluster, placement, lists),
            *fencing.elsewhere(cluster),
            *bindings.bindings(cluster, promotable),
            *allowed_nodes.base(cluster),
            *allowed_nodes.allowed_nodes(cluster),
            *candidates.candidates(cluster, lists),
            *pinning.pinning(cluster, hand, placement),
            *storage_loss.storage_loss(cluster),
            *leaving.evacuation(cluster, hand),
            *moved(cluster, hand),
            *apart.apart(cluster),
            *leaving.eviction(cluster),
            *port_loss.port_loss(cluster, moving),
            *subnet_loss.subnet_loss(cluster, moving),
            *subnet_loss.refuges(cluster),
            *subnet_loss.announcers(cluster),
            *routing.directly(cluster),
            *routing.only_beside_routers(cluster),
            *homeward.homeward(cluster, lists),
            *leaving.unreported(cluster),
            *priority_order.priority_order(cluster),
            *quarantine.blocking(cluster, quarantines),
            *quarantine.repairing(cluster, hand, promotable),
        ),
        limits=capacity.limits(cluster),
        levels=fencing.levels(cluster),
        tags=serving.tags(cluster),
        properties=properties.properties(cluster),
    )
