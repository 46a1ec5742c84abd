"""When does the node daemon empty its node, and have it fenced? Pure: no cluster, no clock."""

from __future__ import annotations

import pytest

from vsctl.agents.noded import stuck
from vsctl.agents.noded.leaving import Guest
from vsctl.agents.noded.stuck import EMPTY, FENCE, NOTHING, PATIENCE, View

NONE, ONE, BOTH = frozenset[str](), frozenset({"vs1"}), frozenset({"vs1", "vs2"})
NODES = ("n1", "n2", "n3")
GUESTS = {
    "vs1": Guest(("lan-a",), NODES, units=("san1",)),
    "vs2": Guest(("lan-a",), ("n1", "n2"), units=("san1", "san2")),
}
SAID = """<xpath-query>
  <lrm_rsc_op id="vs1-old-nfs_last_failure_0" operation_key="vs1-old-nfs_stop_0" operation="stop" rc-code="1"/>
  <lrm_rsc_op id="vs2-exp-root_last_failure_0" operation_key="vs2-exp-root_stop_0" operation="stop" rc-code="1"/>
</xpath-query>"""


@pytest.mark.parametrize(
    ("view", "now", "may_end", "verdict"),
    [
        (View(NONE, BOTH, NONE), 99, True, NOTHING),
        (View(ONE, BOTH, NONE), 99, True, NOTHING),
        (View(ONE, BOTH, ONE), 99, False, NOTHING),
        (View(ONE, BOTH, ONE), 0, True, EMPTY),
        (View(ONE, BOTH, ONE), PATIENCE, True, FENCE),
        (View(ONE, ONE, ONE), 0, True, FENCE),
        (View(BOTH, BOTH, ONE), 0, True, FENCE),
    ],
)
def test_the_others_leave_before_the_node_is_fenced(
    view: View, now: float, may_end: bool, verdict: str
) -> None:
    assert stuck.verdict(view, 0, now, may_end=may_end) == verdict


def test_it_knows_whose_stop_has_failed() -> None:
    assert stuck.servers(SAID, [], ["vs1", "vs1-old", "vs2", "vs3"]) == {"vs1-old", "vs2"}
    assert stuck.servers(SAID, ["vs1-old"], ["vs1", "vs2"]) == {"vs2"}
    assert stuck.servers("", [], ["vs1"]) == frozenset()


@pytest.mark.parametrize(
    ("held", "lost", "said", "freed"),
    [
        (["vs1"], ["san1"], {"storage-san1": {"n1": "0", "n2": "1"}}, {"vs1"}),
        (["vs1"], ["san1"], {"storage-san1": {"n1": "0", "n2": "0"}}, set()),
        (["vs1"], ["san1"], {"storage-san1": {"n1": "1"}}, set()),
        (["vs1"], ["san1"], {}, set()),
        (["vs1"], [], {"storage-san1": {"n2": "1"}}, set()),
        (["vs1"], ["san2"], {"storage-san2": {"n2": "1"}}, set()),
        (["vs2"], ["san1"], {"storage-san1": {"n3": "1"}}, set()),
        (["vs2"], ["san1", "san2"], {"storage-san1": {"n2": "1"}, "storage-san2": {"n2": "0"}}, set()),
        (["pinned"], ["san1"], {"storage-san1": {"n2": "1"}}, set()),
    ],
)
def test_fencing_has_to_gain_something(
    held: list[str], lost: list[str], said: dict[str, dict[str, str]], freed: set[str]
) -> None:
    assert stuck.freed(held, GUESTS, lost, said, "n1") == freed


@pytest.mark.parametrize(
    ("node", "nodes", "up", "emptying", "may"),
    [
        ("n1", NODES, NODES, (), True),
        ("n1", NODES, ("n1", "n2"), (), False),
        ("n1", NODES, NODES, ("n1", "n2"), True),
        ("n2", NODES, NODES, ("n1", "n2"), False),
        ("n1", ("n1", "n2"), ("n1", "n2"), (), True),
        ("n1", ("n1", "n2"), ("n1",), (), False),
        ("n1", ("n1",), ("n1",), (), False),
        ("n1", ("n1", "n2", "n3", "n4"), NODES, (), False),
    ],
)
def test_the_cluster_goes_on_without_the_node(
    node: str, nodes: tuple[str, ...], up: tuple[str, ...], emptying: tuple[str, ...], may: bool
) -> None:
    said = {"node-ok": dict.fromkeys(up, "1"), "evacuate": dict.fromkeys(emptying, "1")}
    assert stuck.may_end(node, nodes, said) is may
