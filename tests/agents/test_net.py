"""What does a virtual server's network do to a node, and what is left of it?"""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.agents.cast import (
    EVERY,
    FAILED,
    IPV4,
    IPV4_B,
    IPV6,
    LAN_A,
    LAN_A2,
    LAN_B,
    NET,
    NET2,
    NOT_RUNNING,
    OF_VS2,
    OPEN,
    RUNNING,
)
from tests.agents.node import PYTHON, ROOT, Lan, Node, attempt, serve, until

pytestmark = pytest.mark.node


def start(node: Node, *resources: tuple[str, dict[str, str]]) -> None:
    for agent, parameters in resources:
        answer = node.agent(agent, "start", **parameters)
        assert answer.code == RUNNING, answer.said


def stop(node: Node, *resources: tuple[str, dict[str, str]]) -> None:
    for agent, parameters in resources:
        answer = node.agent(agent, "stop", **parameters)
        assert answer.code == RUNNING, answer.said


def monitor(node: Node, agent: str, parameters: dict[str, str]) -> int:
    return node.agent(agent, "monitor", interval=EVERY, **parameters).code


def test_clients_reach_every_address(lan: Lan) -> None:
    start(lan.node, ("net", NET), ("vip", LAN_A), ("vip", LAN_B))
    serve(lan.node, "vs1", OPEN)
    assert attempt(lan.clients["client-a"], IPV4, OPEN) == "answered"
    assert attempt(lan.clients["client-a"], IPV6, OPEN) == "answered"
    assert attempt(lan.clients["client-b"], IPV4_B, OPEN) == "answered"
    for agent, parameters in (("net", NET), ("vip", LAN_A), ("vip", LAN_B)):
        assert monitor(lan.node, agent, parameters) == RUNNING


def test_nothing_is_left_behind(lan: Lan) -> None:
    for setting in (
        "ipv4/conf/all/rp_filter",
        "ipv4/conf/e0a/rp_filter",
    ):  # strict, to be loosened and restored
        lan.node.run("sh", "-c", f"echo 1 > /proc/sys/net/{setting}")
    before = lan.node.dump()
    start(lan.node, ("net", NET), ("vip", LAN_A), ("net", NET2), ("vip", LAN_A2), ("vip", LAN_B))
    serve(lan.node, "vs1", OPEN)
    assert attempt(lan.clients["client-a"], IPV4, OPEN) == "answered"
    lan.cable("e0a", "down")
    assert monitor(lan.node, "vip", LAN_A) == RUNNING
    lan.cable("e0a", "up")
    stop(lan.node, ("vip", LAN_A), ("vip", LAN_B), ("net", NET), ("vip", LAN_A2), ("net", NET2))
    assert lan.node.dump() == before


def test_the_network_ends_even_if_addresses_are_still_announced(lan: Lan) -> None:
    before = lan.node.dump()
    start(lan.node, ("net", NET), ("vip", LAN_A))
    serve(lan.node, "vs1", OPEN)
    stop(lan.node, ("net", NET))
    assert lan.node.agent("net", "monitor", **NET).code == NOT_RUNNING
    assert lan.node.agent("vip", "monitor", **LAN_A).code == NOT_RUNNING
    assert lan.node.dump() == before


def test_stop_of_what_was_never_started_says_nothing(lan: Lan) -> None:
    for agent, parameters in (("vip", LAN_A), ("net", NET), ("gate", {"server": "vs1"})):
        answer = lan.node.agent(agent, "stop", **parameters)
        assert (answer.code, answer.said) == (RUNNING, "")


def test_a_process_that_ignores_term_is_ended(lan: Lan) -> None:
    start(lan.node, ("net", NET))
    stubborn = lan.node.python(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); signal.pause()",
        server="vs1",
    )
    assert stubborn.stdout and stubborn.stdout.readline() == "ready\n"
    stop(lan.node, ("net", NET))
    assert stubborn.wait() == -9


