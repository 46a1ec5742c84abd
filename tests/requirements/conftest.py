"""One lab for all requirements: virtual servers come and go on it, its nodes stay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.lab.stage import Stage
from tests.requirements import cast
from tests.requirements.cast import with_users
from tests.requirements.crash import Crash, happen


@pytest.fixture(scope="package")
def lab(lab_name: str) -> Iterator[Lab]:
    """The usual lab, up as long as tests of this folder run."""
    with Lab(name=lab_name) as running:
        yield running


@pytest.fixture(scope="package")
def bare(lab: Lab) -> Stage:
    """The lab as a stage without any virtual server; whoever puts one on it clears it again."""
    return Stage(lab)


@pytest.fixture
def two(bare: Stage) -> Stage:
    """vs1 and vs2, both on n1, with their users."""
    return with_users(bare, cast.TWO_ON_ONE_NODE)


@pytest.fixture
def six(bare: Stage) -> Stage:
    """Six servers, five of them on n1."""
    return with_users(bare, cast.SIX)


@pytest.fixture(scope="package")
def crash(bare: Stage) -> Crash:
    """The power of n1 fails under the six, and comes back: once, for all who judge it."""
    return happen(with_users(bare, cast.SIX))
