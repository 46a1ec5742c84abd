"""What did somebody mean who wrote a word that is not known?"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

LIKE = 0.6
LONGEST = 64


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant; None where none is like it, or several alike: vs9 of vs1, vs2."""
    wanted = word.lower()[:LONGEST]
    found = sorted(
        ((SequenceMatcher(None, each.lower(), wanted).ratio(), each) for each in known), reverse=True
    )
    if not found or found[0][0] < LIKE:
        return None
    return None if len(found) > 1 and found[1][0] == found[0][0] else found[0][1]


def listed(words: Iterable[object], conjunction: str) -> str:
    """Return `a, b and c`."""
    *most, last = [str(each) for each in words]
    return f"{', '.join(most)} {conjunction} {last}" if most else last
