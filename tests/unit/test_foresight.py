"""What is foreseen is what happens when the scheduler's decisions are acted out."""

from __future__ import annotations

import pytest

from tests.stories import cast
from vsctl.cli import configuration, faults, foresight, scheduler
from vsctl.cli.faults import Rehearsal
from vsctl.policy import naming

LINES = [
    "nodes: n1 n2 n3",
    "vs1: priority=10 home=n1 subnets=lan-a,lan-b storage=san1",
    "vs2: storage=san2 filesystems=root,data nfs=data smb=root",
    "vs3: pinned home=n3 on_subnet_loss=move apart=vs2",
]


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
def test_everything_lands_where_it_does_when_it_is_acted_out(fails: list[str]) -> None:
    cluster = cast.cluster(LINES)
    foreseen = Rehearsal(cluster, foresight.settle(configuration.fresh(cluster)), settle=foresight.settle)
    acted = Rehearsal(cluster, scheduler.settle(configuration.fresh(cluster)))
    for each in ["", *fails]:
        if each:
            foreseen, _ = foreseen.fail(faults.parse(each, cluster))
            acted, _ = acted.fail(faults.parse(each, cluster))
        for resource in naming.of_cluster(cluster):
            assert foreseen.now.after.node_of(resource) == acted.now.after.node_of(resource), resource
        assert foreseen.routes() == acted.routes()


def test_a_settled_cluster_has_nothing_left_to_do() -> None:
    cluster = cast.cluster(LINES)
    settled = foresight.settle(configuration.fresh(cluster))
    assert foresight.settle(settled.cib).actions == ()
    assert all(settled.after.node_of(naming.net(each.name)) for each in cluster.servers)
