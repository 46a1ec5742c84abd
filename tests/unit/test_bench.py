"""Are measurements told so that they fit a terminal, and is what they compare with sound?"""

from __future__ import annotations

from math import inf

import pytest

from tests.bench import exact
from tests.bench.table import Row, Table
from tests.bench.uneven import KINDS, case
from vsctl.policy.balance import balance

ROWS = (
    Row("wall net+vip4 monitor", "ms", (1.0, 2.0, 4.0), (4.0, 10.0, 2000.0), "0.3 x, 10"),
    Row("forks", "", (0.0,), (0.0,)),
    Row("apply, nothing to do", "s", (12.34,)),
    Row("cable, alone: NFS", "s", (0.02,), (inf,)),
)


def test_a_table_shows_medians_ranges_ratio_and_target() -> None:
    text = Table("Title", "vsctl", "stock agents", ROWS, ("A note.",), load=1.5).text()
    assert text == (
        "Title\n"
        "-----\n"
        "median (min-max)                      vsctl      stock agents ratio target\n"
        "wall net+vip4 monitor ms   2.00 (1.00-4.00)  10.0 (4.00-2000)  0.20 0.3 x, 10\n"
        "forks                                  0.00              0.00\n"
        "apply, nothing to do s                 12.3                 -\n"
        "cable, alone: NFS s                    0.02             never\n"
        "A note.\n"
        "Load average 1.5.\n"
    )
    assert max(map(len, text.splitlines())) <= 80


def test_json_has_every_value_and_the_ratio() -> None:
    plain = Table("Title", "vsctl", "stock agents", ROWS).plain()
    assert plain["rows"][0]["peer"] == (4.0, 10.0, 2000.0)
    assert plain["rows"][3]["peer"] == ("never",)
    assert [each["ratio"] for each in plain["rows"]] == [0.2, None, None, None]


@pytest.mark.parametrize("seed", range(5))
def test_no_plan_has_fewer_moves_than_every_node_has_to_lose(seed: int) -> None:
    demands, supplies = case(30, 4, seed)
    found = balance(demands, supplies, KINDS, tolerance=0.2)
    least = exact.must_leave(demands, supplies, found.limit)
    assert least <= len(found.moves)
    assert least > 0 or max(each.before for each in found.fills) <= found.limit, "or nobody has to"
