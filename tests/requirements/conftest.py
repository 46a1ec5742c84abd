"""One lab for all requirements: virtual servers come and go on it, its nodes stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.lab import Lab
from tests.lab.stage import Stage, cluster_file
from tests.requirements import cast
from tests.requirements.crash import Crash, happen


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


@pytest.fixture
def two(bare: Stage) -> Stage:
    """vs1 and vs2, both on n1, with their users."""
    return _with_users(bare, cast.TWO_ON_ONE_NODE)


def _with_users(stage: Stage, servers: str) -> Stage:
    document = cluster_file(stage.lab, servers)
    fresh = stage.document != document
    stage.become(document)
    if fresh:
        for server, (name, password) in cast.USERS.items():
            if any("smb" in each for each in _exports(document, server)):
                stage.add_user(server, name, password)
    return stage


def _exports(document: dict[str, Any], server: str) -> Iterator[dict[str, Any]]:
    for filesystem in document["virtual_servers"][server]["filesystems"].values():
        yield from filesystem.get("exports", [])


@pytest.fixture
def six(bare: Stage) -> Stage:
    """Six servers, five of them on n1."""
    return _with_users(bare, cast.SIX)


@pytest.fixture(scope="package")
def crash(bare: Stage) -> Crash:
    """The power of n1 fails under the six, and comes back: once, for all who judge it."""
    return happen(_with_users(bare, cast.SIX))
