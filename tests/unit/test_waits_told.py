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
    waits = Waits(Loop(), attributes, lambda: ["vs1", "vs2"], pytest.fail)

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


def test_what_cannot_be_read_is_said_once_and_the_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "RUN", str(tmp_path))
    attributes, said = Attributes(Loop(), lambda _: None), list[str]()
    waits = Waits(Loop(), attributes, lambda: ["vs1", "vs2"], said.append)
    for server in ("vs1", "vs2"):
        (tmp_path / server / "relay" / "waited").mkdir(parents=True)
    (tmp_path / "vs2" / "relay" / "waited" / "data").write_text("4660 /data/projects\n")
    unreadable = tmp_path / "vs1" / "relay" / "waited" / "data"
    unreadable.mkdir()
    for _ in range(2):
        waits.look()
        assert attributes._wanted["exports-waited"].value == "vs2=/data/projects"
        assert said == ["which exports of vs1 are waited for cannot be read: Is a directory"]
    unreadable.rmdir()
    waits.look()
    unreadable.mkdir()
    waits.look()
    assert len(said) == 2, "it was well in between"
