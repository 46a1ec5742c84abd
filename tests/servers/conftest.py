import pytest

from tests.servers.node import Node


@pytest.fixture
def node(tmp_path):
    """One node of its own, as far as mounts, networks and processes go."""
    with Node(tmp_path) as node:
        yield node
