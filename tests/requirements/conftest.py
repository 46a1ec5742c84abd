"""One lab for all requirements: virtual servers come and go on it, its nodes stay."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.lab.stage import Stage


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    """The usual lab, up as long as tests of this folder run. $VSCTL_LAB names it."""
    if os.geteuid() != 0:
        pytest.skip("a lab needs root")
    with Lab(name=os.environ.get("VSCTL_LAB", "test")) as running:
        yield running


@pytest.fixture(scope="package")
def bare(lab: Lab) -> Stage:
    """The lab as a stage without any virtual server; whoever puts one on it clears it again."""
    return Stage(lab)
