"""What the scheduler is asked, and when it has answered."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from tests.stories import cast
from tests.stories.scheduler import Scheduler
from vsctl.cli import scheduler
from vsctl.policy.hand import NO_HAND


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
