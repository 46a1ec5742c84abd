"""What is configured, and what would the CIB be with something else?

The bridge between a store and the policy: reads the cluster and the
operator's hand out of a CIB, and puts others in.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from lxml import etree

from vsctl.cib_templates import stored
from vsctl.cli import serial
from vsctl.cli.nearest import listed, nearest
from vsctl.cli.programs import Refused, run
from vsctl.cli.store import Store
from vsctl.policy import balanced, candidates, fencing, naming, port_order, quarantine
from vsctl.policy.balanced import Balanced
from vsctl.policy.hand import NO_HAND, Hand
from vsctl.policy.model import Cluster
from vsctl.policy.quarantine import Quarantine, Quarantines


@dataclass(frozen=True)
class Applied:
    """A CIB and what vsctl once wrote into it. `cluster` is None where it never did."""

    cib: bytes
    cluster: Cluster | None
    hand: Hand
    quarantines: Quarantines = ()

    @property
    def resources(self) -> frozenset[str]:
        """Return the ids of the resources in the CIB that are ours."""
        return frozenset(naming.of_cluster(self.cluster)) if self.cluster else frozenset()

    @property
    def seen(self) -> Cluster | None:
        """The cluster as Pacemaker sees it: each server allowed only where it is looked for."""
        if self.cluster is None or self.cluster.policy.candidates is None:
            return self.cluster
        return candidates.narrowed(self.cluster, stored.candidates(etree.fromstring(self.cib)))

    @property
    def of_servers(self) -> tuple[str, ...]:
        """Return the ids of our resources that belong to servers."""
        if self.cluster is None:
            return ()
        return naming.of_cluster(replace(self.cluster, fencing=()))


@dataclass(frozen=True)
class Next:
    """The CIB that a cluster and a hand ask for, and what of others' it leaves or replaces.

    `absent` are nodes whose limits it cannot hold, since it does not have them yet.
    """

    cib: bytes
    foreign: tuple[str, ...]
    overruled: tuple[str, ...]
    absent: tuple[str, ...]


def read(store: Store) -> Applied:
    """Return what is configured."""
    cib = store.read()
    tree = etree.fromstring(cib)
    found = stored.read(tree)
    if found is None:
        return Applied(cib, None, NO_HAND)
    texts = {serial.CLUSTER: found.cluster} | {f"{serial.SERVER}{name}": text for name, text in found.servers}
    try:
        cluster = serial.from_json({name: json.loads(text) for name, text in texts.items()})
    except ValueError as problem:
        raise Refused(
            f"what vsctl stored in the CIB cannot be read ({problem}); apply the cluster file again with this version"
        ) from None
    cluster = fencing.with_options(cluster, stored.fence_options(tree))
    return Applied(cib, cluster, found.hand, quarantine.within(found.quarantines, cluster))


def needed(store: Store) -> tuple[Applied, Cluster]:
    """Return what is configured, and refuse if that is nothing of ours."""
    applied = read(store)
    if applied.cluster is None:
        raise Refused(
            "vsctl has not configured this cluster: write a cluster file and run `vsctl apply FILE`"
        )
    return applied, applied.cluster


def server(cluster: Cluster, name: str) -> str:
    return known(name, (each.name for each in cluster.servers), "virtual server")


def node(cluster: Cluster, name: str) -> str:
    return known(name, (each.name for each in cluster.nodes), "node")


def with_(
    applied: Applied,
    cluster: Cluster,
    hand: Hand,
    first: Mapping[str, Mapping[str, str]] | None = None,
    quarantines: Quarantines | None = None,
    load: Balanced | None = None,
) -> Next:
    """Return the CIB that has this cluster and this hand instead of those applied.

    `first` names ports that announcers, by id, shall use first on some nodes;
    without `quarantines` those that are there stay as they are. `load` takes
    the place of what evening out the load has decided; left out, that is kept,
    and whatever was on its way stays where it is.
    Raises Refused if a resource of somebody else has a name that ours needs.
    """
    # Templates are dear to import, and most commands only read.
    from vsctl.cib_templates.merge import merge

    existing = etree.fromstring(applied.cib)
    _refuse_taken_names(existing, applied, cluster)
    orders = port_order.kept(applied.cluster, cluster, stored.port_orders(existing))
    load = (stored.load(existing).settled if load is None else load).within(cluster)
    ours = rendered(cluster, hand, existing, port_order.put_first(orders, first or {}), quarantines, load)
    merged = merge(ours, existing, applied.resources)
    return Next(etree.tostring(merged.cib), merged.foreign, merged.overruled, merged.absent)


def rendered(
    cluster: Cluster,
    hand: Hand,
    existing: etree._Element,
    orders: port_order.Orders | None = None,
    quarantines: Quarantines | None = None,
    load: Balanced = balanced.NOTHING,
) -> etree._Element:
    """Return what is ours of the CIB, and nothing else, as it follows from what exists."""
    from vsctl.cib_templates.render import render
    from vsctl.policy.rules import configuration

    there = stored.quarantines(existing) if quarantines is None else quarantines
    quarantines = quarantine.within(there, cluster)
    ours = configuration(
        cluster,
        hand,
        placed=stored.placed(existing),
        promotable=stored.promotable(existing),
        orders=orders,
        quarantines=quarantines,
        load=load,
        running=stored.running(existing),
    )
    return render(ours, _remembered(cluster, hand, quarantines, load))


def with_hand(applied: Applied, hand: Hand) -> Next:
    """Return the CIB in which only the operator's hand is another one."""
    return _with_ours(applied, hand, {})


