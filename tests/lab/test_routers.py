"""A node has no port left on a subnet, but one beside a router: do clients behind the router go on, and how soon?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import history, routing, series
from tests.lab.announcers import addresses_in
from tests.lab.clients import Client
from tests.lab.lab import Lab
from tests.lab.routing import learnt, of_router, sessions
from tests.lab.sessions import Session, serve

pytestmark = pytest.mark.lab

CLUSTER_FILE = Path(__file__).with_name("routers.yaml")
PORTS = {"e0a": "lan-a", "e0b": "lan-a", "e1a": "lan-b", "e2a": "lan-c"}
OF_VS1, OF_VS2 = {"192.0.2.11", "2001:db8:a::11"}, {"192.0.2.12", "2001:db8:a::12"}
TRIALS = 5
LISTENING = 120.0
"""Seconds within which a router listens: one that speaks OSPF looks around for 40 first."""


@pytest.fixture(scope="module")
def lab_settings() -> dict[str, Any]:
    ports = {"n1": PORTS, "n2": PORTS, "n3": {"e0a": "lan-a", "e2a": "lan-c"}}
    return {"nodes": 3, "ports": ports, "clients": {"c3": "lan-c"}}


@pytest.fixture(scope="module")
def applied(lab: Lab) -> Lab:
    for node in lab.nodes:
        node.write("/etc/vsctl-bgp", "a word\n")
    for server in ("vs1", "vs2"):
        lab.disk(f"{server}-root")
    lab.node("n1").run(["vsctl", "apply", "--wait", CLUSTER_FILE], timeout=180)
    for server, node in (("vs1", "n1"), ("vs2", "n3")):
        lab.node(node).run(["vsctl", "smb-user", server, "add", "alice"], input="wonderland\n")
    lab.watch_announcers(addresses_in(CLUSTER_FILE))
    return lab


@pytest.fixture
def told(applied: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Everything is where it belongs, and the router listens to n1 and n2, by BGP unless the test says how."""
    lab = applied
    lab.heal()
    speak(lab, getattr(request, "param", "bgp"))
    if lab.where("vs1-net") != "n1":
        lab.any_node().run(["vsctl", "failback"], timeout=120)
    places = {"vs1-gate": "n1", "vs1-vip-lan-a": "n1", "vs2-gate": "n3", "vs2-vip-lan-a": "n3"}
    lab.wait(lambda: {each: lab.where(each) for each in places} == places, "all is at home", 90)
    lab.wait(
        lambda: worth(lab, "n1") == worth(lab, "n2") == worth(lab, "n3") == "2", "all ports are good", 60
    )
    lab.wait(lambda: sessions(lab) == 4, "the router listens to n1 and n2", LISTENING)
    assert learnt(lab) == set()
    yield lab


def speak(lab: Lab, protocol: str) -> None:
    """Let the router and the nodes speak BGP or OSPF, unless they do."""
    before = routing.spoken(lab)
    if protocol == before:
        return
    routing.speak(lab, protocol)
    if before is None and protocol == "bgp":
        return  # as the cluster file says
    document = yaml.safe_load(CLUSTER_FILE.read_text())
    if protocol == "ospf":
        document["subnets"]["lan-b"]["routers"] = {"ospf": {"area": "0.0.0.0", "bfd": True}}
    node = lab.any_node()
    node.write("/etc/vsctl.yaml", yaml.safe_dump(document, sort_keys=False))
    node.run(["vsctl", "apply", "--yes", "--wait", "/etc/vsctl.yaml"], timeout=180)


def worth(lab: Lab, node: str) -> str | None:
    said = lab.node(node).run(
        ["attrd_updater", "--query", "--name", "subnet-lan-a", "--node", node], check=False
    )
    return said.stdout.rpartition('value="')[2].partition('"')[0] or None


def gateway_of(lab: Lab, address: str) -> str:
    words = lab.machine("router").run(["ip", "route", "get", address]).stdout.split()
    return words[words.index("via") + 1]


def status(lab: Lab) -> str:
    return lab.any_node().run(["vsctl", "status", "--details"], check=False).stdout


def happened(lab: Lab, since: float) -> list[tuple[str, ...]]:
    """Return what `vsctl events` tells of since then (seconds since the epoch): node, kind, about, state."""
    told = json.loads(lab.any_node().run(["vsctl", "events", "--all", "--json"]).stdout)["events"]
    fields = ("node", "kind", "about", "state")
    return [tuple(each[name] for name in fields) for each in told if each["at"] >= since]


def in_turn(lab: Lab, since: float, *wanted: tuple[str, ...]) -> None:
    """Wait until `vsctl events` has told all of this, in this order, whatever else it tells."""

    def all_of_it() -> bool:
        told = iter(happened(lab, since))
        return all(each in told for each in wanted)

    lab.wait(all_of_it, f"the nodes have told of {wanted}")


