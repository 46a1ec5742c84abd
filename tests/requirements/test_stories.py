"""The stories that are true of a real cluster, told by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.stage import Stage
from tests.stories import player
from tests.stories.lab_world import LabWorld
from tests.stories.test_stories import told_in

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


STORIES = [
    *(pytest.param(file, id=file.stem) for file in told_in("lab")),
    *(pytest.param(file, id=file.stem, marks=pytest.mark.full) for file in told_in("full lab")),
]


@pytest.mark.parametrize("file", STORIES)
def test_story(file: Path, bare: Stage) -> None:
    bare.clear()
    told = file.read_text()
    world = LabWorld(bare)
    try:
        happened = player.write(player.Player(world).play(player.read(told)))
    finally:
        world.leave()
    assert happened == told
