"""For how long does who reclaims a lock on what is away wait?"""

from __future__ import annotations

from pathlib import Path

import pytest

from vsctl.agents import lockers, paths, relay


@pytest.mark.parametrize(
    ("grace", "holds"), [(None, False), (0, False), (relay.ENOUGH, False), (3600 + relay.ENOUGH, True)]
)
def test_there_is_time_left_for_locks_on_what_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: float | None, holds: bool
) -> None:
    monkeypatch.setattr(paths, "RUN", str(tmp_path))
    (tmp_path / "vs1" / "nfs").mkdir(parents=True)
    if grace is not None:
        lockers.let_reclaim("vs1", grace)
    assert relay.holds_reclaims("vs1") is holds
