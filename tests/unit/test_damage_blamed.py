"""When is storage blamed for what a filesystem says of itself? With the daemon's state in a file."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from vsctl.agents import damage, resident
from vsctl.agents.allowance import Allowance
from vsctl.agents.damage import LATELY


@pytest.mark.parametrize(
    ("works", "good", "since", "lost", "blamed"),
    [
        (True, True, -2 * LATELY, [], False),
        (False, False, -2 * LATELY, [-2 * LATELY], True),
        (True, True, -LATELY / 2, [-LATELY / 2 - 1], True),
        (True, True, -2 * LATELY, [-2 * LATELY - 1], False),
        (True, False, -5.0, [-2 * LATELY], True),
        (True, False, -2 * LATELY, [], False),
        (True, False, -5.0, [], False),
        (None, None, 0.0, [], False),
    ],
    ids=[
        "never lost",
        "lost",
        "lost lately",
        "lost long ago",
        "lost long ago and just back",
        "held back",
        "held back since a moment ago",
        "not known",
    ],
)
def test_a_unit_is_blamed_while_it_is_lost_and_for_a_while_after(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    works: bool | None,
    good: bool | None,
    since: float,
    lost: list[float],
    blamed: bool,
) -> None:
    """A unit is held back for what it did before a boot, which no filesystem mounted since has seen."""
    moment, device = time.monotonic(), tmp_path / "device"
    unit = {
        "works": works,
        "good": good,
        "since": moment + since,
        "losses": [moment + each for each in lost],
        "devices": [str(device)],
    }
    state = tmp_path / "state"
    state.write_text(json.dumps({"storage": {"san1": unit}}))
    monkeypatch.setattr(resident, "STATE", str(state))
    why = damage.report("vs1", "data", str(device), "it is sick", Allowance(20))
    assert ("san1 was lost here lately" in why) is blamed