def with_quarantine(applied: Applied, wanted: Quarantine) -> Next:
    """Return the CIB in which only one filesystem's quarantine is another one."""
    others = (
        each
        for each in applied.quarantines
        if (each.server, each.filesystem) != (wanted.server, wanted.filesystem)
    )
    return _with_ours(
        applied, applied.hand, {}, tuple(sorted((*others, wanted), key=lambda it: (it.server, it.filesystem)))
    )


def with_ports(applied: Applied, first: Mapping[str, Mapping[str, str]]) -> Next:
    """Return the CIB in which only some announcers use other ports of some nodes first."""
    return _with_ours(applied, applied.hand, first)


def with_load(applied: Applied, load: Balanced) -> Next:
    """Return the CIB in which only evening out the load has come to something else."""
    return _with_ours(applied, applied.hand, {}, load=load)


def _with_ours(
    applied: Applied,
    hand: Hand,
    first: Mapping[str, Mapping[str, str]],
    quarantines: Quarantines | None = None,
    load: Balanced | None = None,
) -> Next:
    if applied.cluster is None:
        raise ValueError("nothing is applied")
    there = stored.fence_options(etree.fromstring(applied.cib))
    gone = [each for each in naming.of_fences(applied.cluster) if each not in there]
    if gone:
        raise Refused(
            f"{', '.join(gone)} is no longer in the cluster, and only the cluster file knows how it fences: "
            "run `vsctl apply FILE` first"
        )
    return with_(applied, applied.cluster, hand, first, quarantines, load)


def retiring(applied: Applied, resources: Collection[str]) -> bytes:
    """Return the CIB in which resources that will be removed stop first, in their usual order.

    Removed at once they would all stop at the same time, a filesystem under its server.
    """
    cib = etree.fromstring(applied.cib)
    for resource in cib.iterfind("configuration/resources//*[@id]"):
        id = resource.get("id", "")
        if id not in resources:
            continue
        meta = resource.find("meta_attributes")
        if meta is None:
            meta = etree.Element("meta_attributes", {"id": f"vsctl-meta-{id}"})
            resource.insert(0, meta)
        for old in meta.findall("nvpair[@name='target-role']"):
            meta.remove(old)
        pair = {"id": f"vsctl-retired-{id}", "name": "target-role", "value": "Stopped"}
        etree.SubElement(meta, "nvpair", pair)
    return etree.tostring(cib)


def empty() -> Applied:
    """Return a CIB of this machine's Pacemaker with nothing in it."""
    return Applied(run("cibadmin", "--empty"), None, NO_HAND)


def fresh(cluster: Cluster) -> bytes:
    """Return the CIB of a cluster of this file in which every node is up and nothing has started yet."""
    cib = etree.fromstring(empty().cib)
    cib.set("have-quorum", "1")
    cib.set("dc-uuid", "1")
    nodes, status = cib.find("configuration/nodes"), cib.find("status")
    assert nodes is not None and status is not None
    for number, node in enumerate(cluster.nodes, 1):
        etree.SubElement(nodes, "node", id=str(number), uname=node.name)
        state = {"id": str(number), "uname": node.name, "in_ccm": "true", "crmd": "online", "join": "member"}
        etree.SubElement(status, "node_state", {**state, "expected": "member"})
    bare = Applied(etree.tostring(cib), None, NO_HAND)
    return with_(bare, cluster, NO_HAND).cib


def _remembered(cluster: Cluster, hand: Hand, quarantines: Quarantines, load: Balanced) -> stored.Stored:
    texts = {
        name: json.dumps(value, separators=(",", ":"))
        for name, value in serial.to_json(fencing.with_options(cluster, {})).items()
    }
    return stored.Stored(
        texts[serial.CLUSTER],
        tuple((each.name, texts[f"{serial.SERVER}{each.name}"]) for each in cluster.servers),
        hand.within(cluster),
        quarantines,
        load,
    )


def _refuse_taken_names(existing: etree._Element, applied: Applied, cluster: Cluster) -> None:
    there = {each.get("id", "") for each in existing.iterfind("configuration/resources//*[@id]")}
    taken = sorted((set(naming.of_cluster(cluster)) - applied.resources) & there)
    if taken:
        raise Refused(
            f"the cluster already has {', '.join(taken)}, which vsctl did not make: rename or remove "
            f"{'it' if len(taken) == 1 else 'them'}, or rename the virtual server"
        )


def known(name: str, names: Iterable[str], kind: str) -> str:
    """Return a name that is among others, or raise Refused with the nearest one or all of them."""
    among = tuple(names)
    if name in among:
        return name
    near = nearest(name, among)
    others = (
        f"there {'is' if len(among) == 1 else 'are'} {listed(among, 'and')}"
        if among
        else "there is none at all"
    )
    raise Refused(f"there is no {kind} {name}: {f'did you mean {near}?' if near else others}")
