"""When does the node daemon have waiting segments sent again?"""

from __future__ import annotations

import os
import resource
import sys

import pytest

from vsctl.agents import nudge
from vsctl.agents.noded.balancing import Announcement
from vsctl.agents.noded.clients import changed

IP = bytes((192, 0, 2, 11))
ON_E0A, ON_E0B = Announcement("e0a", (IP,)), Announcement("e0b", (IP,))
ROUTED = Announcement("e0b", (IP,), routed=True)


def test_when_a_server_here_is_announced_on_another_port() -> None:
    assert changed({"vs1/lan-a": ON_E0A}, {"vs1/lan-a": ON_E0B}) == [("vs1", (IP,))]


def test_when_it_is_announced_at_all_again() -> None:
    assert changed({}, {"vs1/lan-a": ON_E0A}) == [("vs1", (IP,))]


def test_what_is_there_when_the_daemon_begins_is_no_news() -> None:
    assert changed(None, {"vs1/lan-a": ON_E0A}) == []


def test_no_news_are_told_where_no_process_can_be_had() -> None:
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
            if os.getuid() == 0:  # who may have as many as it likes
                os.setresuid(65534, 65534, 65534)
            nudge.nudge("vs1", [IP])
        finally:
            os._exit(sys.exc_info()[0] is not None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_not_for_what_stays_what_goes_and_what_is_on_another_node() -> None:
    assert changed({"vs1/lan-a": ON_E0A, "vs2/lan-a": ON_E0A}, {"vs1/lan-a": ON_E0A}) == []
    assert changed({"vs1/lan-a": ON_E0A}, {"vs1/lan-a": ROUTED}) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root may send what TCP did not ask for")
def test_errors_come_from_the_address_that_the_client_knows() -> None:
    ours = [bytes((127, 0, 0, 2)), bytes((127, 0, 0, 3))]
    found = nudge.senders([*ours, *ours, IP])
    assert {address: each.getsockname()[0] for address, each in found.items()} == {
        ours[0]: "127.0.0.2",
        ours[1]: "127.0.0.3",
    }
    for each in found.values():
        each.close()