@pytest.mark.parametrize(
    "damage",
    [
        "ip link set v-vs1 down",
        "ip link delete v-vs1",
        "ip route delete 192.0.2.11/32 dev v-vs1",
        "ip -6 route delete 2001:db8:a::11/128 dev v-vs1",
        "ip netns exec vs1 ip address delete 198.51.100.11/32 dev lo",
        "ip netns exec vs1 ip -6 address delete 2001:db8:a::11/128 dev lo",
        "ip netns exec vs1 ip route delete default",
        "ip netns exec vs1 ip -6 route delete default",
    ],
)
def test_monitor_sees_what_is_missing_and_start_mends_it(lan: Lan, damage: str) -> None:
    start(lan.node, ("net", NET))
    lan.node.run(*damage.split())
    assert monitor(lan.node, "net", NET) == FAILED
    start(lan.node, ("net", NET))
    assert monitor(lan.node, "net", NET) == RUNNING


def test_addresses_change_in_flight(lan: Lan) -> None:
    start(lan.node, ("net", NET), ("vip", LAN_A))
    serve(lan.node, "vs1", OPEN)
    more = {"server": "vs1", "addresses": "192.0.2.11/24 192.0.2.21/24 2001:db8:a::21/64"}
    announced = {**LAN_A, "addresses": more["addresses"]}
    for agent, parameters in (("net", more), ("vip", announced)):
        answer = lan.node.agent(agent, "reload-agent", **parameters)
        assert answer.code == RUNNING, answer.said
        assert monitor(lan.node, agent, parameters) == RUNNING
    client = lan.clients["client-a"]
    assert attempt(client, "192.0.2.21", OPEN) == "answered"
    assert attempt(client, "2001:db8:a::21", OPEN) == "answered"
    assert attempt(client, IPV4, OPEN) == "answered"
    assert attempt(client, IPV6, OPEN) != "answered"
    assert "198.51.100.11" not in lan.node.ip("route")
    assert "2001:db8:a::11" not in lan.node.ip("-6", "neighbour", "show", "proxy")


def test_servers_on_one_node_do_not_see_each_other(lan: Lan) -> None:
    start(lan.node, ("net", NET), ("net", NET2))
    serve(lan.node, "vs1", 7001)
    serve(lan.node, "vs2", 7002)
    for address in OF_VS2:  # the node has routes to both, and no announcement sends packets to the wire
        assert attempt(lan.node, address, 7002, within="vs1") == "silence"
    start(lan.node, ("vip", LAN_A), ("vip", LAN_A2))
    client = lan.clients["client-a"]
    for address in (IPV4, IPV6):
        assert attempt(client, address, 7001) == "answered"
        assert attempt(client, address, 7002) == "Connection refused"
    assert attempt(client, OF_VS2[0], 7002) == "answered"
    for address in OF_VS2:
        assert attempt(lan.node, address, 7002, within="vs1") != "answered"


def test_a_node_forwards_nothing_else(lan: Lan) -> None:
    """Each client takes the node for the way to the other subnet; only a server's addresses are reached."""
    ours, theirs = lan.clients["client-a"], lan.clients["client-b"]
    theirs.ip("address", "add", "2001:db8:b::99/64", "dev", "eth0", "nodad")
    lan.node.ip("address", "add", "2001:db8:b::2/64", "dev", "e1a", "nodad")
    ours.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.2")
    ours.ip("route", "add", "2001:db8:b::/64", "via", "2001:db8:a::2")
    theirs.ip("route", "add", "192.0.2.0/24", "via", "198.51.100.2")
    theirs.ip("route", "add", "2001:db8:a::/64", "via", "2001:db8:b::2")
    start(lan.node, ("net", NET), ("vip", LAN_A), ("vip", LAN_B))
    serve(lan.node, "vs1", OPEN)
    assert attempt(ours, IPV4_B, OPEN) == "answered"  # forwarding as such works
    for address in ("198.51.100.99", "2001:db8:b::99"):
        assert attempt(ours, address, 7) == "silence"
    stop(lan.node, ("net", NET))
    lan.node.run(
        "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
    )
    assert attempt(ours, "198.51.100.99", 7) == "Connection refused"


