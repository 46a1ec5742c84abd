"""What somebody meant who wrote a word that is not known."""

from __future__ import annotations

import pytest

from vsctl.cli.nearest import nearest


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("statsu", ["status", "simulate"], "status"),
        ("PRIORITY", ["priority"], "priority"),
        ("vs9", ["vs1", "vs2"], None),
        ("vs11", ["vs1", "vs2"], "vs1"),
        ("colour", ["name"], None),
        ("anything", [], None),
    ],
)
def test_one_word_is_meant_or_none_is_guessed(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant
