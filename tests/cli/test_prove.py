"""vsctl prove: every failure, what it costs, and what would mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.vsctl import CLUSTER_FILE, vsctl

NARROW = CLUSTER_FILE.replace("nodes: [n1, n3]", "nodes: [n3]")
"""The cluster file in which vs3 has no second node."""


@pytest.mark.slow
def test_what_holds_is_said_and_exits_0(nas: Path) -> None:
    done = vsctl("prove", nas)
    assert (done.status, done.err) == (0, "")
    assert "fail node:n1\n    vs1 moves n1 -> n2\n" in done.out
    assert "fail node:n2\n    vs2 waits for n2, it is pinned\n" in done.out
    assert "fail subnet:n1/lan-b\n    vs1 on n1 is routed on lan-b through n3\n" in done.out
    assert "fail storage:n1/san1\n    vs1 moves n1 -> n2\n" in done.out
    assert done.out.endswith("proved: none costs a virtual server without need, or overloads a node\n")


@pytest.mark.slow
def test_what_does_not_hold_is_mended_by_the_smallest_change(nas: Path) -> None:
    nas.write_text(NARROW)
    done = vsctl("prove", nas, "--json")
    assert done.status == 1
    losses = {each["fail"][0]: each["losses"] for each in done.json["failures"] if each["losses"]}
    mend = ["add n1 to `nodes` of vs3"]
    assert losses == {
        "node:n3": [{"server": "vs3", "state": "down", "mend": mend}],
        "storage:n3/san2": [{"server": "vs3", "state": "cut off", "mend": mend}],
    }
    nas.write_text(CLUSTER_FILE)
    assert vsctl("prove", nas).status == 0


@pytest.mark.slow
def test_a_mend_that_takes_storage_and_a_port(nas: Path) -> None:
    """vs1 may run on n1 only, and n3 has neither its storage nor a port on lan-b."""
    text = CLUSTER_FILE.replace("  san1: {}", "  san1: {nodes: [n1]}")
    text = text.replace("n2: {ports: {e0a: lan-a, e0b: lan-a, e1a: lan-b}}", "n2: {ports: {e0a: lan-a}}")
    nas.write_text(text)
    done = vsctl("prove", nas, "--json")
    losses = next(each["losses"] for each in done.json["failures"] if each["fail"] == ["node:n1"])
    assert [each["mend"] for each in losses if each["server"] == "vs1"] == [
        ["add n3 to `nodes` of the storage unit san1, once it reaches it"]
    ]


@pytest.mark.slow
def test_declared_loads_overload_a_survivor(nas: Path) -> None:
    text = CLUSTER_FILE.replace("    priority: 100\n", "    priority: 100\n    load: {cpu: 6}\n")
    text = text.replace("    migrate: false\n", "    migrate: false\n    load: {cpu: 6}\n")
    text = text.replace("n2: {ports: {", "n2: {capacity: {cpu: 8}, ports: {")
    nas.write_text(text)
    done = vsctl("prove", nas)
    assert done.status == 1
    assert "n2 is overloaded: cpu 12 of 8" in done.out


@pytest.mark.slow
def test_two_failures_at_once(nas: Path) -> None:
    """vs3 may run on n1 and n3: only both together take it away."""
    text = CLUSTER_FILE.replace(", e0b: lan-a, e1a: lan-b}", "}").replace(", 198.51.100.11/24]", "]")
    nas.write_text(text.replace("  lan-b: {networks: [198.51.100.0/24]}\n", ""))
    done = vsctl("prove", nas, "--depth", "2", "--json")
    assert done.status == 1
    lost = {tuple(each["fail"]) for each in done.json["failures"] if "vs3" in str(each["losses"])}
    assert ("node:n1", "node:n3") in lost
    assert all(len(each) == 2 for each in lost)


@pytest.mark.slow
def test_a_node_that_is_down_already_cannot_fail_again(cib: Path) -> None:
    from tests.cli.vsctl import after

    cib.write_bytes(after(cib.read_bytes(), "--node-fail", "n2"))
    done = vsctl("prove", "--cib", cib, "--json")
    assert not [each for each in done.json["failures"] if ":n2" in each["fail"][0]]


@pytest.mark.slow
def test_apply_refuses_a_file_that_is_worse_and_takes_one_that_is_not(cib: Path, nas: Path) -> None:
    before = cib.read_bytes()
    nas.write_text(NARROW)
    done = vsctl("apply", nas, "--cib", cib, "--proved", "--yes")
    assert (done.status, done.out, cib.read_bytes()) == (1, "", before)
    assert "node:n3: vs3 is down; to keep it, add n1 to `nodes` of vs3 (new with this file)" in done.err
    assert vsctl("apply", nas, "--cib", cib, "--yes").status == 0
    nas.write_text(NARROW.replace("priority: 100", "priority: 90"))
    assert vsctl("apply", nas, "--cib", cib, "--proved").status == 0, "no worse than what runs"