def test_what_the_node_forwarded_before_is_left_alone(lan: Lan) -> None:
    lan.node.run(
        "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
    )
    before = lan.node.dump()
    ours, theirs = lan.clients["client-a"], lan.clients["client-b"]
    theirs.ip("address", "add", "2001:db8:b::99/64", "dev", "eth0", "nodad")
    lan.node.ip("address", "add", "2001:db8:b::2/64", "dev", "e1a", "nodad")
    ours.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.2")
    ours.ip("route", "add", "2001:db8:b::/64", "via", "2001:db8:a::2")
    theirs.ip("route", "add", "192.0.2.0/24", "via", "198.51.100.2")
    theirs.ip("route", "add", "2001:db8:a::/64", "via", "2001:db8:b::2")
    before = lan.node.dump()
    start(lan.node, ("net", NET), ("vip", LAN_A), ("vip", LAN_B))
    for address in ("198.51.100.99", "2001:db8:b::99"):
        assert attempt(ours, address, 7) == "Connection refused"
    stop(lan.node, ("vip", LAN_A), ("vip", LAN_B), ("net", NET))
    assert lan.node.dump() == before


def test_router_advertisements_are_still_heeded(lan: Lan) -> None:
    start(lan.node, ("net", NET))
    assert lan.node.run("cat", "/proc/sys/net/ipv6/conf/e0a/accept_ra") == "2\n"
    assert lan.node.run("cat", "/proc/sys/net/ipv6/conf/all/forwarding") == "1\n"
    stop(lan.node, ("net", NET))
    until(
        lambda: lan.node.run("cat", "/proc/sys/net/ipv6/conf/e0a/accept_ra") == "1\n",
        "accept_ra of e0a is restored",
    )


def test_servers_may_come_and_go_all_at_once(lan: Lan) -> None:
    """As after the death of another node. The namespaces' directory becomes one mount, not one per server."""
    before = lan.node.dump()
    servers = [{"server": f"vs{n}", "addresses": f"192.0.2.{n}/24 2001:db8:a::{n}/64"} for n in range(11, 17)]
    with ThreadPoolExecutor(len(servers)) as together:
        answers = list(together.map(lambda each: lan.node.agent("net", "start", **each), servers))
        assert [answer.code for answer in answers] == [RUNNING] * len(servers)
        assert all(monitor(lan.node, "net", each) == RUNNING for each in servers)
        mounts = [line.split()[3:5] for line in lan.node.run("cat", "/proc/self/mountinfo").splitlines()]
        assert mounts.count(["/netns", "/run/netns"]) == 1  # the machine's own may be hidden below
        answers = list(together.map(lambda each: lan.node.agent("net", "stop", **each), servers))
        assert [answer.code for answer in answers] == [RUNNING] * len(servers)
    assert lan.node.dump() == before


def test_an_interrupted_start_is_found_and_undone(lan: Lan) -> None:
    before = lan.node.dump()
    lan.node.run("sh", "-c", "mkdir -p /run/netns && ip netns add vs1")  # the first step, and no more
    assert monitor(lan.node, "net", NET) == FAILED
    stop(lan.node, ("net", NET))
    assert lan.node.agent("net", "monitor", **NET).code == NOT_RUNNING
    assert lan.node.dump() == before


def test_a_namespace_that_vanishes_before_the_eyes_of_a_monitor_is_a_failure(lan: Lan) -> None:
    """It sees the namespace, and when it goes in nothing but the file is left."""
    start(lan.node, ("net", NET))
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from vsctl.agents import kernel, namespaces\n"
        "from vsctl.agents.net import Net\n"
        "exists = namespaces.exists\n"
        "def seen_for_the_last_time(server):\n"
        "    namespaces.exists = exists\n"
        "    there = exists(server)\n"
        "    kernel.umount(f'/run/netns/{server}', kernel.MNT_DETACH)\n"
        "    return there\n"
        "namespaces.exists = seen_for_the_last_time\n"
        "Net.main()\n"
    )
    environment = [f"OCF_RESKEY_{key}={value}" for key, value in NET.items()]
    done = subprocess.run(
        lan.node.command("env", *environment, PYTHON, "-IS", "-c", code, "monitor"),
        capture_output=True,
        text=True,
        check=False,
    )
    # What the monitor misses first depends on how far the kernel has got with taking the interfaces away.
    assert done.returncode == FAILED
    assert done.stderr.startswith("ocf-exit-reason:") and done.stderr.count("\n") == 1, done.stderr
    stop(lan.node, ("net", NET))
