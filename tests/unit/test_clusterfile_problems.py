"""Every problem of a cluster file, word for word: tests/data/problems."""

from __future__ import annotations

import pytest

from tests.unit.cases import PARTS, Case, cases, said, whole

CASES = cases("problems")


def test_the_parts_have_no_problem() -> None:
    assert said(whole("")) == []
    assert set(PARTS) == {"name", "subnets", "storage", "nodes", "fencing", "virtual_servers"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file.stem}: {case.title}")
def test_a_problem_is_said_where_it_is(case: Case, request: pytest.FixtureRequest) -> None:
    outcome = said(whole(case.piece))
    if request.config.getoption("--rewrite", default=False):
        case.rewrite(outcome)
    else:
        assert outcome == case.outcome
