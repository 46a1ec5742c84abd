"""What does the CIB remember for us that no constraint can say?

The cluster file, and what the operator did by hand. How the file becomes text
is the caller's business: here it is text already.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from vsctl.policy import balanced, port_order
from vsctl.policy.balanced import Balanced
from vsctl.policy.hand import NO_HAND, Hand
from vsctl.policy.resources import Pairs

PROPERTY_SET = "vsctl"
CLUSTER = "vsctl-cluster"
SERVER = "vsctl-server-"
MOVED = "vsctl-moved-"
DRAINED = "vsctl-drained-"
WHY = "vsctl-why-"
BALANCED = "vsctl-balanced"
MOVING = "vsctl-moving-"
REBALANCED = "vsctl-rebalanced-"


@dataclass(frozen=True)
class Stored:
    """`cluster` is everything of the cluster file but the servers, `servers` their names and texts."""

    cluster: str
    servers: tuple[tuple[str, str], ...]
    hand: Hand = NO_HAND
    load: Balanced = balanced.NOTHING


def pairs(stored: Stored) -> tuple[tuple[str, str], ...]:
    """Return names and values of the properties, in the order in which they are written."""
    return (
        (CLUSTER, stored.cluster),
        *((f"{SERVER}{name}", text) for name, text in stored.servers),
        *((f"{MOVED}{server}", node) for server, node in stored.hand.moves),
        *((f"{DRAINED}{node}", "1") for node in stored.hand.drained),
        *(((BALANCED, " ".join(stored.load.ranks)),) if stored.load.ranked else ()),
        *((f"{MOVING}{server}", node) for server, node in stored.load.moving),
        *((f"{REBALANCED}{server}", " ".join(map(str, times))) for server, times in stored.load.moved),
    )


def read(cib: etree._Element) -> Stored | None:
    """Return what a CIB remembers, None where vsctl has written nothing yet."""
    found = properties(cib)
    if CLUSTER not in found:
        return None
    moves, drained = _beginning(MOVED, found), _beginning(DRAINED, found)
    hand = Hand(tuple(sorted(moves.items())), tuple(sorted(drained)))
    return Stored(found[CLUSTER], tuple(_beginning(SERVER, found).items()), hand, load(cib))


def load(cib: etree._Element) -> Balanced:
    """Return what evening out the load of the nodes has decided, and what it is doing."""
    found, orders = properties(cib), preferences(cib)
    moving, moved = _beginning(MOVING, found), _beginning(REBALANCED, found)
    return Balanced(
        ranked=tuple((name, orders[name]) for name in found.get(BALANCED, "").split() if name in orders),
        moving=tuple(sorted(moving.items())),
        moved=tuple(sorted((name, tuple(map(int, times.split()))) for name, times in moved.items())),
    )


def reasons(cib: etree._Element) -> dict[str, str]:
    """Return why each of our objects is there, by id."""
    return _beginning(WHY, properties(cib))


def placed(cib: etree._Element) -> dict[str, str]:
    """Return where each server belongs by the preferences in the CIB."""
    return {server: nodes[0] for server, nodes in preferences(cib).items()}


def preferences(cib: etree._Element) -> dict[str, tuple[str, ...]]:
    """Return the nodes that each server likes, the best first."""
    found: dict[str, list[tuple[int, str]]] = {}
    for each in cib.iterfind("configuration/constraints/rsc_location[@node]"):
        if each.get("id", "").startswith("vsctl-prefer-"):
            liked = (-int(each.get("score", "0")), each.get("node", ""))
            found.setdefault(each.get("rsc", ""), []).append(liked)
    # Equal scores stay in the order in which they stand.
    return {server: tuple(node for _, node in sorted(liked, key=_score)) for server, liked in found.items()}


def _score(liked: tuple[int, str]) -> int:
    return liked[0]


def port_orders(cib: etree._Element) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the ports of every node, best first, of each announcer in the CIB, by its id."""
    return {
        each.get("id", ""): port_order.read(pair.get("value", ""))
        for each in cib.iterfind("configuration/resources/primitive[@provider='vsctl'][@type='vip']")
        for pair in each.iterfind("instance_attributes/nvpair[@name='ports']")
    }


def promotable(cib: etree._Element) -> frozenset[str]:
    """Return the ids of clones whose instances are promoted."""
    return frozenset(
        clone.get("id", "")
        for clone in cib.iterfind("configuration/resources/clone")
        for each in clone.iterfind("meta_attributes/nvpair[@name='promotable']")
        if each.get("value", "").lower() in ("true", "yes", "on", "1", "y")
    ) | frozenset(each.get("id", "") for each in cib.iterfind("configuration/resources/master"))


def fence_options(cib: etree._Element) -> dict[str, Pairs]:
    """Return what each fencing device is told, by its id.

    They are the only place for it: a password is masked there, by its name, in whatever reports on the cluster.
    """
    return {
        each.get("id", ""): tuple(
            (pair.get("name", ""), pair.get("value", ""))
            for pair in each.iterfind("instance_attributes/nvpair")
        )
        for each in cib.iterfind("configuration/resources//primitive[@class='stonith']")
    }


def properties(cib: etree._Element) -> dict[str, str]:
    path = f"configuration/crm_config/cluster_property_set[@id='{PROPERTY_SET}']/nvpair"
    return {each.get("name", ""): each.get("value", "") for each in cib.iterfind(path)}


def _beginning(prefix: str, found: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
