"""What the node daemon tells of exports that clients of its servers wait for."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsctl.agents import paths
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.loop import Loop
from vsctl.agents.noded.waits import Waits


def test_what_is_waited_for_is_told_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "RUN", str(tmp_path))
    attributes = Attributes(Loop(), lambda _: None)
    waits = Waits(Loop(), attributes, lambda: ["vs1", "vs2"])

    def told() -> str | None:
        waits.look()
        return attributes._wanted["exports-waited"].value

    assert told() == "none"
    waited = tmp_path / "vs1" / "relay" / "waited"
    waited.mkdir(parents=True)
    (waited / "data").write_text("4660 /data/my projects\n4661 /data/home\n")
    (waited / "other.new").write_text("4662 /other\n")
    assert told() == "vs1=/data/my%20projects vs1=/data/home"
    (waited / "data").unlink()
    assert told() == "none"
    assert attributes._wanted["exports-waited"].private
