"""When does the node daemon have waiting segments sent again?"""

from __future__ import annotations

from vsctl.agents.noded.balancing import Announcement
from vsctl.agents.noded.clients import changed

IP = bytes((192, 0, 2, 11))
ON_E0A, ON_E0B = Announcement("e0a", (IP,)), Announcement("e0b", (IP,))
ROUTED = Announcement("e0b", (IP,), routed=True)


def test_when_a_server_here_is_announced_on_another_port() -> None:
    assert changed({"vs1/lan-a": ON_E0A}, {"vs1/lan-a": ON_E0B}) == [("vs1", (IP,))]


def test_when_it_is_announced_at_all_again() -> None:
    assert changed({}, {"vs1/lan-a": ON_E0A}) == [("vs1", (IP,))]


def test_not_for_what_stays_what_goes_and_what_is_on_another_node() -> None:
    assert changed({"vs1/lan-a": ON_E0A, "vs2/lan-a": ON_E0A}, {"vs1/lan-a": ON_E0A}) == []
    assert changed({"vs1/lan-a": ON_E0A}, {"vs1/lan-a": ROUTED}) == []
