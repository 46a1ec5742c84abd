"""How long does a node do without a unit that has ended it? With a diary in a file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from vsctl.agents.noded import diary, endings, judge, storage
from vsctl.agents.noded.diary import Diary
from vsctl.agents.noded.endings import DAY, FIRST, LONGEST, after_boot, count, hold
from vsctl.agents.noded.judge import Record

WALL, NOW = 1_800_000_000.0, 50.0


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(diary, "FILE", str(tmp_path / "events"))
    return tmp_path / "events"


def test_one_accident_costs_nothing_and_a_loop_ends_in_hours() -> None:
    assert [hold(each) for each in (0, 1, 2)] == [0, 0, FIRST]
    assert all(first < second or second == LONGEST for first, second in pairwise(map(hold, range(1, 50))))
    assert hold(50) == LONGEST


def test_it_counts_for_a_day_and_until_an_operator_says_that_it_is_all_right() -> None:
    ended = [(WALL - 2 * DAY, "ended"), (WALL - 2, "ended"), (WALL - 1, "hung"), (WALL + 9, "ended")]
    assert count(ended, WALL) == 2
    assert count([*ended, (WALL, "released")], WALL) == 0
    assert count([*ended, (WALL, "released"), (WALL, "ended")], WALL) == 1


def boot(*before: str, wall: float = WALL) -> dict[str, Record]:
    """Boot a node whose diary says this in the end."""
    written = Diary()
    for number, state in enumerate(before):
        written.write("storage", "san1", state, wall - 100 + number)
    return after_boot(Diary(), wall, NOW)


def test_a_unit_that_hung_when_the_node_went_down_is_held_back_the_second_time() -> None:
    assert boot("good", "hung") == {}
    held = boot("good", "hung", wall=WALL + 300)
    assert held == {"san1": Record(works=False, since=NOW, good=False, hold=FIRST)}
    assert boot("good", wall=WALL + 600)["san1"].hold == FIRST, "a boot for another reason changes nothing"
    assert boot("hung", wall=WALL + 900)["san1"].hold == FIRST * endings.GROWTH
    assert boot("released", "good", wall=WALL + 1200) == {}


@pytest.mark.parametrize(
    "torn",
    [
        b"storage storage san1 ended\n",
        b"1763829000.1\0\0\0 storage san1 ended\n",
        b"17638\xff\xfe9000.12 storage san1 ended\n",
        b"\0\0\0\0 storage san1 ended\n",
        b"1799999999.00 storage san\xff ended\n",
        b"nan storage san1 ended\n",
        b"1799999999.00 storage sa",
    ],
)
def test_what_a_power_cut_has_torn_is_no_event_and_keeps_nothing_from_starting(
    file: Path, torn: bytes
) -> None:
    good = b"1799999900.00 storage san1 ended\n"
    file.write_bytes(good + torn)
    known = Diary()
    assert known.history("storage", "san1") == [(WALL - 100, "ended")]
    assert known.known("storage") == {"san1": "ended"}
    assert known.told == good.decode().strip(), "no program takes a zero among its arguments"
    known.write("storage", "san1", "good", WALL)
    assert file.read_bytes() == good + b"1800000000.00 storage san1 good\n"


@pytest.mark.parametrize("state", ["good", "lost", "waiting", "slow", "failing"])
def test_nothing_else_counts(state: str) -> None:
    assert [boot("hung", state), boot("hung", state, wall=WALL + 300)] == [{}, {}]


def test_what_is_held_back_counts_when_it_has_worked_for_so_long_without_a_break() -> None:
    record = judge.observed(Record(works=False, since=NOW, good=False, hold=FIRST), works=True, now=100)
    assert not judge.observed(record, works=True, now=100 + FIRST - 1).good
    broken = judge.observed(judge.observed(record, works=False, now=200), works=True, now=300)
    assert not judge.observed(broken, works=True, now=300 + FIRST - 1).good
    good = judge.observed(broken, works=True, now=300 + FIRST)
    assert (good.good, good.hold) == (True, 0)
    assert judge.released(record).good


def test_what_is_held_back_can_be_relied_on_as_soon_as_any_other_unit() -> None:
    held = judge.observed(Record(works=False, since=NOW, good=False, hold=FIRST), works=True, now=100)
    assert storage.unsteady({"san1": held}, 100 + judge.QUIET - 0.1) == ["san1"]
    assert storage.unsteady({"san1": held}, 100 + judge.QUIET) == []
    assert judge.usable_at(held, 100) == 100 + FIRST
    again = judge.observed(judge.observed(held, works=False, now=200), works=True, now=201)
    again = judge.observed(judge.observed(again, works=False, now=202), works=True, now=203)
    assert storage.unsteady({"san1": again}, 203 + judge.QUIET) == ["san1"], "it comes and goes"
