"""When does the balancer look at the load, and what does it tell of that?"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vsctl.agents.balancerd import outcome, timing
from vsctl.agents.balancerd.outcome import Move, Outcome
from vsctl.agents.balancerd.timing import AUTO, COOL_DOWN, DAY, FIRST, QUIET, TURN, Due, Own, Settings, due

PLAIN = Settings(AUTO, 300, 600)
NIGHT = Settings(AUTO, 300, 600, (22 * 60, 5 * 60))


def minute(at: float) -> float:
    """Return the time of a day that begins at 0."""
    return at / 60 % DAY


def when(
    settings: Settings,
    looked: float | None = None,
    disturbed: float | None = None,
    *,
    failed: bool = False,
    now: float = 0.0,
) -> Due:
    return due(settings, came=0.0, looked=looked, failed=failed, disturbed=disturbed, now=now, minute=minute)


def test_one_that_has_just_come_waits_until_loads_are_known() -> None:
    assert when(PLAIN) == Due(FIRST, TURN)
    assert when(Settings(AUTO, 10, 0)) == Due(10, TURN)


def test_after_a_look_it_waits_for_its_turn() -> None:
    assert when(PLAIN, looked=1000) == Due(1300, TURN)


def test_one_that_could_not_look_tries_again_soon() -> None:
    assert when(PLAIN, looked=1000, failed=True) == Due(1000 + FIRST, TURN)
    assert when(PLAIN, looked=1000, disturbed=990, failed=True) == Due(1590, COOL_DOWN)


def test_after_a_failover_it_lets_the_dust_settle() -> None:
    assert when(PLAIN, looked=1000, disturbed=1290) == Due(1890, COOL_DOWN)
    assert when(PLAIN, looked=1000, disturbed=100) == Due(1300, TURN), "that is long ago"


@pytest.mark.parametrize(
    ("looked", "expected"),
    [
        (21 * 3600, Due(21 * 3600 + 300, TURN)),
        (21 * 3600 + 55 * 60, Due(29 * 3600, QUIET)),
        (4 * 3600, Due(5 * 3600, QUIET)),
        (5 * 3600 - 300, Due(5 * 3600, TURN)),
    ],
)
def test_in_quiet_hours_it_does_not_look(looked: float, expected: Due) -> None:
    assert when(NIGHT, looked=looked) == expected


def test_what_is_overdue_waits_for_the_end_of_quiet_hours_too() -> None:
    """It could not look in time: nobody answered, or the mode was another one."""
    assert when(NIGHT, looked=21 * 3600, now=23 * 3600) == Due(29 * 3600, QUIET)
    assert when(NIGHT, looked=4 * 3600, now=6 * 3600) == Due(4 * 3600 + 300, TURN)


times = some.floats(0, 10 * 86400)


@given(
    some.builds(
        Settings,
        some.just(AUTO),
        some.floats(1, 86400),
        some.floats(0, 86400),
        some.none()
        | some.tuples(some.integers(0, DAY - 1), some.integers(0, DAY - 1)).filter(lambda it: it[0] != it[1]),
    ),
    some.none() | times,
    some.none() | times,
)
def test_it_never_looks_when_it_must_not(
    settings: Settings, looked: float | None, disturbed: float | None
) -> None:
    at = when(settings, looked, disturbed).at
    if looked is not None:
        assert at >= looked + settings.every
    if disturbed is not None:
        assert at >= disturbed + settings.cool_down
    if settings.quiet is not None:
        start, end = settings.quiet
        later = minute(at + 0.001)  # the end of the quiet hours is exact in no number of seconds
        assert not (later - start) % DAY < (end - start) % DAY
    latest = max(FIRST if looked is None else looked + settings.every, (disturbed or 0) + settings.cool_down)
    assert at <= latest + 86400, "and it is never put off for more than a day"


SAID = """<xpath-query>
  <lrm_rsc_op id="vs1-net_last_0" operation="start" rc-code="0" last-rc-change="1000" exec-time="3"/>
  <lrm_rsc_op id="vs2-net_last_0" operation="start" rc-code="0" last-rc-change="2000" exec-time="3"/>
</xpath-query>"""


def test_own_moves_are_no_failover() -> None:
    vs1, vs2 = frozenset({"vs1"}), frozenset({"vs2"})
    assert timing.last_by_others(SAID, []) == 2000
    assert timing.last_by_others(SAID, [Own(1990.5, 1998.0, vs2)]) == 1000, "clocks differ a little"
    assert timing.last_by_others(SAID, [Own(990, 1001, vs1), Own(1999, 2001, vs2)]) is None
    assert timing.last_by_others(SAID, [Own(990, 2001, vs1 | vs2)]) is None
    assert timing.last_by_others("", []) is None


def test_what_fails_over_while_others_are_moved_is_a_failover() -> None:
    assert timing.last_by_others(SAID, [Own(990, 2001, frozenset({"vs1"}))]) == 2000
    assert timing.last_by_others(SAID, [Own(990, 2001, frozenset())]) == 2000


def test_settings_are_read_as_written() -> None:
    assert timing.read(timing.write("auto", 300, 600, "22:00-05:00")) == NIGHT
    assert timing.read(timing.write("auto", 300, 600, "")) == PLAIN


@pytest.mark.parametrize("hours", ["22-5", "24:00-05:00", "22:00", "22:00-05:60"])
def test_hours_that_are_none_are_refused(hours: str) -> None:
    with pytest.raises(ValueError, match="22:00-05:00"):
        timing.quiet(hours)


DOCUMENT = json.dumps(
    {"moves": [{"server": "vs1", "from": "n1", "to": "n2"}, {"server": "vs2", "from": None, "to": "n2"}]}
)


def test_what_has_come_of_a_look() -> None:
    moves = (Move("vs1", "n1", "n2"), Move("vs2", "-", "n2"))
    assert outcome.of(10.0, 12.5, 0, DOCUMENT, "") == Outcome(10.0, 2.5, moves)
    assert (
        outcome.of(10.0, 12.5, 0, "{}", "").problem == "vsctl rebalance says nothing that can be understood"
    )
    assert outcome.of(10.0, 12.5, 1, "", "no node says\n  anything").problem == "no node says anything"
    assert outcome.of(10.0, 12.5, outcome.UNKNOWN, "", "nobody says what") == Outcome(10.0, 2.5, early=True)
    assert outcome.of(10.0, 12.5, -9, "", "").problem == "vsctl rebalance ended with status -9"
    assert len(outcome.of(10.0, 12.5, 1, "", "x" * 10_000).problem) == outcome.LONGEST


def test_it_is_told_in_words_without_blanks() -> None:
    told = outcome.text(AUTO, Due(1300, TURN), Outcome(1000.2, 2.5, (Move("vs1", "n1", "n2"),), "no; luck"))
    assert told == "mode=auto next=1300 why=turn begun=1000 took=2.5 move=vs1:n1:n2 problem=no%3B%20luck"
