"""Every story in this folder, told by the real scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import player
from tests.stories.scheduler import Scheduler

STORIES = sorted(Path(__file__).parent.glob("*.story"))


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_story(file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    told = file.read_text()
    story = player.read(told)
    happened = player.write(player.Player(Scheduler(tmp_path)).play(story))
    if request.config.getoption("--rewrite"):
        file.write_text(happened)
    else:
        assert happened == told
