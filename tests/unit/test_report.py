"""What `vsctl status` says of a server, by what Pacemaker says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.stories import cast
from vsctl.cli import report
from vsctl.cli.facts import Attribute, Facts
from vsctl.cli.placement import NodeState, Placement, Running
from vsctl.policy import naming
from vsctl.policy.hand import NO_HAND, Hand
from vsctl.policy.model import Cluster


def facts(cluster: Cluster, node: str, online: tuple[str, ...]) -> Facts:
    """Return what is so when everything runs on one node."""
    nodes = tuple(NodeState(each.name, each.name in online) for each in cluster.nodes)
    running = tuple(Running(each, (node,)) for each in naming.of_cluster(cluster))
    return Facts(Placement(nodes, running), nodes[0].name, True, True, (), (), (), (), ())


def test_where_nothing_fits_it_says_what_there_is_not_enough_of() -> None:
    lines = ["nodes: n1 n2", "hard: n1=4 n2=1", "vs1: priority=2 home=n1 cpu=3", "vs2: cpu=2"]
    cluster = cast.cluster(lines)
    all_on_n1 = facts(cluster, "n1", ("n1", "n2"))
    running = tuple(each for each in all_on_n1.placement.resources if not each.resource.startswith("vs2"))
    without_vs2 = replace(all_on_n1, placement=replace(all_on_n1.placement, resources=running))
    assert (
        "vs2 runs nowhere, since what nodes can carry is hard: n1 has not enough cpu left; "
        "n2 has not enough cpu left"
    ) in report.of(cluster, NO_HAND, without_vs2).servers[1].problems


@pytest.mark.parametrize(
    ("words", "online", "hand", "note"),
    [
        ("", ("n1", "n2"), NO_HAND.drain("n1"), "vs1 has yet to leave n1, which is drained"),
        ("", ("n1",), NO_HAND.drain("n1"), "vs1 stays on n1, which is drained: no other node can take it"),
        ("", ("n1", "n2"), NO_HAND.drain("n1").drain("n2"), "vs1 stays on n1, which is drained: no other node can take it"),
        ("pinned home=n1", ("n1", "n2"), NO_HAND.drain("n1"), "vs1 stays on n1, which is drained: it is pinned"),
    ],
)  # fmt: skip
def test_a_server_on_a_drained_node(words: str, online: tuple[str, ...], hand: Hand, note: str) -> None:
    cluster = cast.cluster(["nodes: n1 n2", f"vs1: {words}"])
    found = report.of(cluster, hand, facts(cluster, "n1", online)).servers[0]
    assert found.notes == (note,)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ((), ()),
        (("n1",), ("n1 has lost storage san1: see to it",)),
        (("n1", "n2"), ("no node reaches storage san1: see to it, nothing that is on it can move to a better place",)),
    ],
)  # fmt: skip
def test_lost_storage_is_said(lost: tuple[str, ...], said: tuple[str, ...]) -> None:
    cluster = cast.cluster(["nodes: n1 n2", "vs1: home=n1"])
    told = tuple(Attribute(node, "storage-san1", str(int(node not in lost))) for node in ("n1", "n2"))
    found = report.of(cluster, NO_HAND, replace(facts(cluster, "n1", ("n1", "n2")), attributes=told))
    assert found.problems == said
