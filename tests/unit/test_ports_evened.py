"""Which port announces what, by load? Pure: rates in, moves out, and what the CIB remembers of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stories import cast
from vsctl.agents.noded import balancing, settings, spreading, traffic
from vsctl.agents.noded.spreading import WORTH, Load, Port
from vsctl.agents.noded.traffic import WINDOW, Meter
from vsctl.cli.events import Event, read
from vsctl.policy import parameters, port_order, rules

MEGA = 1e6
TWO = (Port("e0a", 1e9), Port("e0b", 1e9))

RATES = st.floats(0, 1e9)
PORTS = st.lists(
    st.builds(Port, st.sampled_from(["e0a", "e0b", "e0c"]), st.sampled_from([1e9, 1e10]), RATES),
    min_size=1,
    unique_by=lambda each: each.name,
)
LOADS = st.lists(
    st.builds(
        Load,
        st.sampled_from([f"vs{n}/lan-a" for n in range(8)]),
        st.sampled_from(["e0a", "e0b", "e0x"]),
        RATES,
    ),
    unique_by=lambda each: each.name,
)


def carried_out(loads: list[Load], moves: tuple[spreading.Move, ...]) -> list[Load]:
    targets = {each.name: each.target for each in moves}
    return [replace(each, port=targets.get(each.name, each.port)) for each in loads]


@given(LOADS, PORTS, st.sampled_from([0.0, 0.1, 0.5]))
def test_a_second_look_finds_nothing_and_no_look_makes_it_worse(
    loads: list[Load], ports: list[Port], tolerance: float
) -> None:
    moves = spreading.spread(loads, ports, tolerance)
    after = carried_out(loads, moves)
    assert spreading.spread(after, ports, tolerance) == (), "nothing moves on the second run"
    assert max(spreading.use(each, after) for each in ports) <= max(
        spreading.use(each, loads) for each in ports
    )
    for move in moves:
        assert move.origin != move.target
        assert {move.origin, move.target} <= {each.name for each in ports}
        assert move.before - move.after > WORTH / 2, "it gains something"
    assert len({each.name for each in moves}) == len(moves)


def test_two_busy_addresses_on_one_port_end_up_on_two() -> None:
    loads = [Load("vs1/lan-a", "e0a", 400 * MEGA), Load("vs2/lan-a", "e0a", 300 * MEGA)]
    (move,) = spreading.spread(loads, TWO, 0.1)
    assert (move.name, move.origin, move.target) == ("vs2/lan-a", "e0a", "e0b")
    assert (move.before, move.after) == pytest.approx((700 * MEGA, 400 * MEGA))


@pytest.mark.parametrize(
    ("loads", "why"),
    [
        ([("vs1", "e0a", 900)], "one address cannot be divided"),
        ([("vs1", "e0a", 300), ("vs2", "e0a", 20), ("vs3", "e0b", 290)], "too little to gain"),
        ([("vs1", "e0a", 0.4), ("vs2", "e0a", 0.4)], "nobody would notice"),
        ([("vs1", "e9z", 900), ("vs2", "e9z", 900)], "a port that is not good is the reflex's business"),
    ],
)
def test_what_stays(loads: list[tuple[str, str, float]], why: str) -> None:
    found = [Load(name, port, rate * MEGA) for name, port, rate in loads]
    assert spreading.spread(found, TWO, 0.1) == (), why


def test_what_a_port_carries_besides_counts_and_subnets_do_not_mix() -> None:
    announced = {"vs1/lan-a": "e0a", "vs2/lan-a": "e0a", "vs3/lan-b": "e1a"}
    subnets = {"e0a": "lan-a", "e0b": "lan-a", "e1a": "lan-b"}
    rates = {"vs1/lan-a": 200 * MEGA, "vs2/lan-a": 200 * MEGA, "vs3/lan-b": 900 * MEGA}
    speeds = dict.fromkeys(subnets, 1e9)
    backup = {**rates, "e0a": 400 * MEGA, "e0b": 500 * MEGA, "e1a": 900 * MEGA}
    assert len(spreading.of_node(announced, subnets, rates, speeds, 0.1)) == 1
    assert spreading.of_node(announced, subnets, backup, speeds, 0.1) == ()


def test_a_rate_is_the_mean_of_a_minute_and_begins_anew_with_the_count() -> None:
    meter = Meter()
    for second, count in ((0, 0), (10, 1000), (WINDOW, 6000), (WINDOW + 10, 7000), (WINDOW + 20, 8000)):
        meter.take({"e0a": count}, second)
    assert meter.rates() == {"e0a": 8 * 100.0}
    meter.take({"e0a": 10}, WINDOW + 30)
    assert meter.rates() == {"e0a": 0.0}
    meter.take({"e0a": 20}, WINDOW + 40)
    assert meter.rates() == {"e0a": 8.0}
    meter.take({}, WINDOW + 50)
    assert meter.rates() == {}


def test_a_port_that_does_not_tell_its_speed_has_the_usual_one() -> None:
    assert traffic.speed("no-such-port") == traffic.USUAL


def test_a_port_becomes_the_first_of_its_node_alone() -> None:
    before = "n1=e0a,e0b,e0c n2=e0a,e0b"
    assert balancing.first(before, "n1", "e0b") == "n1=e0b,e0a,e0c n2=e0a,e0b"
    assert balancing.first(before, "n1", "e9z") == before


@pytest.mark.parametrize(
    "text", ["every=300", "every=x tolerance=0.1", "every=1 tolerance=1 more=1", "often"]
)
def test_a_balance_that_cannot_be_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        settings.balance(text)


# what the CIB remembers

CLUSTER = cast.cluster(["nodes: n1 n2", "vs1: home=n1"])
ANNOUNCER = "vs1-vip-lan-a"


def announced(cluster: object, orders: port_order.Orders) -> str:
    found = rules.configuration(cluster, orders=orders)  # type: ignore[arg-type]
    (vip,) = (each for each in found.resources if each.id == ANNOUNCER)
    return dict(vip.parameters)["ports"]  # type: ignore[union-attr]


def test_an_order_outlives_an_apply_until_the_file_has_another() -> None:
    listed = parameters.ports(CLUSTER, CLUSTER.subnet("lan-a"))
    assert announced(CLUSTER, {}) == listed
    other = balancing.first(listed, "n1", "e0b")
    orders = port_order.kept(CLUSTER, CLUSTER, {ANNOUNCER: port_order.read(other)})
    assert announced(CLUSTER, orders) == other
    n1, n2 = CLUSTER.nodes
    shuffled = replace(CLUSTER, nodes=(replace(n1, ports=n1.ports[::-1]), n2))
    meant = port_order.kept(CLUSTER, shuffled, {ANNOUNCER: port_order.read(other)})
    assert announced(shuffled, meant) == announced(shuffled, {}), "who changes the file means it"
    assert port_order.kept(None, CLUSTER, {ANNOUNCER: port_order.read(other)}) == {}
    stranger = {ANNOUNCER: {"n1": ("e0a", "e9z")}, "vs9-vip-lan-a": {"n1": ("e0a",)}}
    assert announced(CLUSTER, port_order.kept(CLUSTER, CLUSTER, stranger)) == listed


def test_a_port_is_put_first() -> None:
    orders = {ANNOUNCER: {"n1": ("e0a", "e0b"), "n2": ("e0a", "e0b")}}
    assert port_order.put_first(orders, {ANNOUNCER: {"n1": "e0b"}}) == {
        ANNOUNCER: {"n1": ("e0b", "e0a"), "n2": ("e0a", "e0b")}
    }


# what happened


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("1.5 port e0a lost", "e0a is lost: it has no carrier"),
        ("1.5 subnet lan-a good", "lan-a is there"),
        ("1.5 address vs1/lan-a e0b", "vs1 is announced on e0b (lan-a)"),
        ("1.5 address vs1/lan-a -", "vs1 is no longer announced here on lan-a"),
        ("1.5 route vs1/lan-a e0b", "vs1 is routed through here, and announced on e0b (lan-a)"),
        ("1.5 route vs1/lan-a -", "vs1 is no longer routed through here (lan-a)"),
        ("1.5 server vs1 leave", "vs1 is asked to leave: nobody routes to it, or has for too long"),
        ("1.5 daemon n1 started", "the node daemon has started"),
    ],
)
def test_a_line_of_the_diary_is_a_sentence(line: str, sentence: str) -> None:
    event = read("n1", line)
    assert isinstance(event, Event)
    assert (event.at, event.node, event.sentence) == (1.5, "n1", sentence)


def test_no_line_is_no_event() -> None:
    assert read("n1", "none") is None
