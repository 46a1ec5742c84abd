from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.node import Lan, Node, until


@pytest.fixture
def lan() -> Iterator[Lan]:
    made = Lan()
    yield made
    made.close()


@pytest.fixture
def peer(lan: Lan) -> Iterator[Node]:
    """A second node; lan-b has no IPv6 network."""
    node = Node()
    for port, subnet, addresses in (
        ("e0a", "lan-a", ("192.0.2.4/24", "2001:db8:a::4/64")),
        ("e0b", "lan-a", ("192.0.2.5/24", "2001:db8:a::5/64")),
        ("e1a", "lan-b", ("198.51.100.4/24",)),
    ):
        lan.plug(node, port, f"peer-{port}", subnet, addresses)
    until(
        lambda: node.ip("-6", "address", "show", "scope", "link", "-tentative").count("fe80:") == 3,
        "ports are ready",
    )
    yield node
    node.close()
