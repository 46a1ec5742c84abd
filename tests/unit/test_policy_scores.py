"""The arithmetic of the score table."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vsctl.policy import preferences, scores
from vsctl.policy.constraints import INFINITY

DESCENDING = (
    scores.STORAGE_LOST,
    scores.EVACUATE,
    scores.MOVE,
    scores.APART,
    scores.EVICT,
    scores.NO_PORT,
    scores.SUBNET_LOST,
    scores.STICKINESS,
    scores.PREFERENCE,
    scores.UNREPORTED,
    scores.ANNOUNCER,
)
SUBNETS = 3
"""How many subnets may be lost at once before a lesser reason could win."""


def weight(score: int) -> int:
    """What a row weighs at most, with everything lost that may be lost at once."""
    return abs(score) * (SUBNETS if score in (scores.SUBNET_LOST, scores.ANNOUNCER) else 1)


@pytest.mark.parametrize("row", range(len(DESCENDING)))
def test_a_row_outweighs_all_below_it(row: int) -> None:
    assert abs(DESCENDING[row]) > sum(map(weight, DESCENDING[row + 1 :]))


SMALL = scores.PREFERENCE + abs(scores.UNREPORTED) + SUBNETS * scores.ANNOUNCER


def test_a_server_that_is_held_is_routed_where_it_is_wherever_is_better() -> None:
    assert scores.HELD + SUBNETS * scores.FEWER > SMALL


def test_without_a_port_it_goes_where_one_address_more_can_be_announced_and_only_there() -> None:
    here = scores.HELD + scores.CUT_OFF
    assert here + scores.FEWER + SMALL < 0
    assert here > SMALL


def test_being_asked_to_leave_outweighs_what_holds_a_server() -> None:
    assert abs(scores.EVICT) > scores.HELD + abs(scores.CUT_OFF) + SUBNETS * abs(scores.FEWER) + SMALL


def test_the_base_carries_a_server_through_everything() -> None:
    assert sum(map(weight, DESCENDING)) < scores.BASE < INFINITY


def test_a_pinned_server_is_below_zero_elsewhere_whatever_speaks_for_it() -> None:
    best = scores.BASE + scores.MOVE + scores.HELD + scores.PREFERENCE
    assert best + scores.PINNED < 0


def test_stickiness_outweighs_the_distance_between_any_preferences() -> None:
    assert preferences.score(0) - preferences.score(31) < scores.STICKINESS


def test_no_rank_is_worth_more_than_one_before_it() -> None:
    worth = [preferences.score(rank) for rank in range(40)]
    assert worth[0] == scores.PREFERENCE
    assert all(high > low >= 0 for high, low in pairwise(worth))
