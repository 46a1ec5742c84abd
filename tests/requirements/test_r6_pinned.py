"""R6: a pinned server stays put when its node fails, says why, and comes back with it."""

from __future__ import annotations

import pytest

from tests.lab.stage import Stage
from tests.requirements.crash import Crash

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
GROUP = "crash"


def test_it_waits_for_its_node_and_says_so(crash: Crash) -> None:
    found = crash.after["servers"]["vs3"]
    assert (found["state"], found["node"]) == ("waiting", None)
    assert found["problems"] == [
        "vs3 is pinned to n1, which is down; it starts when n1 is back, or `vsctl move` sends it elsewhere"
    ]
    assert "vs3-net" not in crash.starts()


def test_its_client_waits_as_long_and_goes_on(crash: Crash) -> None:
    report = crash.report("vs3")
    acknowledged = [each for each in report.acks if crash.killed_at + 1 < each < crash.back_at]
    assert acknowledged == [], "nobody answered for it while n1 was off"
    assert report.acks[-1] > crash.back_at
    assert crash.returned["servers"]["vs3"]["node"] == "n1"


def test_an_operator_can_move_it(six: Stage) -> None:
    assert "vs3 moves n1 -> n3" in six.vsctl("move", "vs3", "n3", "--wait").stdout
    assert six.serving("vs3", "n3")
    six.vsctl("failback", "vs3")
    six.settle()
    assert six.serving("vs3", "n1")


def test_a_drain_leaves_it_and_says_so(six: Stage) -> None:
    said = six.vsctl("drain", "n1", "--wait").stdout
    assert "vs3 stays on n1: it is pinned; `vsctl move vs3 NODE` moves it" in " ".join(said.split())
    assert six.node_of("vs3") == "n1"
    assert [each["servers"] for each in six.status()["nodes"] if each["name"] == "n1"] == [["vs3"]]
    six.vsctl("undrain", "n1")
    six.vsctl("failback")