class Users:
    """Sessions over IPv4 and IPv6 and writers by NFS and SMB, from behind the router."""

    def __init__(self, lab: Lab, node: str, server: str, addresses: set[str], clients: list[Client]) -> None:
        self.server = serve(lab.node(node), server)
        self.sessions = [Session(lab.client("c3"), each) for each in sorted(addresses)]
        self.clients = clients

    def __enter__(self) -> Users:
        with ExitStack() as stack:
            for each in self.clients:
                stack.enter_context(each).wait_for_progress()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for session in self.sessions:
            session.close()
        self.server.communicate()

    def go_on(self) -> float:
        """Return when the sessions have answered and the writers got on, in seconds from now."""
        begun = time.monotonic()
        assert all(session.answers() for session in self.sessions), "a session is lost"
        for each in self.clients:
            each.wait_for_progress()
        return time.monotonic() - begun


@pytest.mark.parametrize("told", ["bgp", pytest.param("ospf", marks=pytest.mark.full)], indirect=True)
@pytest.mark.timeout(400)
def test_clients_behind_the_router_go_on(told: Lab) -> None:
    lab, c3 = told, told.client("c3")
    clients = [
        Client.nfs(c3, "192.0.2.11", "/root/projects"),
        Client.smb(c3, "192.0.2.11", "projects", "alice", "wonderland"),
    ]
    with Users(lab, "n1", "vs1", OF_VS1, clients) as users:
        lab.cut("n1/lan-a")
        print(f"all go on after {users.go_on():.1f} s")
        assert learnt(lab) == OF_VS1
        assert gateway_of(lab, "192.0.2.11") == "198.51.100.101"
        lab.wait(lambda: worth(lab, "n1") == "1", "n1 says how it announces")
        assert lab.where("vs1-net") == lab.where("vs1-vip-lan-a") == "n1", "nothing moves"
        lab.wait(lambda: "by host route to n1 on e1a" in status(lab), "status says so", 30)

        lab.mend("n1/lan-a")
        lab.wait(lambda: learnt(lab) == set(), "n1 announces on lan-a again", 30)
        users.go_on()
        assert lab.where("vs1-vip-lan-a") == "n1"
    for each in users.clients:
        print(f"{each.what} waited {max(length for _, length in each.report().gaps):.2f} s")
        assert not each.report().errors
        assert each.missing() == []


def test_a_peer_announces_by_host_route_when_no_node_has_the_subnet(told: Lab) -> None:
    lab, c3 = told, told.client("c3")
    clients = [
        Client.nfs(c3, "192.0.2.12", "/root/scratch"),
        Client.smb(c3, "192.0.2.12", "scratch", "alice", "wonderland"),
    ]
    with Users(lab, "n3", "vs2", OF_VS2, clients) as users:
        for node in ("n1", "n2"):
            lab.cut(f"{node}/lan-a")
            lab.wait(lambda it=node: worth(lab, it) == "1", f"{node} has lan-b left")
        lab.cut("n3/lan-a")
        print(f"all go on after {users.go_on():.1f} s")
        peer = lab.where("vs2-vip-lan-a")
        assert peer in ("n1", "n2")
        assert lab.where("vs2-net") == "n3"
        assert learnt(lab) >= OF_VS2
        assert gateway_of(lab, "192.0.2.12") == f"198.51.100.10{peer.removeprefix('n')}"
        for node in ("n1", "n2", "n3"):
            lab.mend(f"{node}/lan-a")
        lab.wait(lambda: lab.where("vs2-vip-lan-a") == "n3", "n3 announces on lan-a again", 60)
        lab.wait(lambda: learnt(lab) == set(), "the router is told no more", 30)
        users.go_on()
    for each in users.clients:
        print(f"{each.what} waited {max(length for _, length in each.report().gaps):.2f} s")
        assert not each.report().errors
        assert each.missing() == []


def test_without_a_router_that_listens_a_peer_routes(told: Lab) -> None:
    lab, c3 = told, told.client("c3")
    with Users(lab, "n1", "vs1", OF_VS1, [Client.nfs(c3, "192.0.2.11", "/root/projects")]) as users:
        lab.cut("n1/lan-b")
        lab.wait(lambda: sessions(lab) == 2, "the router listens to n2 alone", 30)
        since = time.time()
        lab.cut("n1/lan-a")
        users.go_on()
        assert lab.where("vs1-net") == "n1"
        peer = lab.where("vs1-vip-lan-a")
        assert peer in ("n2", "n3")
        assert learnt(lab) == set(), "the peer is on lan-a itself"
        in_turn(lab, since, ("n1", "subnet", "lan-a", "lost"), (peer, "route", "vs1/lan-a", "e0a"))
        for subnet in ("lan-a", "lan-b"):
            lab.mend(f"n1/{subnet}")
        lab.wait(lambda: lab.where("vs1-vip-lan-a") == "n1", "n1 announces again", 60)
        users.go_on()
        in_turn(lab, since, (peer, "route", "vs1/lan-a", "e0a"), (peer, "route", "vs1/lan-a", "-"))
        in_turn(lab, since, ("n1", "subnet", "lan-a", "lost"), ("n1", "subnet", "lan-a", "good"))


