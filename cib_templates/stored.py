"""What does the CIB remember for us that no constraint can say?

The cluster file, and what the operator did by hand. How the file becomes text
is the caller's business: here it is text already.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from lxml import etree

from vsctl.policy import balanced, naming, port_order
from vsctl.policy.balanced import Balanced
from vsctl.policy.constraints import identity
from vsctl.policy.hand import NO_HAND, Hand
from vsctl.policy.quarantine import Quarantine, Quarantines, Stage
from vsctl.policy.resources import Pairs

PROPERTY_SET = "vsctl"
CLUSTER = "vsctl-cluster"
SERVER = "vsctl-server-"
MOVED = "vsctl-moved-"
DRAINED = "vsctl-drained-"
QUARANTINED = "vsctl-quarantined-"
WHY = "vsctl-why-"
BALANCED = "vsctl-balanced"
MOVING = "vsctl-moving"
REBALANCED = "vsctl-rebalanced"
NOBODY = "-"
NOT_RUNNING = "7"
"""What a monitor that finds nothing leaves in the history."""


@dataclass(frozen=True)
class Stored:
    """`cluster` is everything of the cluster file but the servers, `servers` their names and texts."""

    cluster: str
    servers: tuple[tuple[str, str], ...]
    hand: Hand = NO_HAND
    quarantines: Quarantines = ()
    load: Balanced = balanced.NOTHING


def pairs(stored: Stored) -> tuple[tuple[str, str], ...]:
    """Return names and values of the properties, in the order in which they are written."""
    return (
        (CLUSTER, stored.cluster),
        *((f"{SERVER}{name}", text) for name, text in stored.servers),
        *((f"{MOVED}{server}", node) for server, node in stored.hand.moves),
        *((f"{DRAINED}{node}", "1") for node in stored.hand.drained),
        *((f"{QUARANTINED}{each.server}.{each.filesystem}", each.record) for each in stored.quarantines),
        *_of_load(stored.load),
    )


def _of_load(load: Balanced) -> tuple[tuple[str, str], ...]:
    """Return what there is since the load was first evened out: nothing of it goes, it only says NOBODY.

    For what goes makes a change of the CIB dear (`docs/decisions/0055-what-is-said-to-the-cib.md`).
    """
    if load == balanced.NOTHING:
        return ()
    moving = (f"{server}={node}" for server, node in load.moving)
    moved = (f"{server}={','.join(map(str, times))}" for server, times in load.moved)
    return (
        (BALANCED, " ".join(load.ranks) or NOBODY),
        (MOVING, " ".join(moving) or NOBODY),
        (REBALANCED, " ".join(moved) or NOBODY),
    )


def read(cib: etree._Element) -> Stored | None:
    """Return what a CIB remembers, None where vsctl has written nothing yet."""
    found = properties(cib)
    if CLUSTER not in found:
        return None
    moves, drained = _beginning(MOVED, found), _beginning(DRAINED, found)
    hand = Hand(tuple(sorted(moves.items())), tuple(sorted(drained)))
    return Stored(found[CLUSTER], tuple(_beginning(SERVER, found).items()), hand, quarantines(cib), load(cib))


def quarantines(cib: etree._Element) -> Quarantines:
    """Return what is known of filesystems that were found damaged; what cannot be read needs a person."""
    found = []
    for name, record in sorted(_beginning(QUARANTINED, properties(cib)).items()):
        server, _, filesystem = name.partition(".")
        try:
            stage = Stage(json.loads(record)["stage"])
        except (ValueError, KeyError, TypeError):
            stage = Stage.PERSON
        found.append(Quarantine(server, filesystem, stage, record))
    return tuple(found)


def load(cib: etree._Element) -> Balanced:
    """Return what evening out the load of the nodes has decided, and what it is doing."""
    found, orders = properties(cib), preferences(cib)
    moving, moved = _named(found.get(MOVING, "")), _named(found.get(REBALANCED, ""))
    return Balanced(
        ranked=tuple((name, orders[name]) for name in found.get(BALANCED, "").split() if name in orders),
        moving=tuple(sorted(moving.items())),
        moved=tuple(sorted((name, tuple(map(int, times.split(",")))) for name, times in moved.items())),
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


def running(cib: etree._Element) -> dict[str, tuple[str, ...]]:
    """Return the nodes on which each server's namespace may be, as their histories do not end with its being stopped.

    Whether a node is there does not count: where Pacemaker was stopped in
    maintenance mode servers run on, and of a node that was fenced no history is left.
    """
    found: dict[str, list[str]] = {}
    for state in cib.iterfind("status/node_state"):
        for net in state.iterfind("lrm/lrm_resources/lrm_resource[@provider='vsctl'][@type='net']"):
            last = net.find(f"lrm_rsc_op[@id='{net.get('id')}_last_0']")
            if last is not None and not _stopped(last):
                found.setdefault(str(net.get("id")).removesuffix(naming.net("")), []).append(
                    state.get("uname", "")
                )
    return {server: tuple(nodes) for server, nodes in found.items()}


def _stopped(last: etree._Element) -> bool:
    return last.get("rc-code") == NOT_RUNNING or (last.get("operation"), last.get("rc-code")) == ("stop", "0")


def candidates(cib: etree._Element) -> dict[str, tuple[str, ...]]:
    """Return the nodes to which each server is kept that does not have all it could run on, in their order."""
    ids = {identity("candidates", server): server for server in preferences(cib)}
    return {
        ids[each.get("id", "")]: tuple(it.get("value", "") for it in each.iterfind("rule/expression"))
        for each in cib.iterfind("configuration/constraints/rsc_location[@resource-discovery='exclusive']")
        if each.get("id") in ids
    }


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


def _named(text: str) -> dict[str, str]:
    """Return what a text says of each server: vs1=n2 vs3=n1."""
    words = (each.partition("=") for each in text.split())
    return {server: said for server, equals, said in words if equals}


def _beginning(prefix: str, found: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
