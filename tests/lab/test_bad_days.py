"""Much fails at once, and nobody is left to tell of it: is any virtual server stopped that could run?"""

from __future__ import annotations

import time

import pytest

from tests.lab import history
from tests.lab.at_work import at_work, go_on
from tests.lab.lab import Lab
from tests.lab.subnets import SERVERS, Users, clients_of, serving

pytestmark = pytest.mark.lab

DAEMON = "vsctl-daemon-clone"


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    """vs1, vs2 (pinned) and vs3 (rather moves than is routed) on n1."""
    return serving(lab)


@pytest.fixture
def at_home(cluster: Lab) -> Lab:
    lab = cluster
    lab.heal()
    lab.any_node().run(["vsctl", "failback"], timeout=120)
    parts = [f"{server}-{part}" for server in SERVERS for part in ("gate", "vip-lan-a")]
    lab.wait(lambda: all(lab.where(each) == "n1" for each in parts), "all is on n1", 90)
    return lab


def said(lab: Lab, node: str) -> dict[str, str]:
    now = lab.status()
    found = [] if now is None else now.xpath("//node_attributes/node[@name=$node]/attribute", node=node)
    return {each.get("name"): each.get("value") for each in found}


def disturbed(lab: Lab, since: float) -> set[str]:
    """Return the servers of which anything but announcers was started or stopped anywhere since then."""
    touched = {each.resource for what in ("start", "stop") for each in history.begun(lab, what, since)}
    parts = [each.partition("-") for each in touched if "-vip-" not in each]
    return {server for server, _, _ in parts if server in SERVERS}


@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.full), "between"])
def test_two_nodes_lose_a_subnet_at_once_and_a_daemon_dies_over_it(at_home: Lab, when: str) -> None:
    lab, since = at_home, time.time()
    daemon = lab.node("n1").path("/run/vsctl/_daemon/process").read_text().split()[0]
    kill = ["kill", "-KILL", daemon]
    with (
        Users(lab, "vs1") as vs1,
        Users(lab, "vs2") as vs2,
        at_work(clients_of(lab, "vs3"), stays=False) as vs3,
    ):
        if when == "before":
            lab.node("n1").run(kill)
        lab.cut("n1/lan-a")
        if when == "between":
            lab.node("n1").run(kill)
        lab.cut("n2/lan-a")
        for users in (vs1, vs2):
            users.go_on()
        go_on(vs3)
        assert disturbed(lab, since) <= {"vs3"}, "who can be routed stays"
        where = {each: lab.where(f"{each}-net") for each in SERVERS}
        assert where == {"vs1": "n1", "vs2": "n1", "vs3": "n3"}
        assert {lab.where(f"{each}-vip-lan-a") for each in SERVERS} == {"n3"}
        for node in ("n1", "n2"):
            lab.mend(f"{node}/lan-a")
        lab.wait(lambda: said(lab, "n1").get("subnet-lan-a") == "2", "n1 has lan-a again", 60)
        for each in ("vs1", "vs2"):
            lab.wait(lambda it=each: lab.where(f"{it}-vip-lan-a") == "n1", f"n1 announces {each} again", 60)
        for users in (vs1, vs2):
            users.go_on()
        go_on(vs3)
        assert disturbed(lab, since) <= {"vs3"}, "nor does it cost anything that the subnet is back"
        for users in (vs1, vs2):
            users.lost_nothing()


def test_a_node_that_says_nothing_is_good_enough(at_home: Lab) -> None:
    """n3 comes back, and its daemon does not start: not one attribute of it is there."""
    lab = at_home
    lab.kill("n3")
    lab.wait_until_fenced("n3")
    lab.any_node().run(["crm_resource", "--ban", "--resource", DAEMON, "--node", "n3"])
    lab.boot("n3")
    lab.wait_for_nodes()
    moving = [*clients_of(lab, "vs1"), *clients_of(lab, "vs3")]
    with Users(lab, "vs2") as vs2, at_work(moving, stays=False):
        try:
            lab.wait(lambda: lab.where("fence-n1") is not None, "the cluster has settled", 60)
            assert not {"node-ok", "subnet-lan-a", "ports-good"} & set(said(lab, "n3"))
            since = time.time()
            for node in ("n1", "n2"):
                lab.cut(f"{node}/lan-a")
            vs2.go_on()
            go_on(moving)
            assert disturbed(lab, since) <= {"vs3"}
            assert {lab.where(f"{each}-vip-lan-a") for each in SERVERS} == {"n3"}
            lab.cut("n1/lan-b")
            go_on(moving)
            assert lab.where("vs1-net") in ("n2", "n3"), (
                "n1 has no port; n2 can be routed to, and n3 has not said that it lacks anything"
            )
            assert lab.where("vs2-net") == "n1", "a pinned server stays"
            assert disturbed(lab, since) <= {"vs1", "vs3"}, "and is not touched"
        finally:
            lab.any_node().run(["crm_resource", "--clear", "--resource", DAEMON])
            for target in ("n1/lan-b", "n1/lan-a", "n2/lan-a"):
                lab.mend(target)
        lab.wait(lambda: "node-ok" in said(lab, "n3"), "n3 has reported", 60)
        vs2.go_on()
        go_on(moving)
        vs2.lost_nothing()
