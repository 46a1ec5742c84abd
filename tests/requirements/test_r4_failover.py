"""R4: a node dies, everything on it moves, spread over the survivors, and clients lose nothing."""

from __future__ import annotations

import pytest

from tests.requirements.crash import Crash

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
GROUP = "crash"


def test_everything_that_may_move_serves_elsewhere(crash: Crash) -> None:
    servers = crash.after["servers"]
    for name in ("vs1", "vs2", "vs5", "vs6"):
        assert servers[name]["state"] == "serving" and servers[name]["node"] in ("n2", "n3"), servers[name]
    assert servers["vs4"]["node"] == "n2"


def test_the_survivors_share_evenly(crash: Crash) -> None:
    counts = sorted(len(each["servers"]) for each in crash.after["nodes"] if each["name"] != "n1")
    assert counts == [2, 3]


def test_nothing_starts_elsewhere_before_the_node_was_fenced(crash: Crash) -> None:
    starts = crash.starts()
    assert len(starts) > 10
    early = [f"{each.resource} on {each.node}" for each in starts.values() if each.at < crash.fenced]
    assert not early, f"started before n1 was off: {early}"


def test_every_acknowledged_write_is_there(crash: Crash) -> None:
    for name, client in crash.clients.items():
        assert client.report().acknowledged > 10, name
        assert crash.missing[name] == [], name


def test_no_client_sees_an_error(crash: Crash) -> None:
    for name, client in crash.clients.items():
        assert not client.report().errors, f"{name}: {client.report()}"


def test_a_lock_is_reclaimed(crash: Crash) -> None:
    report = crash.locker.report()
    assert len(report.acks) == 2 and not report.errors, str(report)


def test_clients_of_other_servers_notice_nothing(crash: Crash) -> None:
    report = crash.report("vs4")
    assert report.lost == ()
    assert report.longest_gap < crash.report("vs1").longest_gap


def test_nothing_moves_back_when_the_node_returns(crash: Crash) -> None:
    for name in ("vs1", "vs2", "vs4", "vs5", "vs6"):
        assert crash.returned["servers"][name]["node"] == crash.after["servers"][name]["node"]


def test_status_says_what_is_so(crash: Crash) -> None:
    assert crash.after["problems"] == ["n1 is down"]
    assert [each["state"] for each in crash.after["nodes"]] == ["down", "up", "up"]
    for name in ("vs1", "vs2", "vs4", "vs5", "vs6"):
        assert crash.after["servers"][name]["problems"] == [], name
        announced = {each["announced_by"] for each in crash.after["servers"][name]["addresses"]}
        assert announced == {crash.after["servers"][name]["node"]}, name
    assert crash.returned["problems"] == []
    assert all(not each["problems"] for each in crash.returned["servers"].values())


def test_pacemaker_was_told_of_the_loss_once_more(crash: Crash) -> None:
    """Else it sleeps for a second: docs/decisions/0034-a-second-of-sleep.md."""
    assert 'host="n2"' in crash.membership and 'host="n3"' not in crash.membership, crash.membership
