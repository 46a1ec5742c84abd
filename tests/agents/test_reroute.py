"""Does a server on one node live through a peer that announces it, IPv4 and IPv6?"""

from __future__ import annotations

import pytest

from tests.agents.cast import (
    ANNOUNCER,
    ANNOUNCER_B,
    DAEMON_B,
    DETOURED,
    EVERY,
    FAILED,
    IPV4,
    IPV4_B,
    IPV6,
    NOT_RUNNING,
    OPEN,
    RUNNING,
)
from tests.agents.node import ROOT, Lan, Node, Session, attempt, serve, until, watching
from tests.agents.test_daemon import counted
from vsctl.agents import names

pytestmark = pytest.mark.node


@pytest.fixture
def serving(lan: Lan) -> Lan:
    for agent, parameters in (("net", DETOURED), ("vip", ANNOUNCER)):
        answer = lan.node.agent(agent, "start", **parameters)
        assert answer.code == RUNNING, answer.said
    serve(lan.node, "vs1", OPEN)
    return lan


def vip(node: Node, action: str, **more: str) -> int:
    return node.agent(
        "vip", action, interval=EVERY if action == "monitor" else None, **{**ANNOUNCER, **more}
    ).code


def test_sessions_go_to_the_peer_and_back_and_nothing_is_left(serving: Lan, peer: Node) -> None:
    lan, before = serving, peer.dump()
    client = lan.clients["client-a"]
    sessions = [Session(client, address, OPEN) for address in (IPV4, IPV6)]
    for port in ("e0a", "e0b"):
        lan.cable(port, "down")
    assert vip(lan.node, "stop") == RUNNING
    assert vip(peer, "start") == RUNNING
    assert vip(peer, "monitor") == RUNNING
    assert all(session.answers() for session in sessions)
    assert attempt(client, IPV4, OPEN) == attempt(client, IPV6, OPEN) == "answered"
    assert "local" not in peer.ip("route", "get", IPV4), "a peer never owns an address"

    for port in ("e0a", "e0b"):
        lan.cable(port, "up")
    assert vip(peer, "stop") == RUNNING
    assert all(session.answers() for session in sessions), "the peer still routes what comes its way"
    assert peer.agent("vip", "monitor", **ANNOUNCER).code == NOT_RUNNING
    assert vip(lan.node, "start") == RUNNING
    assert all(session.answers() for session in sessions)
    for session in sessions:
        session.close()
    until(lambda: peer.dump() == before, "the peer is as it was")
    assert peer.run("ls", "/run/vsctl").split() == ["_node"]


@pytest.mark.parametrize(("address", "other"), [(IPV4, IPV6), (IPV6, IPV4)])
def test_what_a_peer_routes_is_counted_there(serving: Lan, peer: Node, address: str, other: str) -> None:
    assert vip(serving.node, "stop") == RUNNING
    assert vip(peer, "start") == RUNNING
    session = Session(serving.clients["client-a"], address, OPEN)
    before = counted(peer)
    until(lambda: session.answers() and counted(peer)[address] > before[address] + 1000, "it is counted")
    after = counted(peer)
    for port in ("e0a", "e1a"):
        assert after[port] - before[port] >= after[address] - before[address], f"all of it came by {port}"
    assert after[other] == before[other] == 0
    session.close()


def test_the_peer_changes_ports(serving: Lan, peer: Node) -> None:
    session = Session(serving.clients["client-a"], IPV4, OPEN)
    assert vip(serving.node, "stop") == RUNNING
    assert vip(peer, "start") == RUNNING
    serving.switches.ip("link", "set", "peer-e0a", "down")
    until(lambda: "NO-CARRIER" in peer.ip("link", "show", "e0a"), "e0a of the peer is down")
    assert vip(peer, "monitor") == RUNNING
    assert "e0b" in peer.ip("neighbour", "show", "proxy")
    assert session.answers()
    session.close()


def test_a_peer_forwards_nothing_else(serving: Lan, peer: Node) -> None:
    """Not a packet that it could forward, as is seen when its packet filter is gone."""
    assert vip(serving.node, "stop") == RUNNING
    assert vip(peer, "start") == RUNNING
    client, beyond = serving.clients["client-a"], serving.clients["client-b"]
    serve(beyond, "", OPEN)
    peer.ip("address", "add", "2001:db8:b::4/64", "dev", "e1a", "nodad")
    beyond.ip("address", "add", "2001:db8:b::99/64", "dev", "eth0", "nodad")
    client.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.4")
    client.ip("route", "add", "2001:db8:b::/64", "via", "2001:db8:a::4")
    beyond.ip("route", "add", "192.0.2.0/24", "via", "198.51.100.4")
    beyond.ip("route", "add", "2001:db8:a::/64", "via", "2001:db8:b::4")

    def answers() -> list[str]:
        return [attempt(client, each, OPEN) for each in ("198.51.100.99", "2001:db8:b::99")]

    assert answers() == ["silence", "silence"]
    assert attempt(client, IPV4_B, OPEN) == "silence", "an address of the server on another subnet neither"
    for address in (IPV4, IPV6):
        assert attempt(beyond, address, OPEN) == "silence", "nor back where it came from"
    peer.run("nft", "delete", "table", "inet", "vsctl")
    assert answers() == ["answered", "answered"]


