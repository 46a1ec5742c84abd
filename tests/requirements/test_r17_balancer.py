"""R14, R16, R17: the balancer evens out the load by itself, and another one goes on where it was killed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.clients import Client
from tests.lab.stage import FILE, PORTS, Stage, cluster_file
from vsctl.cib_templates import stored
from vsctl.policy import naming, scores

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SERVERS = ("vs1", "vs2", "vs3", "vs4")
NODES = ("n1", "n2", "n3")
ADDRESSES = {name: f"192.0.2.{10 + number}" for number, name in enumerate(SERVERS, 1)}
SMALL = {"cpu": 1000, "memory": "1G", "network": "1000G", "hard": True}
NEED = "load: {memory: 250M},"
"""What is declared counts at least where a capacity is hard: each needs a quarter of a node, whatever is measured."""
SETTLED = 120
"""Seconds until loads are known, which takes half a minute, and a look at them has come, on a slow machine."""


def four(home: str = "") -> str:
    return "\n".join(
        f"{name}: {{{home} {NEED} addresses: [{address}/24], filesystems: {{root: {{exports: "
        "[{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]}}}"
        for name, address in ADDRESSES.items()
    )


def document(stage: Stage, servers: str, mode: str) -> dict[str, Any]:
    nodes = {node: {"ports": PORTS, "capacity": SMALL} for node in NODES}
    balance = {"mode": mode, "every": "10s", "cool_down": "1s", "max_moves": 1}
    return cluster_file(stage.lab, servers, nodes=nodes, policy={"balance": balance})


@pytest.fixture
def crowded(bare: Stage) -> Iterator[Stage]:
    """All four are at home on n1, and a balancer on another node looks at that and moves nothing."""
    bare.become(document(bare, four("home: n1,"), "manual"))
    if bare.lab.where(naming.BALANCER) == "n1":
        ask = ["crm_resource", "--resource", naming.BALANCER]
        bare.lab.any_node().run([*ask, "--move", "--node", "n2"])
        bare.lab.wait(lambda: bare.lab.where(naming.BALANCER) == "n2", "the balancer runs on n2")
        bare.lab.any_node().run([*ask, "--clear"])
    yield bare
    bare.lab.heal()
    bare.clear()


def let_go(stage: Stage) -> None:
    """Let all four be anywhere, and the balancer move them, one at a time."""
    stage.document = document(stage, four(), "auto")
    stage.write(stage.document)
    stage.vsctl("apply", "--yes", FILE)


def where(stage: Stage) -> dict[str, str | None]:
    return {name: stage.lab.where(naming.net(name)) for name in SERVERS}


def moving(stage: Stage) -> tuple[tuple[str, str], ...]:
    return stored.load(stage.lab.cib()).moving


def moves_of(stage: Stage, node: str) -> int:
    """Return how many moves the balancer of a node has made."""
    return stage.vsctl("events", node, "--all").stdout.count("the balancer has moved")


@pytest.mark.full
def test_a_balancer_that_is_killed_in_a_wave_loses_nothing_and_another_one_goes_on(crowded: Stage) -> None:
    lab, c1 = crowded.lab, crowded.lab.client("c1")
    master = lab.where(naming.BALANCER)
    assert master is not None and set(where(crowded).values()) == {"n1"}
    writers = {name: Client.nfs(c1, address, "/root/srv") for name, address in ADDRESSES.items()}
    for each in writers.values():
        each.start()
    try:
        for each in writers.values():
            each.wait_for_progress()
        let_go(crowded)
        lab.wait(lambda: moving(crowded), "the balancer has begun a wave", SETTLED)
        lab.kill(master)
        lab.wait_until_fenced(master, 60)
        left = {node for node in NODES if node != master}

        def even() -> bool:
            return not moving(crowded) and Counter(where(crowded).values()) == dict.fromkeys(left, 2)

        lab.wait(even, "another balancer has evened out the two nodes that are left", SETTLED)
        crowded.settle()
        for each in writers.values():
            each.wait_for_progress()
    finally:
        for each in writers.values():
            each.stop()
    for name, each in writers.items():
        assert each.missing() == [], f"{name}: {each.report()}"
    assert all(crowded.serving(name) for name in SERVERS), "no server is lost"
    successor = lab.where(naming.BALANCER)
    assert successor in left
    assert moves_of(crowded, successor) > 0, "the rest was not left to chance"
    nothing_is_left(crowded)
    found = json.loads(crowded.vsctl("rebalance", "--periodic", "--json").stdout)
    assert found["moves"] == [], "it is done"


def nothing_is_left(stage: Stage) -> None:
    """Every server sticks to its node and likes it best, and nothing is there that the cluster file does not ask for."""
    cib = stage.lab.cib()
    assert stored.load(cib).moving == ()
    sticks = cib.xpath("//primitive[@type='net']/meta_attributes/nvpair[@name='resource-stickiness']/@value")
    assert [str(each) for each in sticks] == [str(scores.HELD)] * len(SERVERS)
    liked = stored.preferences(cib)
    assert {name: liked[name][0] for name in SERVERS} == where(stage)
    assert stage.vsctl("plan", FILE).stdout.startswith("nothing to do")
