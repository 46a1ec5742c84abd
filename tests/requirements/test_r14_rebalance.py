"""R14, R15, R16: a hot node sheds servers to two others, it holds, and the next failure is shared by load."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pytest

from tests.lab.clients import Client
from tests.lab.stage import FILE, Stage, cluster_file
from vsctl.policy import scores

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SIX = tuple(f"vs{number}" for number in range(1, 7))
NODES = ("n1", "n2", "n3")
LOADS = "/etc/loads.json"
GIB = 2**30


def six(home: str = "") -> str:
    """Return six servers, all at home on one node, or each where the engine likes it."""
    return "\n".join(
        f"{name}: {{{home} addresses: [192.0.2.{10 + number}/24], filesystems: {{root: {{exports: "
        "[{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]}}}"
        for number, name in enumerate(SIX, 1)
    )


@pytest.fixture(scope="module")
def crowded(bare: Stage) -> Iterator[Stage]:
    """Everything has ended up on n1, where it stays, since nobody wants it there."""
    document = cluster_file(bare.lab, six("home: n1,"), policy={"balance": {"max_moves": 2}})
    bare.become(document)
    free = cluster_file(bare.lab, six(), policy={"balance": {"max_moves": 2}})
    bare.write(free)
    bare.vsctl("apply", "--yes", "--wait", FILE)
    bare.document = free
    yield bare
    bare.lab.heal()
    bare.clear(free)


def tell(stage: Stage, cpu: Mapping[str, float]) -> None:
    """Write down what servers need of nodes with ten processors each."""
    usual = {"memory": GIB // 8, "network": 0, "disk": 0, "operations": 0, "clients": 1, "locks": 0}
    size = {"cpu": 10, "memory": 64 * GIB, "network": 10**10}
    document = {
        "nodes": [{"name": node, "capacity": size} for node in NODES],
        "servers": [{"name": name, "load": {**usual, "cpu": cpu[name]}} for name in SIX],
    }
    for node in stage.lab.nodes_on:
        node.write(LOADS, json.dumps(document))


def rebalance(stage: Stage, *options: str) -> Any:
    return json.loads(stage.vsctl("rebalance", "--loads", LOADS, "--json", *options).stdout)


def where(stage: Stage) -> dict[str, str]:
    return {name: stage.node_of(name) for name in SIX}


def fills(where: Mapping[str, str], cpu: Mapping[str, float]) -> dict[str, float]:
    return {node: sum(cpu[name] for name in SIX if where[name] == node) / 10 for node in NODES}


def moving(stage: Stage) -> list[str]:
    said = str(stage.lab.cib().xpath("string(//nvpair[@name='vsctl-moving']/@value)"))
    return [each for each in said.split() if each != "-"]


def nothing_left(stage: Stage) -> None:
    """Every server sticks to its node, and no constraint is there that the cluster file does not ask for."""
    assert moving(stage) == []
    cib = stage.lab.cib()
    sticks = cib.xpath("//primitive[@type='net']/meta_attributes/nvpair[@name='resource-stickiness']/@value")
    assert [str(each) for each in sticks] == [str(scores.held(1))] * len(SIX)
    assert stage.vsctl("plan", FILE).stdout.startswith("nothing to do")


def clients(stage: Stage) -> dict[str, Client]:
    c1 = stage.lab.client("c1")
    return {
        name: Client.nfs(c1, f"192.0.2.{10 + number}", "/root/srv")
        for number, name in enumerate(SIX, 1)
        if number < 4
    }


def test_a_hot_node_sheds_servers_to_two_others_and_it_holds(crowded: Stage) -> None:
    cpu = dict.fromkeys(SIX, 2.0)
    tell(crowded, cpu)
    assert set(where(crowded).values()) == {"n1"}
    everyone = clients(crowded)
    for each in everyone.values():
        each.start()
    try:
        for each in everyone.values():
            each.wait_for_progress()
        found = rebalance(crowded, "--apply")
        done = time.monotonic()
        for each in everyone.values():
            each.wait_for_progress(since=done)
    finally:
        for each in everyone.values():
            each.stop()
    assert {each["from"] for each in found["moves"]} == {"n1"}
    assert {each["to"] for each in found["moves"]} == {"n2", "n3"}
    assert {each["wave"] for each in found["moves"]} == {1, 2}, "two at a time"
    assert fills(where(crowded), cpu) == {"n1": 0.4, "n2": 0.4, "n3": 0.4}
    for name, each in everyone.items():
        assert not each.report().errors, f"{name}: {each.report()}"
        assert each.missing() == [], name
    nothing_left(crowded)
    now = where(crowded)
    assert rebalance(crowded, "--apply")["moves"] == [], "the second run does nothing"
    crowded.vsctl("apply", "--wait", FILE)
    crowded.settle()
    assert where(crowded) == now, "apply keeps the result"


@pytest.mark.full
def test_killed_in_the_middle_of_a_wave(crowded: Stage) -> None:
    lab = crowded.lab
    full = where(crowded)["vs1"]
    cpu = {name: 4.0 if where(crowded)[name] == full else 0.5 for name in SIX}
    tell(crowded, cpu)
    program = lab.node("n3").popen(["vsctl", "rebalance", "--apply", "--loads", LOADS])
    try:
        lab.wait(lambda: moving(crowded), "the first wave is on its way", 60)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
    crowded.settle()
    assert all(crowded.serving(name) for name in SIX), "no server is lost"
    rebalance(crowded, "--apply")
    nothing_left(crowded)
    assert all(crowded.serving(name) for name in SIX)
    assert rebalance(crowded, "--apply")["moves"] == []
    assert max(fills(where(crowded), cpu).values()) < 0.6


def test_a_dead_nodes_load_is_shared_at_once(crowded: Stage) -> None:
    """Nobody balances after the crash: the scores that are in the CIB do."""
    lab = crowded.lab
    cpu = dict(zip(SIX, (3.0, 2.5, 2.0, 1.5, 1.0, 0.5), strict=True))
    tell(crowded, cpu)
    rebalance(crowded, "--apply")
    nothing_left(crowded)
    before = where(crowded)
    lab.kill("n2")
    lab.wait_until_fenced("n2", 60)
    crowded.settle()
    after = where(crowded)
    assert all(crowded.serving(name) for name in SIX)
    assert {name: after[name] for name in SIX if before[name] != "n2"} == {
        name: node for name, node in before.items() if node != "n2"
    }, "who is not concerned stays"
    displaced = [name for name in SIX if before[name] == "n2"]
    best = min(
        max(fills({**before, **dict(zip(displaced, choice, strict=True))}, cpu).values())
        for choice in product(("n1", "n3"), repeat=len(displaced))
    )
    assert max(fills(after, cpu).values()) <= 1.1 * best
    lab.boot("n2")
    lab.wait_for_nodes()
