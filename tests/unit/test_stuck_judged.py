"""When does the node daemon empty its node, and have it fenced? Pure: no cluster, no clock."""

from __future__ import annotations

import pytest

from vsctl.agents.noded import stuck
from vsctl.agents.noded.stuck import EMPTY, FENCE, NOTHING, PATIENCE, View

ONE, BOTH = frozenset({"vs1"}), frozenset({"vs1", "vs2"})
SAID = """<xpath-query>
  <lrm_rsc_op id="vs1-old-nfs_last_failure_0" operation_key="vs1-old-nfs_stop_0" operation="stop" rc-code="1"/>
  <lrm_rsc_op id="vs2-exp-root_last_failure_0" operation_key="vs2-exp-root_stop_0" operation="stop" rc-code="1"/>
</xpath-query>"""


@pytest.mark.parametrize(
    ("view", "now", "verdict"),
    [
        (View(frozenset(), BOTH, True), 99, NOTHING),
        (View(ONE, BOTH, False), 99, NOTHING),
        (View(ONE, BOTH, True), 0, EMPTY),
        (View(ONE, BOTH, True), PATIENCE, FENCE),
        (View(ONE, ONE, True), 0, FENCE),
        (View(BOTH, BOTH, True), 0, FENCE),
        (View(BOTH, BOTH, False), PATIENCE, NOTHING),
    ],
)
def test_the_others_leave_before_the_node_is_fenced(view: View, now: float, verdict: str) -> None:
    assert stuck.verdict(view, 0, now) == verdict


def test_it_knows_whose_stop_has_failed() -> None:
    assert stuck.servers(SAID, ["vs1", "vs1-old", "vs2", "vs3"]) == {"vs1-old", "vs2"}
    assert stuck.servers("", ["vs1"]) == frozenset()


@pytest.mark.parametrize(
    ("lost", "found"),
    [
        ({"san1": {"n1": "0", "n2": "1"}}, True),
        ({"san1": {"n1": "0", "n2": "0"}}, False),
        ({"san1": {"n1": "1"}}, False),
        ({"san1": {}}, False),
        ({}, True),
    ],
)
def test_fencing_has_to_gain_something(lost: dict[str, dict[str, str]], found: bool) -> None:
    assert stuck.elsewhere(lost, "n1", ["n1", "n2"]) is found


def test_a_single_node_goes_on() -> None:
    assert stuck.elsewhere({}, "n1", ["n1"]) is False
