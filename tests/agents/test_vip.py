"""Where are addresses announced when ports come and go?"""

from __future__ import annotations

import pytest

from tests.agents.cast import EVERY, FAILED, IPV4, IPV6, LAN_A, NET, NOT_RUNNING, OPEN, RUNNING
from tests.agents.node import Lan, Node, Session, attempt, listening, serve, told_of, until
from vsctl.agents.announce import BURST

pytestmark = pytest.mark.node


@pytest.fixture
def serving(lan: Lan) -> Lan:
    for agent, parameters in (("net", NET), ("vip", LAN_A)):
        answer = lan.node.agent(agent, "start", **parameters)
        assert answer.code == RUNNING, answer.said
    serve(lan.node, "vs1", OPEN)
    return lan


def announced(node: Node) -> dict[str, str]:
    """Return the port that answers for each address."""
    lines = node.ip("neighbour", "show", "proxy") + node.ip("-6", "neighbour", "show", "proxy")
    return {line.split()[0]: line.split()[2] for line in lines.splitlines()}


def monitor(node: Node, **changed: str) -> int:
    return node.agent("vip", "monitor", interval=EVERY, **{**LAN_A, **changed}).code


def test_the_first_port_with_a_carrier_answers(serving: Lan) -> None:
    assert announced(serving.node) == {IPV4: "e0a", IPV6: "e0a"}


def test_a_pulled_cable_costs_no_session(serving: Lan) -> None:
    client = serving.clients["client-a"]
    sessions = [Session(client, address, OPEN) for address in (IPV4, IPV6)]
    serving.cable("e0a", "down")
    assert monitor(serving.node) == RUNNING
    assert announced(serving.node) == {IPV4: "e0b", IPV6: "e0b"}
    assert all(session.answers() for session in sessions)
    serving.cable("e0a", "up")
    assert monitor(serving.node) == RUNNING
    assert announced(serving.node) == {IPV4: "e0b", IPV6: "e0b"}, "what works stays where it is"
    assert all(session.answers() for session in sessions)
    for session in sessions:
        session.close()


def test_without_a_good_port_it_fails_and_can_be_stopped(serving: Lan) -> None:
    serving.cable("e0a", "down")
    serving.cable("e0b", "down")
    answer = serving.node.agent("vip", "monitor", interval=EVERY, **LAN_A)
    assert answer.code == FAILED
    assert "no port of this node on lan-a has a carrier: e0a, e0b" in answer.said
    assert serving.node.agent("vip", "stop", **LAN_A).code == RUNNING
    assert serving.node.agent("vip", "start", **LAN_A).code == FAILED
    assert serving.node.agent("vip", "monitor", **LAN_A).code == NOT_RUNNING


def test_ports_change_in_flight(serving: Lan) -> None:
    session = Session(serving.clients["client-a"], IPV4, OPEN)
    changed = {**LAN_A, "ports": "n1=e0b,e0a"}
    assert serving.node.agent("vip", "reload-agent", **changed).code == RUNNING
    assert announced(serving.node) == {IPV4: "e0b", IPV6: "e0b"}
    assert monitor(serving.node, ports="n1=e0b,e0a") == RUNNING
    assert session.answers()
    session.close()


def test_gateways_change_in_flight(serving: Lan) -> None:
    changed = {**LAN_A, "gateways": "192.0.2.254"}
    assert monitor(serving.node, gateways="192.0.2.254") == FAILED
    assert serving.node.agent("vip", "reload-agent", **changed).code == RUNNING
    assert monitor(serving.node, gateways="192.0.2.254") == RUNNING
    routes = serving.node.ip("route", "show", "table", "all") + serving.node.ip(
        "-6", "route", "show", "table", "all"
    )
    assert "default via 192.0.2.254" in routes
    assert "default via 192.0.2.1 " not in routes
    assert "default via 2001:db8:a::1 " not in routes


@pytest.mark.parametrize(
    "damage",
    [
        "ip neighbour delete proxy 192.0.2.11 dev e0a",
        "ip -6 neighbour delete proxy 2001:db8:a::11 dev e0a",
        "ip neighbour add proxy 192.0.2.11 dev e0b",
        "ip rule delete from 192.0.2.11",
        "ip -6 rule delete from 2001:db8:a::11",
    ],
)
def test_monitor_sees_what_is_wrong_and_a_restart_mends_it(serving: Lan, damage: str) -> None:
    serving.node.run(*damage.split())
    assert monitor(serving.node) == FAILED
    assert serving.node.agent("vip", "stop", **LAN_A).code == RUNNING
    assert serving.node.agent("vip", "start", **LAN_A).code == RUNNING
    assert monitor(serving.node) == RUNNING


def test_without_the_server_it_fails_in_a_sentence(lan: Lan) -> None:
    answer = lan.node.agent("vip", "start", **LAN_A)
    assert answer.code == FAILED
    assert "vs1 is not on this node" in answer.said
    assert lan.node.agent("vip", "monitor", **LAN_A).code == NOT_RUNNING


def test_hosts_of_the_subnet_are_told_several_times(lan: Lan) -> None:
    """A client that knows the address elsewhere learns the port at once, by ARP and neighbour discovery."""
    client = lan.clients["client-a"]
    port = lan.node.hardware("e0a")
    with told_of(client, port, IPV4, IPV6, 1 + len(BURST)):
        for each in (IPV4, IPV6):
            elsewhere = ("lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "reachable")
            client.ip("neighbour", "replace", each, *elsewhere)
        for agent, parameters in (("net", NET), ("vip", LAN_A)):
            assert lan.node.agent(agent, "start", **parameters).code == RUNNING
        until(
            lambda: all(port in client.ip("neighbour", "show", each) for each in (IPV4, IPV6)),
            "the client knows the new place",
        )


def test_nothing_is_told_after_the_end(serving: Lan) -> None:
    assert serving.node.agent("vip", "stop", **LAN_A).code == RUNNING
    heard = listening(serving.clients["client-a"], f"arp and host {IPV4}", 1)
    until(lambda: not serving.node.processes(), "the repetitions have ended")
    heard.terminate()
    assert heard.communicate()[0].strip() == ""


def test_addresses_answer_from_the_port_not_from_another(serving: Lan) -> None:
    client = serving.clients["client-a"]
    assert attempt(client, IPV4, OPEN) == "answered"
    assert serving.node.hardware("e0a") in client.ip("neighbour", "show", IPV4)
