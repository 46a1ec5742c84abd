"""What is foreseen is what happens when the scheduler's decisions are acted out, as the stories do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from tests.stories import cast
from tests.stories.scheduler import Scheduler
from vsctl.cli import changes, configuration, faults, scheduler
from vsctl.cli.faults import Rehearsal
from vsctl.cli.scheduler import Outcome
from vsctl.policy import naming
from vsctl.policy.balanced import Balanced
from vsctl.policy.hand import NO_HAND

LINES = [
    "nodes: n1 n2 n3",
    "vs1: priority=10 home=n1 subnets=lan-a,lan-b storage=san1",
    "vs2: storage=san2 filesystems=root,data nfs=data smb=root",
    "vs3: pinned home=n3 on_subnet_loss=move apart=vs2",
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "fails",
    [
        ["node:n1"],
        ["node:n3", "subnet:n1/lan-b"],
        ["subnet:n1/lan-a", "node:n2"],
        ["storage:n1/san1", "subnet:n3/lan-a", "node:n1"],
    ],
    ids=" ".join,
)
def test_everything_lands_where_it_does_when_it_is_acted_out(tmp_path: Path, fails: list[str]) -> None:
    cluster = cast.cluster(LINES)
    foreseen = Rehearsal(cluster, scheduler.settle(configuration.fresh(cluster)))
    acted = Scheduler(tmp_path)
    acted.apply(cluster, NO_HAND)
    _all(acted)
    for each in ["", *fails]:
        if each:
            fault = faults.parse(each, cluster)
            foreseen, _ = foreseen.fail(fault)
            if fault.kind == "node":
                acted.fail_node(fault.where)
            else:
                acted.lose(fault.kind, fault.where, fault.part)
            _all(acted)
        for resource in naming.of_cluster(cluster):
            if "daemon" not in resource:
                assert foreseen.now.after.node_of(resource) == acted.where.get(resource), resource


def _all(world: Scheduler) -> None:
    while world.settle().done:
        pass


def test_a_settled_cluster_has_nothing_left_to_do() -> None:
    cluster = cast.cluster(LINES)
    settled = scheduler.settle(configuration.fresh(cluster))
    assert scheduler.settle(settled.cib).actions == ()
    assert all(settled.after.node_of(naming.net(each.name)) for each in cluster.servers)


@pytest.mark.parametrize(
    ("parameter", "restarts", "reloads"),
    [("device", ("vs2-fs-root",), ()), ("exports", (), ("vs2-exp-data",))],
)
def test_what_restarts_and_what_only_reloads_is_told_apart(
    parameter: str, restarts: tuple[str, ...], reloads: tuple[str, ...]
) -> None:
    cluster = cast.cluster(LINES)
    cib = scheduler.settle(configuration.fresh(cluster)).cib
    changed = etree.fromstring(cib)
    for resource in (*restarts, *reloads):
        given = changed.find(f"configuration//primitive[@id='{resource}']//nvpair[@name='{parameter}']")
        assert given is not None
        given.set("value", given.get("value", "") + "x")
    found = changes.between(cib, etree.tostring(changed), cluster, cluster)
    assert (found.restarts[: len(restarts)], found.reloads, found.moves) == (restarts, reloads, ())


def test_the_removal_of_a_running_resource_comes_to_an_end(tmp_path: Path) -> None:
    nodes = "nodes: n1 n2"
    world = Scheduler(tmp_path)
    world.apply(cast.cluster([nodes, "vs1: smb=root"]), NO_HAND)
    world.settle()
    world.apply(cast.cluster([nodes, "vs1: "]), NO_HAND)
    outcome = scheduler.settle(etree.tostring(world.cib))
    assert "vs1-smb" in {each.resource for each in outcome.actions if each.operation == "stop"}
    assert outcome.after.node_of("vs1-smb") is None
    assert outcome.after.node_of("vs1-nfs") is not None


def test_whoever_is_being_moved_does_not_leave_for_a_lost_subnet_and_sticks_again_afterwards(
    tmp_path: Path,
) -> None:
    cluster = cast.cluster(["nodes: n1 n2 n3", "vs1: subnets=lan-a,lan-b"])
    world = Scheduler(tmp_path)
    world.apply(cluster, NO_HAND)
    _all(world)
    world.begin(Balanced(ranked=(("vs1", ("n2", "n3", "n1")),), moving=(("vs1", "n2"),)))
    _all(world)
    assert world.where["vs1-net"] == "n2"
    world.lose("subnet", "n2", "lan-a")
    _all(world)
    assert world.where["vs1-net"] == "n2"
    assert world.where["vs1-vip-lan-a"] != "n2"
    world.apply(cluster, NO_HAND)
    _all(world)
    assert world.where["vs1-net"] == "n2"


def test_what_hangs_on_a_part_that_cannot_start_stops_and_does_not_start() -> None:
    cib = etree.fromstring(configuration.fresh(cast.cluster(["nodes: n1 n2", "vs1: "])))
    resources, constraints = cib.find("configuration/resources"), cib.find("configuration/constraints")
    assert resources is not None and constraints is not None
    for name in ("first", "second", "third"):
        etree.SubElement(
            resources, "primitive", {"id": name, "provider": "pacemaker", "type": "Dummy", "class": "ocf"}
        )
    for name, node in (("first", "n1"), ("first", "n2"), ("third", "n1"), ("third", "n2")):
        _forbid(constraints, name, node)
    cib = etree.fromstring(scheduler.settle(etree.tostring(cib)).cib)
    constraints = cib.find("configuration/constraints")
    assert constraints is not None
    for each in constraints.findall("rsc_location[@rsc='third']"):
        constraints.remove(each)
    for name in ("second", "third"):
        etree.SubElement(constraints, "rsc_order", {"id": f"before-{name}", "first": "first", "then": name})
    actions = scheduler.decide(etree.tostring(cib)).actions
    assert [(each.operation, each.resource) for each in actions] == [("stop", "second")]
    assert scheduler.settle(etree.tostring(cib)).after.node_of("second") is None


def test_a_server_follows_the_promotion_of_what_its_filesystem_is_on() -> None:
    start = _on_drbd()
    assert (start.after.node_of("vs1-net"), start.after.node_of("vs1-gate")) == ("n2", "n2")
    assert scheduler.settle(start.cib).actions == (), "a promotion that was decided has been carried out"
    then = scheduler.settle(start.cib, events=("--node-fail", "n2"))
    assert (then.after.node_of("vs1-net"), then.after.node_of("vs1-gate")) == ("n3", "n3")
    assert scheduler.settle(then.cib).actions == ()


def test_a_server_whose_promoted_instance_goes_elsewhere_goes_with_it() -> None:
    start = _on_drbd()
    other = etree.fromstring(start.cib)
    for score in other.iterfind("configuration/constraints/rsc_location/rule[@id='promote-drbd-n2.rule']"):
        score.set("score", "-INFINITY")
    then = scheduler.settle(etree.tostring(other))
    assert then.after.node_of("vs1-net") == "n3"
    assert scheduler.settle(then.cib).actions == ()


def _on_drbd() -> Outcome:
    """Return what becomes of vs1 on a device that another resource promotes, on n2 before n3."""
    cluster = cast.cluster(["nodes: n1 n2 n3", "vs1: after=drbd-clone"])
    bare = replace(cluster, servers=())
    existing = etree.fromstring(configuration.fresh(bare))
    _promotable(existing, "drbd", {"n2": 100, "n3": 50})
    applied = configuration.Applied(etree.tostring(existing), bare, NO_HAND)
    return scheduler.settle(configuration.with_(applied, cluster, NO_HAND).cib)


def _promotable(cib: etree._Element, name: str, scores: Mapping[str, int]) -> None:
    """Add a promotable clone of somebody else's, one instance of which is promoted, best where the score is highest."""
    resources, constraints = cib.find("configuration/resources"), cib.find("configuration/constraints")
    assert resources is not None and constraints is not None
    clone = etree.SubElement(resources, "clone", id=f"{name}-clone")
    meta = etree.SubElement(clone, "meta_attributes", id=f"{name}-clone-m")
    etree.SubElement(meta, "nvpair", id=f"{name}-clone-p", name="promotable", value="true")
    etree.SubElement(
        clone, "primitive", {"id": name, "provider": "pacemaker", "type": "Stateful", "class": "ocf"}
    )
    for node, score in scores.items():
        id = f"promote-{name}-{node}"
        location = etree.SubElement(constraints, "rsc_location", id=id, rsc=f"{name}-clone")
        rule = etree.SubElement(location, "rule", id=f"{id}.rule", score=str(score), role="Promoted")
        etree.SubElement(rule, "expression", id=f"{id}.1", attribute="#uname", operation="eq", value=node)


def _forbid(constraints: etree._Element, resource: str, node: str) -> None:
    id = f"no-{resource}-{node}"
    etree.SubElement(
        constraints, "rsc_location", {"id": id, "rsc": resource, "node": node, "score": "-INFINITY"}
    )
