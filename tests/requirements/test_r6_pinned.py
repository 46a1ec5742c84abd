"""R6: a pinned server stays put until an operator moves it. What it does when its node fails is in the crash."""

from __future__ import annotations

import pytest

from tests.lab.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_an_operator_can_move_it(six: Stage) -> None:
    assert "vs3 moves n1 -> n3" in six.vsctl("move", "vs3", "n3", "--wait").stdout
    assert six.serving("vs3", "n3")
    six.vsctl("failback", "vs3")
    six.settle()
    assert six.serving("vs3", "n1")


@pytest.mark.full
def test_a_drain_leaves_it_and_says_so(six: Stage) -> None:
    said = six.vsctl("drain", "n1", "--wait").stdout
    assert "vs3 stays on n1: it is pinned; `vsctl move vs3 NODE` moves it" in " ".join(said.split())
    assert six.node_of("vs3") == "n1"
    assert [each["servers"] for each in six.status()["nodes"] if each["name"] == "n1"] == [["vs3"]]
    six.vsctl("undrain", "n1")
    six.vsctl("failback")
