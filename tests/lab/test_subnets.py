"""A node loses a subnet: a peer announces and routes, sessions go on. What becomes of the router, and of the route?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab import history, series
from tests.lab.at_work import at_work, go_on
from tests.lab.lab import Lab
from tests.lab.subnets import CLUSTER_FILE, SERVERS, Users, clients_of, serving

pytestmark = pytest.mark.lab

VIP4, VIP6, _ = SERVERS["vs1"]
ANNOUNCER = "vs1-vip-lan-a"
SETTLED = 30.0
TRIALS = 20
FLAPS, FOR_A_MOMENT = 10, 0.5
FILE = "/etc/vsctl.yaml"
SETTINGS = "/run/vsctl/_daemon/settings"


@pytest.fixture(scope="module")
def lab_settings() -> dict[str, Any]:
    return {"nodes": 3}


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    return serving(lab)


@pytest.fixture
def at_home(cluster: Lab) -> Iterator[Lab]:
    """Everything is on n1, every subnet is there, and nothing has failed."""
    cluster.heal()
    for node in cluster.nodes:
        cluster.wait(lambda it=node.name: daemon_of(cluster, it), f"the daemon of {node.name} is there", 60)
        for port, its in daemon_of(cluster, node.name)["ports"].items():
            if its["losses"] or not its["good"]:
                release(cluster, node.name, port)
        cluster.wait(lambda it=node.name: lost(cluster, it) == set(), f"all is well on {node.name}", 60)
    cluster.any_node().run(["vsctl", "cleanup"])
    cluster.any_node().run(["vsctl", "failback"], timeout=120)
    parts = (ANNOUNCER, "vs2-vip-lan-a", "vs3-vip-lan-a", "vs1-gate", "vs2-gate", "vs3-gate")
    cluster.wait(lambda: all(cluster.where(each) == "n1" for each in parts), "all is on n1", 90)
    yield cluster


def release(lab: Lab, node: str, port: str) -> None:
    """Let a node use a port again at once that works again."""
    where = lab.any_node()
    lab.wait(
        lambda: where.run(["vsctl", "release", f"{node}/{port}"], check=False).returncode == 0,
        f"{port} of {node} is good",
        60,
    )


def lost(lab: Lab, node: str) -> set[str]:
    """Return the subnets that a node says it has lost; `all` while it has said nothing."""
    now = lab.status()
    if now is None:
        return {"all"}
    found = now.xpath("//node_attributes/node[@name=$node]/attribute", node=node)
    said = {each.get("name"): each.get("value") for each in found}
    gone = {
        name.removeprefix("subnet-")
        for name, value in said.items()
        if name.startswith("subnet-") and value == "0"
    }
    return gone if "node-ok" in said else {"all"}


def lose(lab: Lab, node: str, *, how: str) -> None:
    """Cut or mute all ports of a node on lan-a."""
    (lab.cut if how == "cut" else lab.mute)(f"{node}/lan-a")


def regain(lab: Lab, node: str, *, how: str) -> None:
    (lab.mend if how == "cut" else lab.unmute)(f"{node}/lan-a")
    for port in ("e0a", "e0b"):
        release(lab, node, port)


def begun(lab: Lab, since: float) -> set[str]:
    """Return the resources for which anything was started or stopped since then, seconds since the epoch."""
    return {each.resource for what in ("start", "stop") for each in history.begun(lab, what, since)}


@pytest.mark.parametrize("address", [VIP4, VIP6])
def test_a_second_announcer_is_noticed(cluster: Lab, address: str) -> None:
    """What every test here is watched by sees a host that answers for an address that is announced."""
    c1, heard = cluster.client("c1"), cluster.announcers
    assert heard is not None
    impostor = ["ip", "address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else [])]
    c1.run(impostor)
    try:
        cluster.wait(lambda: f"{address} by " in " ".join(heard.look().twice), "two hosts answer")
    finally:
        c1.run(["ip", "address", "delete", f"{address}/{128 if ':' in address else 32}", "dev", "eth0"])
    assert {each.partition(" at ")[0] for each in heard.look().twice} <= {
        f"{address} by c1 and n1",
        f"{address} by n1 and c1",
    }
    heard.twice = ()


@pytest.mark.parametrize("how", [pytest.param("cut", marks=pytest.mark.full), "mute"])
def test_a_lost_subnet_is_routed_through_a_peer(at_home: Lab, how: str) -> None:
    lab = at_home
    assert not traces(lab, "n2") and not traces(lab, "n3")
    with Users(lab) as users:
        users.go_on()
        since = time.time()
        lose(lab, "n1", how=how)
        users.go_on()
        router = lab.where(ANNOUNCER)
        assert router in ("n2", "n3")
        assert lab.where("vs1-net") == "n1"
        only_announcers(lab, since)
        assert announcing(lab) == {router}
        assert forwards(lab, router) == [], "it routes to vs1, and nowhere else"
        with everything_forwarded(lab, router):
            assert forwards(lab, router) == [*BEYOND], "or the question above is none"
        assert (
            f"routed through {router}" in lab.node("n1").run(["vsctl", "status", "vs1"], check=False).stdout
        )

        since, clock = time.time(), time.monotonic()
        with kept_away(lab, "n1"):
            regain(lab, "n1", how=how)
            lab.wait(lambda: usable(lab, "n1") == {"e0a", "e0b", "e1a"}, "n1 uses its ports again")
            assert announcing(lab) == {router}, "the reflex has acted, and takes nothing back from a peer"
        lab.wait(lambda: lab.where(ANNOUNCER) == "n1", "the announcer is back", SETTLED)
        users.go_on()
        only_announcers(lab, since)
        assert announcing(lab) == {"n1"}, "never two"
        for each in users.clients:
            gaps = [length for at, length in each.report().gaps if at > clock]
            assert max(gaps, default=0.0) < 1.0, "coming back interrupts nobody"
        users.lost_nothing()
    lab.wait(lambda: not traces(lab, router), f"nothing is left on {router}", SETTLED)


def traces(lab: Lab, node: str) -> list[str]:
    """Return all that a node does for vs1's addresses; other servers may have come meanwhile."""
    commands = (
        "ip rule",
        "ip -6 rule",
        "ip route",
        "ip -6 route",
        "ip neighbour show proxy",
        "ip -6 neighbour show proxy",
        "nft list ruleset",
    )
    said = "\n".join(lab.node(node).run(command.split()).stdout for command in commands)
    return [line for line in said.splitlines() if {VIP4, VIP6} & set(line.split())]


