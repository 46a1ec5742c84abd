"""R13 and R17: what every server needs is measured where it is, and one node at a time looks whether that is even."""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.clients import Client
from tests.lab.stage import Stage, cluster_file
from tests.requirements import cast
from tests.requirements.cast import USERS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

POLICY = {"balance": {"mode": "manual", "every": "20s", "cool_down": "1s"}}
SETTLED = 90
"""Seconds until a load is known, which takes half a minute, on a slow machine."""
WINDOW = 60
IDLE = 2.5
"""Operations a second: less than one more or less is not told again."""
QUANTITIES = ("cpu", "network", "disk")


@pytest.fixture
def two(bare: Stage) -> Stage:
    """vs1 and vs2, both on n1, with their users, and a balancer that looks often."""
    document = cluster_file(bare.lab, cast.TWO_ON_ONE_NODE, policy=POLICY)
    fresh = bare.document != document
    bare.become(document)
    for server, account in USERS.items() if fresh else ():
        bare.add_user(server, *account)
    return bare


@pytest.fixture
def writers(two: Stage) -> Iterator[list[Client]]:
    """Clients that write through both protocols, to vs1 alone."""
    c1, c2 = two.lab.client("c1"), two.lab.client("c2")
    writers = [
        Client.nfs(c1, "192.0.2.11", "/data/projects"),
        Client.nfs(c2, "198.51.100.11", "/data/projects", "of-c2"),
        Client.smb(c1, "192.0.2.11", "projects", *USERS["vs1"]),
    ]
    for each in writers:
        each.start()
    try:
        for each in writers:
            each.wait_for_progress()
        yield writers
    finally:
        for each in writers:
            each.stop()
    for each in writers:
        assert not each.report().errors, f"{each.what}: {each.report()}"


@pytest.fixture
def busy(two: Stage, writers: list[Client]) -> Stage:
    return two


def top(on: Stage) -> dict[str, dict[str, Any]]:
    """Return what `vsctl top` knows, of servers and of nodes, by name."""
    said = json.loads(on.vsctl("top", "--json").stdout)
    return {each["name"]: each for each in (*said["servers"], *said["nodes"])}


def load(on: Stage, name: str) -> dict[str, float] | None:
    return top(on)[name]["load"]


def is_busy(found: dict[str, float] | None) -> bool:
    return found is not None and found["operations"] > 5 and found["network"] > 0 and found["disk"] > 0


def test_clients_raise_the_load_of_their_server_and_of_no_other(busy: Stage) -> None:
    def known() -> dict[str, dict[str, Any]] | None:
        found = top(busy)
        return (
            found if is_busy(found["vs1"]["load"]) and all(each["load"] for each in found.values()) else None
        )

    found = busy.lab.wait(known, "vs1 is known to be busy, and all is known of the others", SETTLED)
    vs1, vs2, n1 = (found[each]["load"] for each in ("vs1", "vs2", "n1"))
    assert vs1["clients"] == 2
    assert vs1["cpu"] > 0 and vs1["memory"] > 0
    assert vs2["operations"] < IDLE and vs2["network"] < vs1["network"] / 10 and vs2["clients"] == 0
    assert n1["operations"] >= vs1["operations"] - 1 and n1["memory"] > vs1["memory"]
    assert found["n1"]["capacity"]["cpu"] >= 1
    assert found["n2"]["load"]["operations"] == 0
    shown = busy.vsctl("top", "--once").stdout
    assert "vs1" in shown and max(map(len, shown.splitlines())) <= 80


def fastest(writers: list[Client], seconds: float = 10.0) -> float:
    """Return how many records a second were acknowledged at most, over some seconds."""
    acks = sorted(at for each in writers for at in each.report().acks)
    return max(bisect_right(acks, at + seconds) - number for number, at in enumerate(acks)) / seconds


@pytest.mark.full
def test_the_load_of_a_moved_server_appears_where_it_is_without_a_peak(
    busy: Stage, writers: list[Client]
) -> None:
    """It never seems to do more than clients can have asked for, nor to need more for that than before."""
    begun = time.monotonic()

    def steady() -> dict[str, float] | None:
        found = load(busy, "vs1")
        return found if is_busy(found) and time.monotonic() - begun > WINDOW else None

    before = busy.lab.wait(steady, "vs1 is known to be busy for as long as a load is the mean of", SETTLED)
    busy.vsctl("move", "vs1", "n2", "--wait")
    seen: list[dict[str, float]] = []

    def is_busy_there() -> bool:
        found = top(busy)
        assert found["vs1"]["node"] == "n2"
        if found["vs1"]["load"] is not None:
            seen.append(found["vs1"]["load"])
        return is_busy(found["vs1"]["load"]) and found["n2"]["load"]["operations"] > 1

    busy.lab.wait(is_busy_there, "vs1 is known to be busy on n2", SETTLED)
    assert max(each["operations"] for each in seen) <= 3 * fastest(writers)
    for each in seen:
        for quantity in QUANTITIES:
            usual = before[quantity] / before["operations"] * each["operations"]
            assert each[quantity] <= 3 * usual + 0.1, f"{quantity} of {each}, and before the move {before}"
    busy.lab.wait(lambda: load(busy, "n1")["operations"] < IDLE, "nothing of it is left on n1", SETTLED)
    busy.vsctl("failback", "vs1")


def test_the_balancer_is_on_one_node_and_goes_on_elsewhere_when_that_dies(two: Stage) -> None:
    def looked() -> float | None:
        found = two.status()["balancer"]
        return found["looked"] if found["problem"] is None else None

    two.lab.wait(looked, "the balancer has looked at the load", 120)
    master = two.lab.where("vsctl-balancer")
    assert two.status()["balancer"]["node"] == master
    assert running(two) == [master]
    two.lab.kill(master)
    two.lab.wait(lambda: running(two) and running(two) != [master], "another node runs the balancer", 60)
    two.lab.wait_until_fenced(master)
    after = two.status()["balancer"]["node"]
    assert running(two) == [after] and after != master
    two.lab.heal()
    two.settle()
    assert two.lab.where("vsctl-balancer") == after, "it stays where it is"
    assert "the balancer has started here" in two.vsctl("events", after, "--all").stdout


def running(on: Stage) -> list[str]:
    """Return the nodes on which a balancer lives."""
    ask = ["sh", "-c", "read pid rest < /run/vsctl/_balancer/process && kill -0 $pid"]
    return [each.name for each in on.lab.nodes_on if each.run(ask, check=False).returncode == 0]
