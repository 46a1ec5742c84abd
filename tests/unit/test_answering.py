"""Which of a checker's questions are answered, and for what is it ended?"""

from __future__ import annotations

import pytest

from vsctl.agents.answering import is_failure, is_question


@pytest.mark.parametrize(
    ("said", "failure", "question"),
    [
        (b"Pass 2: Checking directory structure\n", False, False),
        (b"Entry 'x' in / (2) has deleted inode 12.  Clear<y>? ", False, True),
        (b"Unconnected directory inode 12 (was in /)\n\nConnect to /lost+found ('a' enables 'yes' to all) <y>? ", False, True),
        (b"Pass 1\nError reading block 5 (Input/output error) while doing inode scan.  Ignore error<y>? ", True, True),
        (b"Error writing block 5 (Input/output error).  Ignore error<y>? ", True, True),
        (b"Entry 'Error reading block 5 (Input/output error)' in / (2) has deleted inode 12.  Clear<y>? ", False, True),
        (b"Multiply-claimed block(s) in inode 12: 25 26Error reading block 99 (Input/output error).  Ignore error<y>? ", True, True),
        (b"25 26Error writing block 99 (Input/output error).  Force rewrite ('a' enables 'yes' to all) <y>? ", True, True),
        (b"25 26Error reading block 99 (Input/output error).  Ignore error (y/n)? ", True, True),
        (b"25 26Error writing block 99 (Input/output error).  Force rewrite<n>? ", True, True),
        (b"Entry 'Ignore error<y>? ' in / (2) has deleted inode 12.  Clear<y>? ", False, True),
        (b"\nDo you really want to continue<n>? ", True, True),
        (b"Phase 3\nxfs_repair: read failed: Input/output error\n", True, False),
    ],
)  # fmt: skip
def test_what_is_made_of_what_a_checker_says(said: bytes, failure: bool, question: bool) -> None:
    assert (is_failure(said), is_question(said)) == (failure, question)