def test_a_peer_that_does_not_reach_the_server_does_not_start(serving: Lan, peer: Node) -> None:
    before = peer.dump()
    assert vip(serving.node, "stop") == RUNNING
    serving.cable("e1a", "down")
    answer = peer.agent("vip", "start", **ANNOUNCER)
    assert answer.code == FAILED
    assert "vs1 is not on this node, and it does not answer on e1a" in answer.said
    assert peer.dump() == before


def test_a_peer_notices_that_the_server_is_out_of_reach(serving: Lan, peer: Node) -> None:
    for family in ("ipv4", "ipv6"):
        peer.run("sysctl", "-qw", f"net.{family}.neigh.e1a.base_reachable_time_ms=1000")
    assert vip(serving.node, "stop") == RUNNING
    assert vip(peer, "start") == RUNNING
    serving.cable("e1a", "down")
    until(lambda: vip(peer, "monitor") == FAILED, "the peer notices")


def test_a_server_that_comes_to_the_peer_ends_the_route(serving: Lan, peer: Node) -> None:
    assert vip(serving.node, "stop") == RUNNING
    assert vip(peer, "start") == RUNNING
    assert serving.node.agent("net", "stop", **DETOURED).code == RUNNING
    assert peer.agent("net", "start", **DETOURED).code == RUNNING
    assert vip(peer, "monitor") == FAILED
    assert vip(peer, "stop") == RUNNING
    assert vip(peer, "start") == RUNNING
    assert vip(peer, "monitor") == RUNNING
    assert f"dev {names.interface('vs1')}" in peer.ip("route", "get", IPV4)
    assert attempt(serving.clients["client-a"], IPV4, OPEN) == "Connection refused", (
        "it is there, nothing serves"
    )


def test_the_server_is_as_it_was_when_it_ends(lan: Lan) -> None:
    before = lan.node.dump()
    assert lan.node.agent("net", "start", **DETOURED).code == RUNNING
    assert lan.node.agent("net", "stop", **DETOURED).code == RUNNING
    assert lan.node.dump() == before


def test_the_monitor_mends_detours(serving: Lan) -> None:
    serving.node.run("ip", "neighbour", "delete", "proxy", IPV4, "dev", "e1a")
    assert serving.node.agent("net", "monitor", interval=EVERY, **DETOURED).code == RUNNING
    assert f"{IPV4} dev e1a" in serving.node.ip("neighbour", "show", "proxy")


END_TWICE = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from vsctl.agents import announce, names, reroute, rtnetlink
from vsctl.agents.addresses import some
from vsctl.agents.netlink import Netlink
addresses = some("192.0.2.10/24")
record = announce.Record("vs1", "lan-a", announce.LINGERING)
record.write(["e0a"], map(str, addresses), (), ["e1a"])
locked, begin = os.pipe()
other = os.fork()
if not other:
    os.read(locked, 1)
    reroute.end("vs1", "lan-a")
    os._exit(0)
with announce.locked("vs1", "lan-a"):
    os.write(begin, b"x")
    while not any("->" in each and str(other) in each.split() for each in open("/proc/locks")):  # it waits
        time.sleep(0.01)
    record.write((), ())  # another has ended it
    announce._announce("vs1", "lan-a", "e0a", ["e0a"], addresses, (), (), (), lambda *_: None)
os.waitpid(other, 0)
if not rtnetlink.routes(Netlink(), 2, names.table("vs1", "lan-a")):
    sys.exit("what has been announced since is withdrawn")
