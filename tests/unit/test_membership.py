"""Who says that a node has dropped out of the cluster?"""

from __future__ import annotations

import pytest

from vsctl.agents.noded.membership import has_lost


@pytest.mark.parametrize(
    ("before", "after", "node", "says"),
    [
        ({1, 2, 3}, {1, 3}, 1, True),
        ({1, 2, 3}, {1, 3}, 3, False),
        ({1, 2, 3}, {2, 3}, 2, True),
        ({1, 2}, {1, 2, 3}, 1, False),
        ({1, 2}, {1, 3}, 1, True),
        (set(), {1, 2, 3}, 1, False),
        ({1, 2}, {1, 2}, 1, False),
    ],
)
def test_the_lowest_of_those_left_says_so(before: set[int], after: set[int], node: int, says: bool) -> None:
    assert has_lost(before, after, node) is says
