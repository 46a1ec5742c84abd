"""The order of the tests of a real cluster names what there is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests import turns

TESTS = Path(turns.__file__).parent


def test_every_module_is_there_and_has_one_turn() -> None:
    named = Counter(file for piece in turns.PIECES for file in piece)
    assert set(named.values()) == {1}
    assert [file for file in named if not (TESTS / file).is_file()] == []


def test_what_is_named_comes_first_and_the_rest_together() -> None:
    first, *_, last = turns.PIECES
    begin, end, unnamed = (turns.turn(f"tests/{each}") for each in (first[0], last[0], "lab/test_new.py"))
    assert begin < end < unnamed == turns.turn("tests/lab/test_newer.py")
