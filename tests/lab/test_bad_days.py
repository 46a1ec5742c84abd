"""Much fails at once, and nobody is left to tell of it: is any virtual server stopped that could run?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab import history
from tests.lab.clients import Client
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab

CLUSTER_FILE = Path(__file__).with_name("subnets.yaml")
EXPORTS = {
    "vs1": ("192.0.2.11", "/root/projects"),
    "vs2": ("192.0.2.12", "/root/scratch"),
    "vs3": ("192.0.2.13", "/root/media"),
}
DAEMON = "vsctl-daemon-clone"


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    """vs1, vs2 (pinned) and vs3 (rather moves than is routed) on n1."""
    for server in EXPORTS:
        lab.disk(f"{server}-root")
    lab.node("n1").run(["vsctl", "apply", "--wait", CLUSTER_FILE], timeout=180)
    return lab


@pytest.fixture
def writers(cluster: Lab) -> Iterator[list[Client]]:
    """Who writes to each of them; nothing acknowledged may be missing."""
    with ExitStack() as all_of_them:
        clients = [Client.nfs(cluster.client("c1"), *each) for each in EXPORTS.values()]
        for each in clients:
            all_of_them.enter_context(each).wait_for_progress()
        yield clients
    for each in clients:
        assert not each.report().errors
        assert each.missing() == []


def said(lab: Lab, node: str) -> dict[str, str]:
    now = lab.status()
    found = [] if now is None else now.xpath("//node_attributes/node[@name=$node]/attribute", node=node)
    return {each.get("name"): each.get("value") for each in found}


def moved(lab: Lab, since: float) -> set[str]:
    """Return the servers whose namespace was stopped anywhere since then."""
    return {
        each.resource.removesuffix("-net")
        for each in history.begun(lab, "stop", since)
        if each.resource.endswith("-net")
    }


def test_two_nodes_lose_a_subnet_at_once_and_a_daemon_dies_over_it(
    cluster: Lab, writers: list[Client]
) -> None:
    lab, since = cluster, time.time()
    daemon = lab.node("n1").path("/run/vsctl/_daemon/process").read_text().split()[0]
    for node in ("n1", "n2"):
        lab.cut(f"{node}/lan-a")
    lab.node("n1").run(["kill", "-KILL", daemon])
    for each in writers:
        each.wait_for_progress()
    assert moved(lab, since) <= {"vs3"}, "who can be routed stays"
    assert {each: lab.where(f"{each}-net") for each in EXPORTS} == {"vs1": "n1", "vs2": "n1", "vs3": "n3"}
    assert {lab.where(f"{each}-vip-lan-a") for each in EXPORTS} == {"n3"}
    for node in ("n1", "n2"):
        lab.mend(f"{node}/lan-a")
    lab.wait(lambda: said(lab, "n1").get("subnet-lan-a") == "2", "n1 has lan-a again", 60)
    lab.wait(
        lambda: lab.where("vs1-vip-lan-a") == lab.where("vs2-vip-lan-a") == "n1", "n1 announces again", 60
    )
    for each in writers:
        each.wait_for_progress()


def test_a_node_that_says_nothing_is_good_enough(cluster: Lab, writers: list[Client]) -> None:
    """n3 comes back, and its daemon does not start: not one attribute of it is there."""
    lab = cluster
    lab.any_node().run(["vsctl", "failback", "vs3", "--wait"], check=False, timeout=120)
    lab.kill("n3")
    lab.wait_until_fenced("n3")
    lab.any_node().run(["crm_resource", "--ban", "--resource", DAEMON, "--node", "n3"])
    lab.boot("n3")
    lab.wait_for_nodes()
    try:
        lab.wait(lambda: lab.where("fence-n1") is not None, "the cluster has settled", 60)
        assert not {"node-ok", "subnet-lan-a", "ports-good"} & set(said(lab, "n3"))
        since = time.time()
        for node in ("n1", "n2"):
            lab.cut(f"{node}/lan-a")
        for each in writers:
            each.wait_for_progress()
        assert moved(lab, since) <= {"vs3"}
        assert {lab.where(f"{each}-vip-lan-a") for each in EXPORTS} == {"n3"}
        lab.cut("n1/lan-b")
        for server, each in zip(EXPORTS, writers, strict=True):
            if server != "vs2":
                each.wait_for_progress()
        assert lab.where("vs1-net") in ("n2", "n3"), (
            "n1 has no port; n2 can be routed to, and n3 has not said that it lacks anything"
        )
        assert lab.where("vs2-net") == "n1", "a pinned server stays"
    finally:
        lab.any_node().run(["crm_resource", "--clear", "--resource", DAEMON])
        for target in ("n1/lan-b", "n1/lan-a", "n2/lan-a"):
            lab.mend(target)
    lab.wait(lambda: "node-ok" in said(lab, "n3"), "n3 has reported", 60)
    for each in writers:
        each.wait_for_progress()
