"""When is a node emptied, and fenced, by its own daemon or by another node's? Pure: no cluster, no clock."""

from __future__ import annotations

import pytest

from vsctl.agents.noded import deputy, stuck
from vsctl.agents.noded.deputy import SILENCE, STEP, Case
from vsctl.agents.noded.leaving import Guest
from vsctl.agents.noded.stuck import ARRIVAL, EMPTY, FENCE, NOTHING, PATIENCE, View

NONE, ONE, BOTH = frozenset[str](), frozenset({"vs1"}), frozenset({"vs1", "vs2"})
NODES = ("n1", "n2", "n3")
GUESTS = {
    "vs1": Guest(("lan-a",), NODES, units=("san1",)),
    "vs2": Guest(("lan-a",), ("n1", "n2"), units=("san1", "san2")),
}
SAID = """<xpath-query>
  <node id="1" uname="n1"><instance_attributes id="nodes-1"><nvpair id="nodes-1-x" name="x" value="1"/></instance_attributes></node>
  <node uname="n2" id="12"/>
  <lrm_rsc_op id="vs1-old-nfs_last_failure_0" operation_key="vs1-old-nfs_stop_0" operation="stop" on_node="n1" rc-code="1"/>
  <lrm_rsc_op id="vs2-exp-root_last_failure_0" operation_key="vs2-exp-root_stop_0" on_node="n1" exit-reason="a &gt; b"/>
  <lrm_rsc_op id="vs3-gate_last_0" operation_key="vs3-gate_start_0" operation="start" on_node="n2" rc-code="0"/>
  <nvpair id="status-1-storage-san1" name="storage-san1" value="0"/>
  <nvpair id="status-12-storage-san1" name="storage-san1" value="1"/>
  <nvpair id="status-12-node-ok" name="node-ok" value="1"/>
  <nvpair id="status-99-node-ok" name="node-ok" value="1"/>
</xpath-query>"""


def test_it_reads_what_the_cluster_answers() -> None:
    heard = stuck.read(SAID)
    assert heard.stops == {"n1": {"vs1-old-nfs", "vs2-exp-root"}}
    assert heard.serving == {"n2": {"vs3"}}
    assert heard.said == {"storage-san1": {"n1": "0", "n2": "1"}, "node-ok": {"n2": "1"}}
    assert (heard.lost("n1"), heard.lost("n2")) == (["san1"], [])
    assert stuck.read("") == stuck.Heard()


@pytest.mark.parametrize(
    ("view", "now", "most", "verdict"),
    [
        (View(NONE, BOTH, NONE), 99, FENCE, NOTHING),
        (View(ONE, BOTH, NONE), 99, FENCE, NOTHING),
        (View(ONE, BOTH, ONE), 99, NOTHING, NOTHING),
        (View(ONE, BOTH, ONE), 0, FENCE, EMPTY),
        (View(ONE, BOTH, ONE), PATIENCE, EMPTY, EMPTY),
        (View(ONE, BOTH, ONE), PATIENCE, FENCE, FENCE),
        (View(ONE, ONE, ONE), 0, EMPTY, EMPTY),
        (View(ONE, ONE, ONE), 0, FENCE, FENCE),
        (View(BOTH, BOTH, ONE), 0, FENCE, FENCE),
        # What hangs is not waited for until its stop has failed, nor fenced before it has.
        (View(NONE, BOTH, NONE, ONE), 0, FENCE, EMPTY),
        (View(NONE, ONE, NONE, ONE), PATIENCE - 1, FENCE, EMPTY),
        (View(NONE, BOTH, NONE, ONE), PATIENCE, FENCE, NOTHING),
        (View(ONE, BOTH, ONE, BOTH - ONE), 0, FENCE, FENCE),
        # Who has left gets the time to serve elsewhere.
        (View(ONE, ONE, ONE, NONE, BOTH - ONE), ARRIVAL - 1, FENCE, EMPTY),
        (View(ONE, ONE, ONE, NONE, BOTH - ONE), ARRIVAL, FENCE, FENCE),
    ],
)
def test_the_others_leave_before_the_node_is_fenced(view: View, now: float, most: str, verdict: str) -> None:
    assert stuck.verdict(view, 0, 0, now, most) == verdict


def test_it_knows_whose_stop_has_failed() -> None:
    failed = ["vs1-old-nfs", "vs2-exp-root"]
    assert stuck.servers(failed, [], ["vs1", "vs1-old", "vs2", "vs3"]) == {"vs1-old", "vs2"}
    assert stuck.servers(failed, ["vs1-old"], ["vs1", "vs2"]) == {"vs2"}
    assert stuck.servers([], [], ["vs1"]) == frozenset()


def test_a_repair_that_does_not_end_makes_nobody_stuck_and_is_tried_again_with_its_storage() -> None:
    failed = ["vs1-repair-data", "vs1-repair-x-nfs"]
    assert stuck.servers(failed, ["vs1"], ["vs1"]) == frozenset()
    assert stuck.servers(failed, ["vs1", "vs1-repair-x"], ["vs1", "vs1-repair-x"]) == {"vs1-repair-x"}
    assert stuck.waiting(["vs1-repair-data"], GUESTS, [], ["san1"]) == {"vs1-repair-data"}, "vs1 is elsewhere"
    assert stuck.waiting(["vs1-repair-data"], GUESTS, ["vs1"], ["san2"]) == frozenset()


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
        (["vs2"], ["san1"], {"storage-san1": {"n2": "1"}, "storage-san2": {"n2": "0"}}, set()),
        (["vs2"], ["san1"], {"storage-san1": {"n2": "1"}, "storage-san2": {"n2": "1"}}, {"vs2"}),
        (["vs1"], ["san1"], {"storage-san1": {"n2": "1"}, "node-ok": {"n3": "1"}}, set()),
        (["vs1"], ["san1"], {"storage-san1": {"n2": "1"}, "standby": {"n2": "on"}}, set()),
        (["vs1"], ["san1"], {"storage-san1": {"n2": "1"}, "standby": {"n2": "off"}}, {"vs1"}),
        (["pinned"], ["san1"], {"storage-san1": {"n2": "1"}}, set()),
    ],
)
def test_fencing_has_to_gain_something(
    held: list[str], lost: list[str], said: dict[str, dict[str, str]], freed: set[str]
) -> None:
    said = {"node-ok": dict.fromkeys(NODES, "1"), **said}
    assert stuck.freed(held, GUESTS, lost, said, "n1") == freed