def announcing(lab: Lab) -> set[str]:
    """Return the nodes that answer for vs1's addresses to its clients."""
    asked = {
        node.name: node.run(["ip", "neighbour", "show", "proxy"]).stdout
        + node.run(["ip", "-6", "neighbour", "show", "proxy"]).stdout
        for node in lab.nodes
    }
    return {
        node
        for node, said in asked.items()
        if any(f"{each} dev {port} " in said for each in (VIP4, VIP6) for port in ("e0a", "e0b"))
    }


BEYOND = ("198.51.100.202", "2001:db8:b::202")
"""A host on the other subnet."""


def forwards(lab: Lab, router: str) -> list[str]:
    """Return by which of its addresses c1 reaches a host on the other subnet through a node."""
    c1, number = lab.client("c1"), router.removeprefix("n")
    answered = []
    for host in BEYOND:
        via = f"2001:db8:a::10{number}" if ":" in host else f"192.0.2.10{number}"
        c1.run(["ip", "route", "replace", host, "via", via])
        if c1.run(["ping", "-c1", "-W1", host], check=False).returncode == 0:
            answered.append(host)
        c1.run(["ip", "route", "delete", host])
    return answered


@contextmanager
def everything_forwarded(lab: Lab, node: str) -> Iterator[None]:
    """Let a node forward whatever it may without our packet filter."""
    filtering = lab.node(node).run(["nft", "list", "table", "inet", "vsctl"]).stdout
    lab.node(node).run(["nft", "delete", "table", "inet", "vsctl"])
    try:
        yield
    finally:
        lab.node(node).run(["nft", "-f", "-"], input=filtering)


