"""Every story in this folder, told by the real scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import player
from tests.stories.scheduler import Scheduler

FOLDER = Path(__file__).parent


def told_in(world: str) -> list[Path]:
    """Return the stories that are true in a world."""
    return [file for file in sorted(FOLDER.glob("*.story")) if world in player.read(file.read_text()).worlds]


@pytest.mark.parametrize("file", told_in("scheduler"), ids=lambda file: file.stem)
def test_story(file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    told = file.read_text()
    story = player.read(told)
    happened = player.write(player.Player(Scheduler(tmp_path)).play(story))
    if request.config.getoption("--rewrite"):
        file.write_text(happened)
    else:
        assert happened == told
