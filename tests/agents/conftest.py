from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.node import Lan


@pytest.fixture
def lan() -> Iterator[Lan]:
    made = Lan()
    yield made
    made.close()