"""


def test_a_route_that_ends_twice_takes_nothing_new_along(lan: Lan) -> None:
    ended = lan.node.python(END_TWICE, str(ROOT))
    _, said = ended.communicate(timeout=60)
    assert ended.returncode == 0, said


CHANGE_THE_WAY = """
import sys
sys.path.insert(0, sys.argv[1])
from vsctl.agents import announce, hostroute, names, reroute, rtnetlink
from vsctl.agents.addresses import some
from vsctl.agents.netlink import Netlink
netlink, addresses = Netlink(), some("192.0.2.10/24 2001:db8:a::10/64")
record = announce.Record("vs1", "lan-a")
record.write([], map(str, addresses), (), ["e1a", "e0b"], ["e0a=192.0.2.1"])
for port in ("e1a", "e0b", "e1a"):
    if port == "e1a" and not hostroute.told(netlink, addresses):
        for each in reroute._to(rtnetlink.link(netlink, port), addresses):
            rtnetlink.add_route(netlink, each)
        hostroute.announce(netlink, "vs1", addresses, record.inward)
    reroute.route_by("vs1", "lan-a", port)
    index = rtnetlink.link(netlink, port).index
    for family in rtnetlink.FAMILIES:
        (told,) = rtnetlink.routes(netlink, family, names.HOSTS)
        if told.link != index:
            sys.exit(f"routers are not told of {port}")
"""


def test_routers_are_told_by_the_way_that_is_taken(peer: Node) -> None:
    told = peer.python(CHANGE_THE_WAY, str(ROOT))
    _, said = told.communicate(timeout=60)
    assert told.returncode == 0, said


LEAVE_WHILE_LOOKING = """
import os, sys
sys.path.insert(0, sys.argv[1])
from vsctl.agents import names, reroute, rtnetlink
from vsctl.agents.addresses import some
from vsctl.agents.netlink import Netlink
detour = reroute.Detour("lan-a", some("192.0.2.10/24 2001:db8:a::10/64"), ("e1a", "e0b"))
netlink, table = Netlink(), names.detour_table("vs1", "lan-a")
for _ in range(10):
    reroute.meet("vs1", detour)
    child = os.fork()
    if not child:
        reroute.look("vs1", detour)
        os._exit(0)
    reroute.part("vs1")
    ended = False
    while not ended:
        found, status = os.waitpid(child, os.WNOHANG)
        ended = found == child
        if status:
            sys.exit("the search has failed")
        for family in rtnetlink.FAMILIES:
            if rtnetlink.routes(netlink, family, table):
                sys.exit("a route is there after the end")
"""


def test_a_search_that_the_end_of_the_server_overtakes_makes_no_route(lan: Lan) -> None:
    search = lan.node.python(LEAVE_WHILE_LOOKING, str(ROOT))
    assert search.wait(60) == 0


def test_a_peer_that_was_interrupted_when_it_ceased_to_announce_has_ceased_after_the_next_stop(
    serving: Lan, peer: Node
) -> None:
    before = peer.dump()
    for port in ("e0a", "e0b"):
        serving.cable(port, "down")
    assert vip(peer, "start") == RUNNING
    peer.run("sh", "-c", "cd /run/vsctl/vs1 && mkdir lingering && mv announced/lan-a lingering")
    assert vip(peer, "stop") == RUNNING
    assert vip(peer, "monitor") == NOT_RUNNING
    until(lambda: peer.dump() == before, "the peer is as it was")


def test_an_interrupted_end_is_finished_by_the_next(lan: Lan) -> None:
    before = lan.node.dump()
    assert lan.node.agent("net", "start", **DETOURED).code == RUNNING
    lan.node.run("mv", "/run/vsctl/vs1/detours", "/run/vsctl/vs1/parting")
    assert lan.node.agent("net", "stop", **DETOURED).code == RUNNING
    until(lambda: lan.node.dump() == before, "the node is as it was")


def test_both_sides_leave_a_silent_detour(serving: Lan, peer: Node) -> None:
    """The daemons find it; monitors alone would believe for half a minute what was answered last."""
    serving.cable("e1a", "down")
    assert peer.agent("vip", "start", **ANNOUNCER_B).code == RUNNING
    with watching((serving.node, peer), DAEMON_B):
        client = serving.clients["client-b"]
        for port in ("e0a", "e0b"):
            until(lambda: attempt(client, IPV4_B, OPEN) == "answered", "vs1 is reached through the peer")
            serving.switches.run("bridge", "link", "set", "dev", port, "state", "0")
            other = "e0b" if port == "e0a" else "e0a"
            until(lambda it=other: f"dev {it}" in way_out(serving.node), f"vs1 answers by {other}")
            until(lambda: attempt(client, IPV4_B, OPEN) == "answered", "vs1 is reached by the other port")
            serving.switches.run("bridge", "link", "set", "dev", port, "state", "3")


def way_out(node: Node) -> str:
    table = names.detour_table("vs1", "lan-b")
    return node.ip("route", "show", "table", str(table))
