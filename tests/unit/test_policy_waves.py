"""Waves: few at a time, all of them in the end, and a place for everybody after a failure in between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_policy_balance import KINDS, situations
from vsctl.policy.balance import Move, balance
from vsctl.policy.demands import Demand, Supply
from vsctl.policy.waves import _Ground, waves

LIGHT = settings(deadline=None, max_examples=25)
Situation = tuple[tuple[Demand, ...], tuple[Supply, ...]]


@pytest.mark.slow
@LIGHT
@given(situations(hard=True), st.integers(1, 4))
def test_every_wave_leaves_as_many_places_as_before_or_after(situation: Situation, most: int) -> None:
    demands, supplies = situation
    there = {each.node for each in supplies}
    running = tuple(each for each in demands if each.here in there)
    moves = [each for each in balance(running, supplies, KINDS).moves if each.origin is not None]
    found = waves(running, supplies, moves, most)
    assert sorted(
        [*(each.server for wave in found.waves for each in wave), *(each.server for each in found.left)]
    ) == sorted(each.server for each in moves)
    ground = _Ground(running, supplies, running)
    where = {each.server: each.here for each in running if each.here is not None}
    end = {**where, **{each.server: each.target for each in moves}}
    most_homeless = max(ground.homeless(where), ground.homeless(end))
    for wave in found.waves:
        assert 0 < len(wave) <= most
        where.update({each.server: each.target for each in wave})
        assert ground.homeless(where) <= most_homeless


def server(name: str, load: float, here: str) -> Demand:
    return Demand(name, (load,), ("n1", "n2", "n3"), here)


def move(name: str, origin: str, target: str) -> Move:
    return Move(name, origin, target, 1.0, "")


def test_what_arrives_waits_until_there_is_room() -> None:
    demands = (server("vs1", 6.0, "n1"), server("vs2", 6.0, "n2"))
    supplies = tuple(Supply(node, (10.0,), hard=True) for node in ("n1", "n2", "n3"))
    found = waves(demands, supplies, (move("vs1", "n1", "n2"), move("vs2", "n2", "n3")), 4)
    assert [[each.server for each in wave] for wave in found.waves] == [["vs2"], ["vs1"]]


def test_those_that_exchange_places_go_together() -> None:
    demands = (server("vs1", 6.0, "n1"), server("vs2", 5.0, "n2"))
    supplies = tuple(Supply(node, (10.0,), hard=True) for node in ("n1", "n2"))
    both = (move("vs1", "n1", "n2"), move("vs2", "n2", "n1"))
    assert len(waves(demands, supplies, both, 2).waves) == 1
    assert [each.server for each in waves(demands, supplies, both, 1).left] == ["vs1", "vs2"]


def test_the_fullest_node_is_relieved_first() -> None:
    full = [server(f"vs{at}", 2.0, "n1") for at in range(1, 5)]
    demands = (*full, server("vs8", 3.0, "n2"), server("vs9", 3.0, "n2"))
    supplies = tuple(Supply(node, (10.0,)) for node in ("n1", "n2", "n3"))
    moves = (move("vs9", "n2", "n3"), move("vs1", "n1", "n3"))
    assert [[each.server for each in wave] for wave in waves(demands, supplies, moves, 1).waves] == [
        ["vs1"],
        ["vs9"],
    ]
