"""R11 again and again: whatever the moment, nothing that was acknowledged is lost, and nothing runs twice."""

from __future__ import annotations

import pytest

from tests.lab.stage import Stage
from tests.requirements import storage
from tests.requirements.storage import EXPORTS, LOST, OTHERS, gaps, lose, of, working

pytestmark = [pytest.mark.lab, pytest.mark.full, pytest.mark.timeout(600)]

TRIALS = 10


@pytest.mark.parametrize("how", ["eio", "hang"])
@pytest.mark.parametrize("trial", range(TRIALS))
def test_a_lost_unit_costs_nobody_a_synced_write(bare: Stage, trial: int, how: str) -> None:
    four = storage.prepare(bare)
    lab = four.lab
    with working(four) as everyone:
        began = lose(lab, how, "n1")
        if how == "hang":
            lab.wait_until_fenced("n1", 120)
        for name in LOST:
            lab.wait(lambda it=name: lab.where(f"{it}-gate") not in (None, "n1"), f"{name} has left n1", 90)
        for each in of(everyone, LOST).values():
            each.wait_for_progress(since=began + 3.0, limit=120)
        four.settle()
        for each in everyone.values():
            each.wait_for_progress()
    waited = gaps(everyone, began)
    for name, each in everyone.items():
        assert each.missing() == [], name
        assert name in of(everyone, LOST) or not each.report().errors, name
    assert max(waited[name] for name in of(everyone, ["vs4"])) < 3
    if how == "eio":
        assert {name: four.node_of(name) for name in OTHERS} == {"vs2": "n1", "vs4": "n2"}
    lab.check()
    lab.heal()
    four.settle()
    for name in EXPORTS:
        lab.wait(lambda it=name: four.serving(it), f"{name} serves", 90)
