"""Is a server reached through a router when its node has lost its subnet? With a BIRD on either side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.agents.cast import (
    ANNOUNCER,
    DETOURED,
    EVERY,
    FAILED,
    IPV4,
    IPV6,
    NOT_RUNNING,
    OPEN,
    RUNNING,
)
from tests.agents.node import Answer, Lan, Node, Place, Session, attempt, serve, until, watching
from tests.agents.test_daemon import DAEMON, states
from vsctl.agents import names

pytestmark = pytest.mark.node

GATEWAYS = "198.51.100.1 2001:db8:b::1"
BGP = {
    "routers": "lan-b bgp 64512 198.51.100.1@64500 2001:db8:b::1@64500 /run/password",
    "ports": "n1=e1a:lan-b",
}
BGP_WITH_BFD = {**BGP, "routers": f"{BGP['routers']} bfd"}
OSPF = {"routers": "lan-b ospf 0.0.0.0 4 6", "ports": "n1=e1a:lan-b"}
ROUTED = {**ANNOUNCER, "routed": f"lan-b {GATEWAYS} n1=e1a"}
WATCHED = {**DAEMON, "ports": "n1=e0a:lan-a,e0b:lan-a,e1a:lan-b", "routed": "lan-a=lan-b"}

SPEAKS_BGP = """
router id 198.51.100.1;
protocol device { }
protocol static { ipv4; route 10.9.0.0/16 blackhole; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
protocol bgp { local 198.51.100.1 as 64500; neighbor range 198.51.100.0/24 as 64512; passive; password "a word"; \
               dynamic name "four"; ipv4 { import all; export all; }; }
protocol bgp { local 2001:db8:b::1 as 64500; neighbor range 2001:db8:b::/64 as 64512; passive; password "a word"; \
               dynamic name "six"; ipv6 { import all; export all; }; }
"""
SPEAKS_BFD = (
    SPEAKS_BGP.replace("passive;", "passive; bfd on; error wait time 1, 1;")
    + """
protocol bfd { interface "to-b" { interval 200 ms; multiplier 5; }; }
"""
)
SPEAKS_OSPF = """
router id 198.51.100.1;
protocol device { }
protocol kernel { ipv4 { export where source = RTS_OSPF_EXT2; }; }
protocol kernel { ipv6 { export where source = RTS_OSPF_EXT2; }; }
protocol ospf v2 { ipv4; area 0.0.0.0 { interface "to-b" { priority 1; }; }; }
protocol ospf v3 { ipv6; area 0.0.0.0 { interface "to-b" { priority 1; }; }; }
"""


@dataclass
class Site:
    """A router on both subnets, a client behind it, and the node of the server."""

    lan: Lan
    router: Place
    client: Place

    def learnt(self) -> set[str]:
        """Return the host routes that the router has learnt from nodes."""
        said = self.router.ip("route", "show", "proto", "bird") + self.router.ip(
            "-6", "route", "show", "proto", "bird"
        )
        return {line.split()[0] for line in said.splitlines()}

    def speak(self, configuration: str) -> None:
        self.router.run("tee", "/run/bird.conf", text=configuration)
        self.router.start("bird", "-f", "-c", "/run/bird.conf", "-s", "/run/bird.ctl")

    def lose(self) -> None:
        for port in ("e0a", "e0b"):
            self.lan.cable(port, "down")

    def regain(self) -> None:
        for port in ("e0a", "e0b"):
            self.lan.cable(port, "up")


@pytest.fixture
def site(lan: Lan) -> Iterator[Site]:
    router, client = Place(), Place()
    lan.plug(router, "to-a", "router-a", "lan-a", ("192.0.2.1/24", "2001:db8:a::1/64"))
    lan.plug(router, "to-b", "router-b", "lan-b", ("198.51.100.1/24", "2001:db8:b::1/64"))
    router.ip("link", "add", "to-c", "type", "veth", "peer", "name", "eth0", "netns", str(client.pid))
    for place, port, host in ((router, "to-c", 1), (client, "eth0", 99)):
        place.ip("address", "add", f"203.0.113.{host}/24", "dev", port)
        place.ip("address", "add", f"2001:db8:c::{host}/64", "dev", port, "nodad")
        place.ip("link", "set", port, "up")
    for gateway in ("203.0.113.1", "2001:db8:c::1"):
        client.ip("route", "add", "default", "via", gateway)
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    lan.node.ip("address", "add", "2001:db8:b::2/64", "dev", "e1a", "nodad")
    lan.node.run("mount", "-t", "tmpfs", "tmpfs", "/var/log")
    lan.node.run("tee", "/run/password", text="a word\n")
    for place in (router, client, lan.node):
        until(lambda place=place: "tentative" not in place.ip("address"), "addresses are ready")
    yield Site(lan, router, client)
    lan.node.agent("router", "stop", **BGP)
    client.close()
    router.close()


@pytest.fixture
def told(site: Site) -> Site:
    """vs1 is announced on lan-a, and the router is told of nothing yet."""
    site.speak(SPEAKS_BGP)
    for agent, parameters in (("router", BGP), ("net", DETOURED), ("vip", ROUTED)):
        answer = site.lan.node.agent(agent, "start", **parameters)
        assert answer.code == RUNNING, answer.said
    serve(site.lan.node, "vs1", OPEN)
    until(lambda: established(site.lan.node) == 2, "the router listens")
    return site


def established(node: Node) -> int:
    return node.run("birdc", "-s", "/run/vsctl/_router/bird.ctl", "show", "protocols").count("Established")


def listed(node: Node) -> str:
    """Return what a node announces by host route. The kernel knows no table that was never used."""
    every = [node.ip(family, "route", "show", "table", "all") for family in ("-4", "-6")]
    return "\n".join(line for line in "".join(every).splitlines() if f"table {names.HOSTS} " in line)


def vip(node: Node, action: str, **more: str) -> Answer:
    return node.agent("vip", action, interval=EVERY if action == "monitor" else None, **{**ROUTED, **more})


def test_it_comes_and_goes_and_leaves_nothing(site: Site) -> None:
    node = site.lan.node
    before, there = node.dump(), node.processes()
    assert node.agent("router", "monitor", interval=EVERY, **BGP).code == NOT_RUNNING
    assert node.agent("router", "start", **BGP).code == RUNNING
    (first,) = node.processes() - there
    assert node.agent("router", "start", **BGP).code == RUNNING
    assert node.processes() - there == {first}, "one is enough"
    assert node.agent("router", "monitor", interval=EVERY, **BGP).code == RUNNING
    assert node.run("stat", "-c", "%a", "/run/vsctl/_router/bird.conf") == "600\n"
    for _ in range(2):
        assert node.agent("router", "stop", **BGP).code == RUNNING
    assert node.agent("router", "monitor", interval=EVERY, **BGP).code == NOT_RUNNING
    assert node.processes() == there
    assert node.dump() == before


def test_one_that_hangs_is_noticed_and_ended(site: Site) -> None:
    node = site.lan.node
    assert node.agent("router", "start", **BGP).code == RUNNING
    node.run("sh", "-c", "kill -STOP $(cat /run/vsctl/_router/bird.pid)")
    answer = node.agent("router", "monitor", interval=EVERY, **BGP)
    assert answer.code == FAILED
    assert "the BIRD of vsctl does not answer" in answer.said
    assert node.agent("router", "stop", **BGP).code == RUNNING
    assert node.agent("router", "monitor", interval=EVERY, **BGP).code == NOT_RUNNING


def test_it_is_started_again_when_it_dies_and_reads_what_has_changed(told: Site) -> None:
    node = told.lan.node
    node.run("sh", "-c", "kill -9 $(cat /run/vsctl/_router/bird.pid)")
    until(
        lambda: node.agent("router", "monitor", interval=EVERY, **BGP).code == NOT_RUNNING, "its end is seen"
    )
    assert node.agent("router", "start", **BGP).code == RUNNING
    until(lambda: established(node) == 2, "the router listens again")
    changed = {**BGP, "routers": BGP["routers"].replace("2001:db8:b::1@64500 ", "")}
    assert node.agent("router", "reload-agent", **changed).code == RUNNING
    assert established(node) == 1
    node.run("tee", "/run/password", text='no "password"')
    answer = node.agent("router", "monitor", interval=EVERY, **changed)
    assert answer.code == FAILED
    assert "/run/password" in answer.said
    assert 'no "password"' not in answer.said


def test_sessions_go_to_the_router_and_back_and_nothing_is_left(told: Site) -> None:
    node = told.lan.node
    sessions = [Session(told.client, address, OPEN) for address in (IPV4, IPV6)]
    assert told.learnt() == set(), "who is announced on its subnet is not announced elsewhere"
    told.lose()
    assert vip(node, "monitor").code == RUNNING
    until(lambda: told.learnt() == {IPV4, IPV6}, "the router has learnt where vs1 is")
    assert all(session.answers() for session in sessions)
    assert attempt(told.client, IPV4, OPEN) == attempt(told.client, IPV6, OPEN) == "answered"
    for _ in range(2):
        assert vip(node, "monitor").code == RUNNING
    assert "10.9.0.0" not in node.ip("route", "show", "table", "all"), "the node learns nothing"
    told.router.ip("route", "add", "192.0.2.99/32", "via", "198.51.100.2")
    serve(told.lan.clients["client-a"], "", OPEN)
    assert attempt(told.client, "192.0.2.99", OPEN) == "silence", "and forwards to nobody else"

    told.regain()
    assert vip(node, "monitor").code == RUNNING
    until(lambda: told.learnt() == set(), "the router is told no more")
    assert all(session.answers() for session in sessions)
    assert vip(node, "monitor").code == RUNNING
    for session in sessions:
        session.close()


@pytest.mark.parametrize("how", ["vip", "net"])
def test_stopping_withdraws_it_at_once(site: Site, how: str) -> None:
    site.speak(SPEAKS_BGP)
    node = site.lan.node
    assert node.agent("router", "start", **BGP).code == RUNNING
    before = node.dump()
    site.lose()
    lost = node.dump()
    assert node.agent("net", "start", **DETOURED).code == RUNNING
    assert vip(node, "start").code == RUNNING, "it waits for the router"
    until(lambda: site.learnt() == {IPV4, IPV6}, "the router has learnt where vs1 is")
    if how == "vip":
        assert vip(node, "stop").code == RUNNING
        assert listed(node) == ""
        until(lambda: site.learnt() == set(), "the router is told no more")
        assert node.agent("vip", "monitor", **ROUTED).code == NOT_RUNNING
    assert node.agent("net", "stop", **DETOURED).code == RUNNING
    until(lambda: site.learnt() == set(), "the router is told no more")
    assert node.dump() == lost
    site.regain()
    until(lambda: node.dump() == before, "the node is as it was")


def test_routers_that_are_declared_no_more_are_told_no_more(told: Site) -> None:
    told.lose()
    assert vip(told.lan.node, "monitor").code == RUNNING
    until(lambda: told.learnt() == {IPV4, IPV6}, "the router has learnt where vs1 is")
    told.regain()
    assert vip(told.lan.node, "reload-agent", routed="").code == RUNNING
    until(lambda: told.learnt() == set(), "the router is told no more")
    assert vip(told.lan.node, "monitor", routed="").code == RUNNING


def test_without_a_router_that_listens_there_is_no_host_route(site: Site) -> None:
    node = site.lan.node
    for agent, parameters in (("router", BGP), ("net", DETOURED), ("vip", ROUTED)):
        assert node.agent(agent, "start", **parameters).code == RUNNING
    site.lose()
    answer = vip(node, "monitor")
    assert answer.code == FAILED
    assert "no router is told of host routes on e1a" in answer.said


def test_the_daemon_does_it_at_once_both_ways(told: Site) -> None:
    node = told.lan.node
    assert node.agent("daemon", "start", **WATCHED).code == RUNNING
    until(lambda: set(states(node).values()) == {"good"}, "all ports are good")
    session = Session(told.client, IPV4, OPEN)
    for _ in range(2):
        told.lose()
        until(lambda: told.learnt() == {IPV4, IPV6}, "the daemon announces by host route")
        assert session.answers()
        assert vip(node, "monitor").code == RUNNING
        told.regain()
        until(lambda: told.learnt() == set(), "the daemon announces directly again")
        assert session.answers()
        assert vip(node, "monitor").code == RUNNING
    session.close()
    assert node.agent("daemon", "stop", **WATCHED).code == RUNNING


def test_a_bird_that_gets_no_processor_loses_its_routes_and_nothing_is_done_about_it(site: Site) -> None:
    """The router takes it for dead, and listens again soon after it goes on."""
    node = site.lan.node
    site.speak(SPEAKS_BFD)
    for agent, parameters in (("router", BGP_WITH_BFD), ("net", DETOURED), ("vip", ROUTED)):
        assert node.agent(agent, "start", **parameters).code == RUNNING
    until(lambda: established(node) == beating(node) == 2, "each notices the other's death")
    with watching((node,), WATCHED):
        until(lambda: set(states(node).values()) == {"good"}, "all ports are good")
        site.lose()
        until(lambda: site.learnt() == {IPV4, IPV6}, "the daemon announces by host route")
        before = said_of_routers(node)
        node.run("sh", "-c", "kill -STOP $(cat /run/vsctl/_router/bird.pid)")
        until(lambda: site.learnt() == set(), "the router takes the node for dead")
        node.run("sh", "-c", "kill -CONT $(cat /run/vsctl/_router/bird.pid)")
        until(lambda: established(node) == 0, "the session has ended")
        assert vip(node, "monitor").code == RUNNING, "it waits for the router"
        until(lambda: site.learnt() == {IPV4, IPV6}, "the router listens again")
        assert said_of_routers(node) == before, "the daemon has believed no loss"
        node.run("sh", "-c", "kill -KILL $(cat /run/vsctl/_router/bird.pid)")
        until(lambda: said_of_routers(node)[len(before) :] == ["no port"], "a loss that lasts is believed")


def beating(node: Node) -> int:
    """Return how many routers give our BIRD signs of life."""
    return node.run("birdc", "-s", "/run/vsctl/_router/bird.ctl", "show", "bfd", "sessions").count(" Up ")


def said_of_routers(node: Node) -> list[str]:
    """Return by which ports routers were told, each time that it changed."""
    said = node.run("cat", "/var/log/vsctl/daemon.log").splitlines()
    return [line.rpartition(" by ")[2] for line in said if "routers are told of host routes by" in line]


@pytest.fixture
def peer(told: Site) -> Iterator[Node]:
    """A node that has lost lan-a, too, and tells the router."""
    lan, peer = told.lan, Node()
    lan.plug(peer, "e0a", "peer-e0a", "lan-a", ("192.0.2.4/24", "2001:db8:a::4/64"))
    lan.plug(peer, "e1a", "peer-e1a", "lan-b", ("198.51.100.4/24", "2001:db8:b::4/64"))
    lan.switches.ip("link", "set", "peer-e0a", "down")
    peer.run("mount", "-t", "tmpfs", "tmpfs", "/var/log")
    peer.run("tee", "/run/password", text="a word\n")
    assert peer.agent("router", "start", **BGP).code == RUNNING
    yield peer
    peer.agent("router", "stop", **BGP)
    peer.close()


def test_a_peer_announces_by_host_route_for_a_server_elsewhere(told: Site, peer: Node) -> None:
    lan = told.lan
    until(lambda: established(peer) == 2, "the router listens to the peer")
    before = peer.dump()
    session = Session(told.client, IPV4, OPEN)
    told.lose()
    assert vip(lan.node, "stop").code == RUNNING
    assert vip(peer, "start").code == RUNNING
    until(lambda: told.learnt() == {IPV4, IPV6}, "the router has learnt who routes to vs1")
    assert "198.51.100.4" in told.router.ip("route", "get", IPV4)
    assert session.answers()
    assert attempt(told.client, IPV6, OPEN) == "answered"
    assert vip(peer, "monitor").code == RUNNING
    told.regain()
    assert vip(peer, "stop").code == RUNNING
    assert listed(peer) == "", "the router is told no more, though the peer still routes what comes its way"
    assert vip(lan.node, "start").code == RUNNING
    assert session.answers()
    session.close()
    until(lambda: told.learnt() == set(), "the router is told no more")
    until(lambda: peer.dump() == before, "the peer is as it was")


LOOKING_AROUND = 120.0
"""Seconds; an OSPF router looks around for 40 before it listens."""


@pytest.mark.full
def test_routers_are_told_by_ospf(site: Site) -> None:
    site.speak(SPEAKS_OSPF)
    node = site.lan.node
    assert node.agent("router", "start", **OSPF).code == RUNNING
    for agent, parameters in (("net", DETOURED), ("vip", ROUTED)):
        assert node.agent(agent, "start", **parameters).code == RUNNING
    serve(node, "vs1", OPEN)
    until(lambda: running(node) == 2, "the router listens", LOOKING_AROUND)
    site.lose()
    assert vip(node, "monitor").code == RUNNING
    until(lambda: site.learnt() == {IPV4, IPV6}, "the router has learnt where vs1 is")
    assert attempt(site.client, IPV4, OPEN) == attempt(site.client, IPV6, OPEN) == "answered"
    assert vip(node, "stop").code == RUNNING
    until(lambda: site.learnt() == set(), "the router is told no more")


def running(node: Node) -> int:
    return node.run("birdc", "-s", "/run/vsctl/_router/bird.ctl", "show", "protocols").count("Running")
