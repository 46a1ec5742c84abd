"""Which ports does the node daemon use, and what does it tell the cluster? Pure: no port, no clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsctl.agents import topology
from vsctl.agents.noded import hearing, judge, leaving, settings
from vsctl.agents.noded.hearing import FIRST, LIMIT, ROUNDS, Heard
from vsctl.agents.noded.judge import LONGEST, QUIET, Record
from vsctl.agents.noded.leaving import PATIENCE, RELIEF, Guest, Loss

SUBNETS = {"e0a": "lan-a", "e0b": "lan-a", "e1a": "lan-b"}
SEVERAL = frozenset({"gateways", "n2"})
ONE = frozenset({"n2"})


def after(*observations: tuple[float, bool | None]) -> Record:
    record = Record()
    for now, works in observations:
        record = judge.observed(record, works, now)
    return record


# one port


@given(st.lists(st.tuples(st.floats(0, 30), st.none() | st.booleans()), max_size=40))
def test_a_port_that_does_not_work_is_never_used_and_one_that_is_good_works(
    steps: list[tuple[float, bool | None]],
) -> None:
    now, broken, record = 0.0, 0.0, Record()
    for pause, works in steps:
        now += pause
        before, record = record, judge.observed(record, works, now)
        assert (record.good is None) == (record.works is None), (
            "no verdict before an observation, and then one"
        )
        if works is False:
            broken = now
            assert record.good is False, "down at once"
        if record.good:
            assert record.works
        if record.good and before.good is False:
            assert now - broken >= QUIET, "up only after quiet"
        assert judge.observed(record, record.works, now) == record, "twice is once"


@given(st.integers(1, 60), st.floats(0.001, QUIET / 2))
def test_a_port_that_flaps_is_lost_once(times: int, pause: float) -> None:
    record, verdicts = after((0.0, True)), []
    for n in range(times):
        for works in (False, True):
            record = judge.observed(record, works, 10.0 + n * pause + works * pause / 2)
            verdicts.append(record.good)
    assert not any(verdicts)


def test_quiet_grows_and_ends() -> None:
    lengths = [judge.quiet(losses) for losses in range(1, 20)]
    assert lengths == sorted(lengths)
    assert lengths[:3] == [QUIET, 2 * QUIET, 4 * QUIET]
    assert lengths[-1] == LONGEST


def test_a_loss_is_forgotten() -> None:
    record = after((0.0, True), (1.0, False), (2.0, True), (2.0 + QUIET, True), (5000.0, False))
    assert judge.usable_at(judge.observed(record, True, 5001.0), 5001.0) == 5001.0 + QUIET


def test_an_operator_has_the_last_word() -> None:
    flapping = after((0.0, True), (1.0, False), (2.0, True), (3.0, False), (4.0, True))
    assert judge.state(flapping, carrier=True, now=4.0) == "flapping"
    assert judge.released(flapping).good
    dead = after((0.0, True), (1.0, False))
    assert not judge.released(dead).good, "nobody can make a dead port good"


@pytest.mark.parametrize(
    ("record", "carrier", "said"),
    [
        (Record(), True, "unknown"),
        (after((0, True)), True, "good"),
        (after((0, False)), False, "lost"),
        (after((0, True), (1, False)), True, "silent"),
        (after((0, True), (1, False), (2, True)), True, "waiting"),
    ],
)
def test_the_state_of_a_port_is_a_word(record: Record, carrier: bool, said: str) -> None:
    assert judge.state(record, carrier, 2.5) == said


# the node


@given(st.dictionaries(st.sampled_from(sorted(SUBNETS)), st.none() | st.booleans()))
def test_nothing_is_told_before_everything_was_observed(known: dict[str, bool | None]) -> None:
    records = {port: after((0.0, known.get(port))) for port in SUBNETS}
    told = judge.attributes(records, SUBNETS, ())
    if any(known.get(port) is None for port in SUBNETS):
        assert told == []
        return
    assert told[-1] == ("node-ok", "1"), "last, so that who sees it sees the rest"
    said = dict(told)
    assert said["ports-good"] == str(sum(said[f"port-{port}"] == "1" for port in SUBNETS))
    for subnet in ("lan-a", "lan-b"):
        good = any(known[port] for port in SUBNETS if SUBNETS[port] == subnet)
        assert said[f"subnet-{subnet}"] == ("2" if good else "0")


def test_a_lost_subnet_is_worth_something_if_a_route_leads_around() -> None:
    assert judge.worth("lan-a", {"lan-b"}, {"lan-a"}) == 1
    assert judge.worth("lan-a", {"lan-b"}, ()) == 0
    assert judge.worth("lan-a", (), {"lan-a"}) == 0, "a route needs a port"
    assert judge.worth("lan-a", {"lan-a"}, {"lan-a"}) == 2


PORTS = st.sets(st.sampled_from(["e0a", "e0b", "e0c"]))


@given(PORTS, PORTS, PORTS)
def test_addresses_leave_bad_ports_only_and_go_to_the_best_good_one(
    announced: set[str], good: set[str], unknown: set[str]
) -> None:
    bad = {"e0a", "e0b", "e0c"} - good - unknown
    to = judge.next_port(["e0a", "e0b", "e0c"], announced, good, bad)
    if not announced <= bad or not good:
        assert to is None
    else:
        assert to == min(good)


# silence


def heard(now: float, *witnesses: str, vain: int = ROUNDS) -> Heard:
    """A port on which these witnesses answered last at a time, and all were asked in vain since."""
    found = Heard(0.0)
    for each in witnesses:
        found = found.answered(each, now)
    for _ in range(vain):
        found = found.asked_all()
    return found


def test_several_witnesses_that_stop_at_once_make_a_port_silent() -> None:
    port = heard(100.0, "n2", "gateways")
    assert hearing.is_silent(port, (), SEVERAL, 100.0 + LIMIT - 0.01) is False
    assert hearing.is_silent(port, (), SEVERAL, 100.0 + LIMIT) is True


def test_a_single_witness_proves_nothing() -> None:
    assert hearing.is_silent(heard(100.0, "n2"), (), ONE, 200.0) is False
    assert hearing.is_silent(heard(100.0, "n2"), [heard(100.1, "n2")], ONE, 200.0) is False


def test_a_witness_that_died_long_ago_does_not_count() -> None:
    port = heard(50.0, "n2").answered("gateways", 100.0)
    for _ in range(ROUNDS):
        port = port.asked_all()
    assert hearing.is_silent(port, (), SEVERAL, 110.0) is False


def test_a_single_witness_that_answers_elsewhere_does() -> None:
    assert hearing.is_silent(heard(100.0, "n2"), [heard(100.6, "n2")], ONE, 100.0 + LIMIT) is True


def test_who_was_held_up_judges_nobody() -> None:
    assert hearing.is_silent(heard(100.0, "n2", "gateways", vain=ROUNDS - 1), (), SEVERAL, 200.0) is False


@pytest.mark.parametrize(
    ("witnesses", "others", "said"),
    [(SEVERAL, (), True), (ONE, (), False), (ONE, (heard(1.5, "n2"),), True), (frozenset(), (), False)],
)
def test_a_port_on_which_nobody_ever_answered(
    witnesses: frozenset[str], others: tuple[Heard, ...], said: bool
) -> None:
    port = heard(0.0)
    if witnesses:
        assert hearing.is_silent(port, others, witnesses, FIRST - 0.1) is None
    assert hearing.is_silent(port, others, witnesses, FIRST) is said


WITNESS = st.sampled_from(["gateways", "n2", "n3"])
TIMES = st.dictionaries(WITNESS, st.floats(0, 100))


@given(TIMES, TIMES, st.floats(0, 5), st.integers(0, 10))
def test_a_port_that_is_answered_is_not_silent(
    here: dict[str, float], there: dict[str, float], later: float, vain: int
) -> None:
    port, other = Heard(0.0, here, vain), Heard(0.0, there)
    verdict = hearing.is_silent(port, [other], frozenset({"gateways", "n2", "n3"}), 100.0 + later)
    if port.last is not None and 100.0 + later - port.last < LIMIT:
        assert verdict is False
    if verdict:
        assert vain >= ROUNDS


# a server without one of its subnets


@pytest.mark.parametrize(
    ("loss", "bridge", "now", "due"),
    [
        (Loss(0), None, PATIENCE - 1, False),
        (Loss(0), None, PATIENCE, True),
        (Loss(0, routed=99), None, 100, False),
        (Loss(0, routed=90), None, 90 + RELIEF - 1, False),
        (Loss(0, routed=90), None, 90 + RELIEF, True),
        (Loss(0, routed=99), 101, 100, False),
        (Loss(0, routed=99), 100, 100, True),
    ],
)
def test_a_server_should_leave_when_nobody_routes_or_its_bridge_is_over(
    loss: Loss, bridge: float | None, now: float, due: bool
) -> None:
    assert leaving.is_due([loss], bridge, now) is due


@given(st.lists(st.tuples(st.floats(0.1, 3), st.booleans(), st.booleans()), max_size=30))
def test_a_loss_begins_when_it_begins_and_is_forgotten_with_the_server_or_the_subnet(
    steps: list[tuple[float, bool, bool]],
) -> None:
    now, losses, begun = 0.0, {}, None
    for pause, lost, routed in steps:
        now += pause
        begun = (begun if begun is not None else now) if lost else None
        losses = leaving.observed(losses, ["lan-a"] if lost else [], ["lan-a"] if routed else [], now)
        assert (losses["lan-a"].since if lost else None) == begun
        if lost and routed:
            assert not losses["lan-a"].is_unrouted(now + PATIENCE)


def test_a_server_goes_only_where_enough_of_its_addresses_can_be_announced() -> None:
    guest = Guest(("lan-a", "lan-b"), ("n1", "n2", "n3"))
    good, half = {"n1": "0", "n2": "0", "n3": "2"}, {"n1": "2", "n2": "2"}
    assert leaving.refuge(guest, "n1", {"lan-a": good, "lan-b": {**half, "n3": "1"}}, 2) == "n3"
    assert leaving.refuge(guest, "n1", {"lan-a": good, "lan-b": half}, 2) is None, "n3 may be down"
    assert leaving.refuge(guest, "n3", {"lan-a": good, "lan-b": {**half, "n3": "2"}}, 2) is None, (
        "it is there already"
    )
    assert leaving.refuge(guest, "n1", {"lan-a": good, "lan-b": half}, 1) in ("n2", "n3")


@pytest.mark.parametrize(
    ("losses", "wanted"),
    [
        ([Loss(0, routed=99)], 3),
        ([Loss(0)], 3),
        ([Loss(0), Loss(0, routed=99)], 3),
        ([Loss(0), Loss(0)], 2),
        ([Loss(0), Loss(0), Loss(0)], 1),
    ],
)
def test_a_server_goes_for_more_than_it_has_and_for_all_if_it_has_all(
    losses: list[Loss], wanted: int
) -> None:
    """Of three subnets: with a bridge that is over all are routed; the more nobody routes, the less is better."""
    assert leaving.enough(Guest(("lan-a", "lan-b", "lan-c"), ()), losses, 100) == wanted


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.none() | st.booleans())
def test_who_has_left_is_kept_away_while_the_subnet_is_lost_and_no_longer(
    before: bool, here: bool, lost: bool, due: bool, elsewhere: bool | None
) -> None:
    after = leaving.evicted(before, here=here, lost=lost, due=due, elsewhere=elsewhere)
    assert not (after and not lost)
    if lost and not here:
        assert after is before
    if after and not before:
        assert here and due and elsewhere, "nobody is sent away for nowhere"


# settings


def test_settings_are_read_as_they_were_written() -> None:
    text = settings.write(
        "n1",
        ports="n1=e0a:lan-a,e1a:lan-b n2=ens5:lan-a",
        gateways="lan-a=192.0.2.1,2001:db8::1",
        routed="lan-a=lan-b,lan-c",
        servers="vs1 subnets=lan-a,lan-b nodes=n1,n2 bridge=600;vs3 subnets=lan-a nodes=n1",
    )
    read = settings.read(text)
    assert read.servers == {
        "vs1": Guest(("lan-a", "lan-b"), ("n1", "n2"), 600),
        "vs3": Guest(("lan-a",), ("n1",)),
    }
    assert read.mine == {"e0a": "lan-a", "e1a": "lan-b"}
    assert [each.ip for each in read.gateways["lan-a"]] == ["192.0.2.1", "2001:db8::1"]
    assert read.routed == {"lan-a": ("lan-b", "lan-c")}


@pytest.mark.parametrize("text", ["n1", "n1=", "n1=e0a", "n1=e0a:", "=e0a:lan-a"])
def test_ports_that_cannot_be_understood_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form"):
        topology.ports(text)


@pytest.mark.parametrize(
    "text", ["vs1", "vs1 subnets=lan-a", "vs1 subnets=lan-a nodes=n1 bridge=x", "vs1 x=y"]
)
def test_servers_that_cannot_be_understood_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        settings.servers(text)
