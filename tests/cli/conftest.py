"""The cast of the command line's tests: a cluster file, and a CIB in which all of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.vsctl import CLUSTER_FILE, settled


@pytest.fixture(scope="session")
def all_well() -> bytes:
    return settled(CLUSTER_FILE)


@pytest.fixture
def cib(all_well: bytes, tmp_path: Path) -> Path:
    """A CIB in which everything runs where it belongs."""
    file = tmp_path / "cib.xml"
    file.write_bytes(all_well)
    return file


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    """The cluster file of `cib`."""
    file = tmp_path / "nas.yaml"
    file.write_text(CLUSTER_FILE)
    return file