@pytest.mark.full
def test_a_routing_daemon_that_stands_still_costs_its_node_no_address(told: Lab) -> None:
    """The router takes it for dead, and listens again before anybody is sent anywhere."""
    lab, since = told, time.time()
    bird = lab.node("n1").path("/run/vsctl/_router/bird.pid").read_text().strip()
    lab.cut("n1/lan-a")
    lab.wait(lambda: learnt(lab) == OF_VS1, "the router has learnt where vs1 is")
    lab.node("n1").run(["kill", "-STOP", bird])
    lab.wait(lambda: learnt(lab) == set(), "the router takes n1 for dead")
    lab.node("n1").run(["kill", "-CONT", bird])
    lab.wait(lambda: learnt(lab) == OF_VS1, "the router listens again")
    assert worth(lab, "n1") == "1"
    assert lab.where("vs1-vip-lan-a") == "n1"
    assert not [each for each in history.begun(lab, "stop", since) if each.resource == "vs1-vip-lan-a"]


def test_its_node_dies_while_it_announces_by_host_route(told: Lab) -> None:
    """Another node has lan-a, and the router does not go on sending to a node that is dead: both speak BFD."""
    lab, c3 = told, told.client("c3")
    writer = Client.nfs(c3, "192.0.2.11", "/root/projects")
    users = [writer, *(Client.answers(c3, each) for each in sorted(OF_VS1))]
    with ExitStack() as using:
        for each in users:
            using.enter_context(each).wait_for_progress()
        lab.cut("n1/lan-a")
        lab.wait(lambda: learnt(lab) == OF_VS1, "the router has learnt where vs1 is")
        for each in users:
            each.wait_for_progress()
        assert " Up " in of_router(lab, "bfd", "sessions"), "each would notice the other's death"
        began = time.monotonic()
        lab.kill("n1")
        lab.wait(lambda: learnt(lab) == set(), "the router has forgotten n1")
        print(f"the router has forgotten n1 after {time.monotonic() - began:.2f} s")
        for each in users:
            each.wait_for_progress()
        assert lab.where("vs1-net") == lab.where("vs1-vip-lan-a") != "n1"
        for each in users:
            waited = max(length for at, length in each.report().gaps if at + length > began)
            print(f"{each.what} waited {waited:.2f} s")
        lab.wait_until_fenced("n1")
    assert not writer.report().errors
    assert writer.missing() == []


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_outages_by_host_route(told: Lab) -> None:
    """The node itself announces by host route, and, where it is not beside a router, a peer."""
    lab, c3 = told, told.client("c3")
    own = [
        Client.nfs(c3, "192.0.2.11", "/root/projects"),
        Client.smb(c3, "192.0.2.11", "projects", "alice", "wonderland"),
    ]
    by_peer = [
        Client.nfs(c3, "192.0.2.12", "/root/scratch"),
        Client.smb(c3, "192.0.2.12", "scratch", "alice", "wonderland"),
    ]
    for what, server, node, addresses, clients in (
        ("by host route", "vs1", "n1", OF_VS1, own),
        ("by a peer's host route", "vs2", "n3", OF_VS2, by_peer),
    ):
        outages: dict[str, list[float]] = {"NFS": [], "SMB": []}
        with Users(lab, node, server, addresses, clients) as users:
            others = [each.name for each in lab.nodes if each.name != node] if server == "vs2" else []
            for _ in range(TRIALS):
                for each in others:
                    lab.cut(f"{each}/lan-a")
                    lab.wait(lambda it=each: worth(lab, it) == "1", f"{each} has lan-b left")
                began = time.monotonic()
                lab.cut(f"{node}/lan-a")
                users.go_on()
                series.note(outages, users.clients, began)
                assert learnt(lab) >= addresses
                for each in (*others, node):
                    lab.mend(f"{each}/lan-a")
                    release(lab, each)
                lab.wait(lambda it=f"{server}-vip-lan-a", at=node: lab.where(it) == at, "all is at home", 60)
                lab.wait(lambda: learnt(lab) == set(), "the router is told no more", 60)
                users.go_on()
        for each in users.clients:
            assert not each.report().errors
            assert each.missing() == []
        series.tell(what, outages)


def release(lab: Lab, node: str) -> None:
    """Let a node use its ports on lan-a at once that work again."""
    for port in ("e0a", "e0b") if node != "n3" else ("e0a",):
        lab.wait(
            lambda it=port: (
                lab.any_node().run(["vsctl", "release", f"{node}/{it}"], check=False).returncode == 0
            ),
            f"{port} of {node} is good",
            60,
        )