@contextmanager
def kept_away(lab: Lab, node: str) -> Iterator[None]:
    """Let Pacemaker not bring the announcer of vs1 to a node."""
    command = ["crm_resource", "--resource", ANNOUNCER, "--node", node]
    lab.any_node().run([*command, "--ban"])
    try:
        yield
    finally:
        lab.any_node().run([*command, "--clear"])


def usable(lab: Lab, node: str) -> set[str]:
    """Return the ports that a node's daemon uses."""
    return {port for port, its in daemon_of(lab, node)["ports"].items() if its["good"]}


def working(lab: Lab, node: str) -> set[str]:
    """Return the ports of a node that its daemon has seen work, whether it uses them or not."""
    return {port for port, its in daemon_of(lab, node)["ports"].items() if its["works"]}


def daemon_of(lab: Lab, node: str) -> dict[str, Any]:
    """Return what the daemon of a node knows, nothing before it knows anything."""
    known = lab.node(node).path("/run/vsctl/_daemon/state.json")
    return dict(json.loads(known.read_text())) if known.exists() else {}


def only_announcers(lab: Lab, since: float) -> None:
    moved = {each for each in begun(lab, since) if each.startswith("vs1-")}
    assert moved == {ANNOUNCER}, "nothing but the announcer moves"


def test_another_peer_takes_over_when_the_router_dies(at_home: Lab) -> None:
    lab = at_home
    with Users(lab) as users:
        lose(lab, "n1", how="cut")
        users.go_on()
        router = lab.where(ANNOUNCER)
        assert router in ("n2", "n3")
        other = "n3" if router == "n2" else "n2"
        lab.kill(router)
        users.go_on()
        assert lab.where(ANNOUNCER) == other
        assert lab.where("vs1-net") == "n1"
        lab.wait_until_fenced(router)
        lab.boot(router)
        lab.wait_for_nodes()
        lab.wait(lambda: lost(lab, router) == set(), f"{router} has reported", 60)
        regain(lab, "n1", how="cut")
        lab.wait(lambda: lab.where(ANNOUNCER) == "n1", "the announcer is back", SETTLED)
        users.go_on()
        users.lost_nothing()


def test_it_moves_when_the_only_router_dies(at_home: Lab) -> None:
    lab = at_home
    lab.cut("n3/lan-b")  # it reaches clients, and not n1
    with at_work(clients_of(lab, "vs1"), stays=False) as clients:
        lose(lab, "n1", how="cut")
        go_on(clients)
        assert lab.where(ANNOUNCER) == "n2"
        lab.kill("n2")
        lab.wait(lambda: lab.where("vs1-net") == "n3", "vs1 is where its addresses can be announced", 60)
        go_on(clients)
        assert lab.where(ANNOUNCER) == "n3"
        lab.wait_until_fenced("n2")
        lab.mend("n1/lan-a")
        lab.boot("n2")
        lab.wait_for_nodes()


def test_a_pinned_server_is_routed_and_one_that_may_move_moves(at_home: Lab) -> None:
    lab = at_home
    with Users(lab, "vs2") as pinned, at_work(clients_of(lab, "vs3"), stays=False) as moving:
        lose(lab, "n1", how="cut")
        pinned.go_on()
        go_on(moving)
        assert lab.where("vs2-net") == "n1"
        assert lab.where("vs2-vip-lan-a") in ("n2", "n3")
        there = lab.where("vs3-net")
        assert there in ("n2", "n3")
        assert lab.where("vs3-vip-lan-a") == there, "what has moved is announced directly"
        regain(lab, "n1", how="cut")
        pinned.go_on()
        go_on(moving)
        pinned.lost_nothing()


def test_a_server_moves_while_it_is_routed(at_home: Lab) -> None:
    lab = at_home
    with at_work(clients_of(lab, "vs1"), stays=False) as clients:
        lose(lab, "n1", how="cut")
        go_on(clients)
        router = lab.where(ANNOUNCER)
        lab.any_node().run(["vsctl", "move", "vs1", "n3" if router == "n2" else "n2", "--wait"], timeout=120)
        go_on(clients)
        assert lab.where(ANNOUNCER) == lab.where("vs1-net") != "n1", "announced directly again"
        lab.any_node().run(["vsctl", "failback", "vs1", "--wait"], check=False, timeout=120)
        go_on(clients)


