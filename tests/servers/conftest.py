import pytest

from tests.servers.node import Node
from tests.servers.quarantined import Cluster


@pytest.fixture
def node(tmp_path):
    """One node of its own, as far as mounts, networks and processes go."""
    with Node(tmp_path) as node:
        yield node


@pytest.fixture
def cluster(node, tmp_path, monkeypatch):
    """A CIB in a file. Only a controller forgets failures: one that says yes stands for it."""
    monkeypatch.setenv("CIB_file", str(tmp_path / "cib.xml"))
    forgetful = tmp_path / "crm_resource"
    forgetful.write_text("#!/bin/sh\n")
    forgetful.chmod(0o755)
    node.run(f"mount --bind {forgetful} /usr/sbin/crm_resource")
    return Cluster(tmp_path / "cib.xml")
