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


SLOW = {
    "apart",
    "candidates",
    "capacity",
    "changes",
    "failback_auto_subnets",
    "most_addresses",
    "quarantine",
    "quarantine_apart",
    "rebalance",
    "rebalance_failover",
}
"""Stories of many scenes or many servers, which `make test` tells."""
STORIES = [
    pytest.param(file, id=file.stem, marks=[pytest.mark.slow] if file.stem in SLOW else [])
    for file in told_in("scheduler")
]


@pytest.mark.parametrize("file", STORIES)
def test_story(file: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    told = file.read_text()
    story = player.read(told)
    happened = player.write(player.Player(Scheduler(tmp_path)).play(story))
    if request.config.getoption("--rewrite"):
        file.write_text(happened)
    else:
        assert happened == told