def test_a_flapping_subnet_costs_one_failover(at_home: Lab) -> None:
    """A peer takes over, and the announcer does not come back to ports that work for a moment now and then."""
    lab, since = at_home, time.time()
    with Users(lab) as users:
        for _ in range(FLAPS):
            lose(lab, "n1", how="cut")
            lab.wait(lambda: working(lab, "n1") == {"e1a"}, "the daemon has noticed")
            lab.wait(lambda: lab.where(ANNOUNCER) in ("n2", "n3"), "a peer announces")
            lab.mend("n1/lan-a")
            lab.wait(lambda: working(lab, "n1") == {"e0a", "e0b", "e1a"}, "all ports work again")
            over = time.monotonic() + FOR_A_MOMENT
            lab.wait(lambda it=over: time.monotonic() > it, "they have worked for a moment")
        users.go_on()
        begun_there = [each.node for each in history.begun(lab, "start", since) if each.resource == ANNOUNCER]
        assert begun_there == [lab.where(ANNOUNCER)], "one failover, not ten"
        regain(lab, "n1", how="cut")
        lab.wait(lambda: lab.where(ANNOUNCER) == "n1", "an operator has the last word", SETTLED)
        users.go_on()
        users.lost_nothing()


def test_its_node_dies_while_it_is_routed(at_home: Lab) -> None:
    lab = at_home
    with at_work(clients_of(lab, "vs1"), stays=False) as clients:
        lose(lab, "n1", how="cut")
        go_on(clients)
        lab.kill("n1")
        go_on(clients)
        assert lab.where("vs1-net") == lab.where(ANNOUNCER) != "n1"
        lab.wait_until_fenced("n1")
        lab.mend("n1/lan-a")
        lab.boot("n1")
        lab.wait_for_nodes()


@pytest.mark.full
def test_a_subnet_that_no_node_has_is_announced_again_when_one_has(at_home: Lab) -> None:
    lab = at_home
    with Users(lab) as users:
        users.go_on()
        for node in lab.nodes:
            lose(lab, node.name, how="cut")
        lab.wait(lambda: lab.where(ANNOUNCER) is None, "nobody announces", SETTLED)
        assert lab.where("vs1-net") == lab.where("vs1-gate") == "n1", "the server stays"
        regain(lab, "n3", how="cut")
        users.go_on()
        assert lab.where(ANNOUNCER) == "n3"
        for node in ("n1", "n2"):
            regain(lab, node, how="cut")
        users.lost_nothing()


def test_a_node_without_any_port_loses_its_servers(at_home: Lab) -> None:
    """To the node that can announce their addresses, not to the one that they like better."""
    lab = at_home
    _, better, other = liked(lab, "vs1")
    lose(lab, better, how="cut")
    lab.wait(lambda: lost(lab, better) == {"lan-a"}, f"{better} has lost lan-a")
    with at_work(clients_of(lab, "vs1"), stays=False) as clients:
        for subnet in ("lan-a", "lan-b"):
            lab.cut(f"n1/{subnet}")
        go_on(clients)
        assert lab.where("vs1-net") == lab.where(ANNOUNCER) == other
        assert lab.where("vs2-net") == "n1", "a pinned server stays"
        for subnet in ("lan-a", "lan-b"):
            lab.mend(f"n1/{subnet}")


def liked(lab: Lab, server: str) -> list[str]:
    """Return the nodes in the order in which a server likes them."""
    found = lab.cib().xpath(f"//rsc_location[starts-with(@id, 'vsctl-prefer-{server}.')]")
    return [each.get("node") for each in sorted(found, key=lambda each: -int(each.get("score")))]


