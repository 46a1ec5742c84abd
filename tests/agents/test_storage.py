"""Does the node daemon see which storage its node reaches? Without a cluster: nobody takes its news."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.cast import EVERY, RUNNING
from tests.agents.node import Lan, Node, until
from tests.agents.test_daemon import process, tell
from tests.lab.faulty import Failing
from vsctl.agents.noded import endings

pytestmark = pytest.mark.node

PORTS = {"ports": "n1=e0a:lan-a"}


@pytest.fixture
def disk(lan: Lan, tmp_path: Path) -> Iterator[Callable[[str], Failing]]:
    """Make disks that fail on demand. The daemon ends before they do."""
    made: list[Failing] = []

    def make(name: str) -> Failing:
        image = tmp_path / name
        image.write_bytes(bytes(1 << 20))
        made.append(Failing(image))
        return made[-1]

    yield make
    for each in made:
        each.end()
    lan.node.agent("daemon", "stop", **PORTS)
    for each in made:
        subprocess.run(["losetup", "--detach", each.device], check=True)


def watch(node: Node, **units: tuple[Failing, ...]) -> dict[str, str]:
    """Start the daemon with storage units and wait until it knows them; return its parameters."""
    node.run("mount", "-t", "tmpfs", "tmpfs", "/var/log")
    sections = (f"{name} nodes=n1 {' '.join(each.device for each in disks)}" for name, disks in units.items())
    parameters = {**PORTS, "storage": ";".join(sections)}
    assert node.agent("daemon", "start", **parameters).code == RUNNING
    until(lambda: set(states(node).values()) == {"good"}, "all units are good")
    return parameters


def seen(node: Node) -> dict[str, Any]:
    return dict(json.loads(tell(node, "state"))["storage"])


def states(node: Node) -> dict[str, str]:
    return {unit: each["state"] for unit, each in seen(node).items()}


def silent(node: Node) -> list[str]:
    return node.run("sh", "-c", "cat /run/vsctl/_daemon/silent 2>/dev/null || true").split()


def readers(node: Node) -> set[int]:
    return {each for each in node.processes() if _name(each) == "vsctl-storage"}


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().rstrip()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended meanwhile


def test_a_unit_that_has_ended_the_node_before_is_held_back_until_it_is_released(lan: Lan, disk) -> None:
    one, other = disk("one"), disk("other")
    lan.node.run("mount", "-t", "tmpfs", "tmpfs", "/var/log")
    lan.node.run("mkdir", "/var/log/vsctl")
    before = "".join(f"{time.time() - 60:.2f} storage san1 {state}\n" for state in ("ended", "hung"))
    lan.node.run("tee", "/var/log/vsctl/events", text=before)
    sections = (f"{name} nodes=n1 {each.device}" for name, each in (("san1", one), ("san2", other)))
    parameters = {**PORTS, "storage": ";".join(sections)}
    assert lan.node.agent("daemon", "start", **parameters).code == RUNNING
    until(
        lambda: states(lan.node) == {"san1": "waiting", "san2": "good"}, "san1 is held back, and san2 is not"
    )
    lan.node.run("sh", "-c", "kill -9 $(cut -d' ' -f1 /run/vsctl/_daemon/process)")
    assert lan.node.agent("daemon", "start", **parameters).code == RUNNING
    until(lambda: states(lan.node) == {"san1": "waiting", "san2": "good"}, "the next daemon knows that, too")
    assert seen(lan.node)["san1"]["hold"] == endings.FIRST
    assert tell(lan.node, "release san1") == "storage san1 is good"
    assert seen(lan.node)["san1"]["good"]
    said = [line.split()[1:] for line in lan.node.run("cat", "/var/log/vsctl/events").splitlines()]
    assert said.count(["storage", "san1", "ended"]) == 2
    assert said.count(["storage", "san1", "released"]) == 1


def test_errors_lose_the_unit_and_no_other_and_it_comes_back_by_itself(lan: Lan, disk) -> None:
    one, other = disk("one"), disk("other")
    watch(lan.node, san1=(one,), san2=(other,))
    one.become("eio")
    until(lambda: states(lan.node) == {"san1": "lost", "san2": "good"}, "san1 is lost, and san2 is not")
    assert "Input/output error" in seen(lan.node)["san1"]["problem"]
    one.become("good")
    until(lambda: states(lan.node)["san1"] in ("waiting", "failing"), "it answers again, and is not used yet")
    assert seen(lan.node)["san1"]["good"] is False or states(lan.node)["san1"] != "waiting"
    until(lambda: seen(lan.node)["san1"]["good"], "it is used again")


def test_a_unit_that_hangs_is_lost_and_is_read_once(lan: Lan, disk) -> None:
    one, other = disk("one"), disk("other")
    parameters = watch(lan.node, san1=(one,), san2=(other,))
    one.become("hang")
    until(lambda: states(lan.node) == {"san1": "hung", "san2": "good"}, "san1 hangs, and san2 does not")
    assert len(readers(lan.node)) == 2
    assert lan.node.agent("daemon", "monitor", interval=EVERY, **parameters).code == RUNNING
    assert silent(lan.node) == [one.device], "stops are told what they need not wait for"
    one.become("good")
    until(lambda: silent(lan.node) == [], "nothing is silent any more")
    until(lambda: seen(lan.node)["san1"]["good"], "it is used again")


def test_slow_storage_is_said_to_be_slow_and_nothing_is_lost(lan: Lan, disk) -> None:
    one = disk("one")
    watch(lan.node, san1=(one,))
    one.become("slow 1.5")
    until(lambda: states(lan.node)["san1"] == "slow", "it is slow")
    assert seen(lan.node)["san1"]["good"]
    assert seen(lan.node)["san1"]["losses"] == []


def test_one_dead_device_of_two_is_said_and_loses_nothing(lan: Lan, disk) -> None:
    one, other = disk("one"), disk("other")
    watch(lan.node, san1=(one, other))
    one.become("eio")
    until(lambda: states(lan.node)["san1"] == "failing", "it says that a device fails")
    until(lambda: len(seen(lan.node)["san1"]["took"]) == 4, "it has been read four times")
    assert seen(lan.node)["san1"]["good"]


def test_a_daemon_whose_storage_hangs_can_be_stopped_and_the_next_one_knows(lan: Lan, disk) -> None:
    one = disk("one")
    parameters = watch(lan.node, san1=(one,))
    one.become("eio")
    until(lambda: states(lan.node)["san1"] == "lost", "san1 is lost")
    one.become("hang")
    assert lan.node.agent("daemon", "stop", **parameters).code == RUNNING
    assert lan.node.agent("daemon", "start", **parameters).code == RUNNING
    assert seen(lan.node)["san1"]["good"] is False, "nobody has seen it work since"


def test_a_reader_that_is_killed_is_replaced(lan: Lan, disk) -> None:
    one = disk("one")
    watch(lan.node, san1=(one,))
    (first,) = readers(lan.node)
    lan.node.run("kill", "-KILL", str(first))
    until(lambda: readers(lan.node) and first not in readers(lan.node), "there is another one")
    one.become("eio")
    until(lambda: states(lan.node)["san1"] == "lost", "and it reads")


def test_units_change_in_flight(lan: Lan, disk) -> None:
    one, other = disk("one"), disk("other")
    parameters = watch(lan.node, san1=(one,))
    daemon = process(lan.node)
    more = {**parameters, "storage": f"san2 nodes=n1,n2 {other.device};san3 nodes=n2 /dev/none"}
    assert lan.node.agent("daemon", "reload-agent", **more).code == RUNNING
    until(lambda: states(lan.node) == {"san2": "good"}, "it reads san2, and san3 is for others")
    assert process(lan.node) == daemon
    until(lambda: len(readers(lan.node)) == 1, "san1 is not read any more")


@pytest.mark.full
def test_ten_units_cost_less_than_half_a_per_cent_of_a_core(lan: Lan, disk) -> None:
    watch(lan.node, **{f"san{number}": (disk(f"disk{number}"),) for number in range(10)})
    with_ten = used(lan.node, 30)
    lan.node.agent("daemon", "stop", **PORTS)
    assert lan.node.agent("daemon", "start", **PORTS).code == RUNNING
    assert with_ten - used(lan.node, 30) < 0.005


def used(node: Node, seconds: int) -> float:
    """Return what share of a processor the daemon and its readers use for some seconds."""

    def ticks() -> int:
        fields = (
            Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            for each in {*readers(node), int(process(node))}
        )
        return sum(int(each[11]) + int(each[12]) for each in fields)

    begun = ticks()
    node.run("sleep", str(seconds))
    return (ticks() - begun) / 100 / seconds