def test_it_reads_which_nodes_take_no_servers() -> None:
    said = """<node id="1" uname="n1"><nvpair id="nodes-1-standby" name="standby" value="on"/></node>
      <node id="2" uname="n2"/><nvpair id="status-2-standby" name="standby" value="off"/>"""
    assert stuck.read(said).said == {"standby": {"n1": "on", "n2": "off"}}


@pytest.mark.parametrize(
    ("node", "nodes", "up", "emptying", "ending", "most"),
    [
        ("n1", NODES, NODES, (), (), EMPTY),  # what it says first has not arrived yet
        ("n1", NODES, NODES, ("n1",), (), FENCE),
        ("n1", NODES, ("n1", "n2"), ("n1",), (), NOTHING),
        ("n1", NODES, NODES, ("n1", "n2"), (), EMPTY),  # n2 may just have gone ahead
        ("n1", NODES, NODES, ("n1",), ("n2",), EMPTY),
        ("n2", NODES, NODES, ("n1", "n2"), (), NOTHING),
        ("n1", ("n1", "n2"), ("n1", "n2"), ("n1",), (), FENCE),
        ("n1", ("n1", "n2"), ("n1",), ("n1",), (), NOTHING),
        ("n1", ("n1",), ("n1",), ("n1",), (), NOTHING),
        ("n1", ("n1", "n2", "n3", "n4"), NODES, ("n1",), (), NOTHING),
    ],
)
def test_the_cluster_goes_on_without_the_node_and_one_ends_at_a_time(
    node: str,
    nodes: tuple[str, ...],
    up: tuple[str, ...],
    emptying: tuple[str, ...],
    ending: tuple[str, ...],
    most: str,
) -> None:
    said = {
        "node-ok": dict.fromkeys(up, "1"),
        "evacuate": dict.fromkeys(emptying, "1"),
        "terminate": dict.fromkeys(ending, "true"),
    }
    assert stuck.turn(node, nodes, said) == most


def test_two_that_begin_at_once_never_end_together() -> None:
    """Whatever order their words arrive in and whenever each looks: a step is one node's look, and its word."""
    said: dict[str, dict[str, str]] = {"node-ok": dict.fromkeys(("n1", "n2", "n3", "n4", "n5"), "1")}
    nodes = tuple(said["node-ok"])

    def explore(said: dict[str, dict[str, str]], seen: dict[str, str], depth: int) -> None:
        """`seen` is what each of both has decided and not said yet."""
        both = [each for each in ("n1", "n2") if said.get("terminate", {}).get(each) == "true"]
        assert len(both) < 2
        if not depth:
            return
        for node in ("n1", "n2"):
            if node in seen:
                most = seen[node]
                then = {
                    **said,
                    "evacuate": {**said.get("evacuate", {}), node: "0" if most == NOTHING else "1"},
                    "terminate": {**said.get("terminate", {}), node: "true" if most == FENCE else "false"},
                }
                explore(then, {each: word for each, word in seen.items() if each != node}, depth - 1)
            else:
                explore(said, {**seen, node: stuck.turn(node, nodes, said)}, depth - 1)

    explore(said, {}, 12)


def test_a_deputy_acts_only_for_a_daemon_that_says_nothing_any_more() -> None:
    case = deputy.observed(None, "empty 1", 100.0, emptying=False)
    assert not deputy.is_due(case, 0, 100.0 + SILENCE - 1)
    assert deputy.is_due(case, 0, 100.0 + SILENCE)
    assert not deputy.is_due(case, 1, 100.0 + SILENCE)
    assert deputy.is_due(case, 1, 100.0 + SILENCE + STEP)
    alive = deputy.observed(case, "empty 2", 111.0, emptying=False)
    assert not deputy.is_due(alive, 0, 100.0 + SILENCE)


@pytest.mark.parametrize(
    ("emptying", "now", "most", "verdict"),
    [
        (None, 0, NOTHING, NOTHING),
        (None, 99, FENCE, EMPTY),
        (0, PATIENCE - 1, FENCE, EMPTY),
        (0, PATIENCE, EMPTY, EMPTY),
        (0, PATIENCE, FENCE, FENCE),
        (0, PATIENCE, NOTHING, NOTHING),
    ],
)
def test_a_deputy_gives_the_others_all_their_time(
    emptying: float | None, now: float, most: str, verdict: str
) -> None:
    assert deputy.verdict(Case("", -99, emptying), now, most) == verdict


def test_a_deputy_counts_from_when_the_node_was_to_be_empty() -> None:
    case = deputy.observed(None, "", 0, emptying=True)
    case = deputy.observed(case, "", 5, emptying=True)
    assert case.emptying == 0
    assert deputy.observed(case, "", 6, emptying=False).emptying is None
