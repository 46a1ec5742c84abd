"""Where fencing devices run, by the real scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import cast
from tests.stories.scheduler import Scheduler
from vsctl.policy.hand import NO_HAND


@pytest.mark.parametrize("hard", [[], ["hard: n1=4 n2=4 n3=4"]])
def test_no_device_moves_because_a_node_comes_back(hard: list[str], tmp_path: Path) -> None:
    """It would be stopped meanwhile."""
    servers = [f"vs{number}: priority={40 - number} home=n{number} cpu=3" for number in (1, 2, 3)]
    world = Scheduler(tmp_path)
    world.apply(cast.cluster(["nodes: n1 n2 n3", *hard, *servers]), NO_HAND)
    world.settle()
    world.fail_node("n1")
    world.settle()
    for _ in ("the node comes back", "the servers that waited for it run"):
        world.return_node("n1")
        done = world.settle().done
        assert [each for each in done if each[0] in ("fence-n2", "fence-n3")] == []