def test_a_server_that_nobody_can_route_to_moves_unless_it_is_pinned(at_home: Lab) -> None:
    lab = at_home
    with at_work(clients_of(lab, "vs1"), stays=False) as clients:
        for node in ("n2", "n3"):
            lab.cut(f"{node}/lan-b")  # they reach clients, and not n1
        lose(lab, "n1", how="cut")
        lab.wait(lambda: lab.where("vs1-net") in ("n2", "n3"), "vs1 has left n1", 60)
        go_on(clients)
        assert lab.where(ANNOUNCER) == lab.where("vs1-net"), (
            "announced directly, though it failed there before"
        )
        assert lab.where("vs2-net") == "n1", "a pinned server stays"
        assert asked_to_leave(lab, "vs1") == {"n1"}
        assert asked_to_leave(lab, "vs2") == set()
        for node in ("n2", "n3"):
            lab.mend(f"{node}/lan-b")
        regain(lab, "n1", how="cut")
        lab.wait(lambda: not asked_to_leave(lab, "vs1"), "n1 would take vs1 again", SETTLED)


def test_a_server_moves_when_its_bridge_is_over(at_home: Lab) -> None:
    lab = at_home
    change(lab, "bridge: 8s")
    lab.wait(lambda: "bridge=8" in lab.node("n1").path(SETTINGS).read_text(), "the daemon has heard of it")
    with at_work(clients_of(lab, "vs1"), stays=False) as clients:
        lose(lab, "n1", how="cut")
        go_on(clients)
        assert lab.where("vs1-net") == "n1", "first it is routed"
        lab.wait(lambda: lab.where("vs1-net") != "n1", "vs1 has left n1", 60)
        go_on(clients)
        assert lab.where(ANNOUNCER) == lab.where("vs1-net")
        regain(lab, "n1", how="cut")
        lab.wait(lambda: not asked_to_leave(lab, "vs1"), "n1 would take vs1 again", SETTLED)
    change(lab, "bridge: 10m")


def asked_to_leave(lab: Lab, server: str) -> set[str]:
    """Return the nodes that ask a server to leave, or to stay away."""
    now = lab.status()
    found = [] if now is None else now.xpath("//attribute[@name=$name]/..", name=f"evict-{server}")
    return {each.get("name") for each in found}


def change(lab: Lab, line: str) -> None:
    """Give vs1 another bridge; nothing may move for that."""
    text = CLUSTER_FILE.read_text().replace("  vs1:\n", f"  vs1:\n    {line}\n")
    lab.any_node().write(FILE, text)
    since = time.time()
    lab.any_node().run(["vsctl", "apply", FILE])
    assert not {each for each in begun(lab, since) if each.startswith("vs")}


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_outages_while_a_peer_takes_over(at_home: Lab) -> None:
    """vs3, which would move at the same time, is elsewhere."""
    lab = at_home
    lab.any_node().run(["vsctl", "move", "vs3", "n3", "--wait"], timeout=120)
    outages: dict[str, list[float]] = {"NFS": [], "SMB": []}
    with Users(lab) as users:
        for _ in range(TRIALS):
            users.go_on()
            began = time.monotonic()
            lose(lab, "n1", how="cut")
            users.go_on()
            series.note(outages, users.clients, began)
            regain(lab, "n1", how="cut")
            lab.wait(lambda: lab.where(ANNOUNCER) == "n1", "the announcer is back", SETTLED)
        users.lost_nothing()
    series.judge("a lost subnet, routed", outages, 1.5)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_outages_while_a_server_moves(at_home: Lab) -> None:
    lab = at_home
    outages: dict[str, list[float]] = {"NFS": [], "SMB": []}
    with at_work(clients_of(lab, "vs3"), stays=False) as clients:
        for _ in range(TRIALS):
            here = lab.where("vs3-net")
            assert here is not None
            go_on(clients)
            began = time.monotonic()
            lose(lab, here, how="cut")
            lab.wait(lambda it=here: lab.where("vs3-gate") not in (None, it), "vs3 is elsewhere", 60)
            go_on(clients)
            series.note(outages, clients, began)
            regain(lab, here, how="cut")
    series.judge("a lost subnet, moved", outages, 4.0)
