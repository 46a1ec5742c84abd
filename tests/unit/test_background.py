"""How long does an agent wait for what it does in a process of its own? With real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from vsctl.agents import background


def descriptors() -> list[str]:
    return sorted(each.name for each in Path("/proc/self/fd").iterdir())


def test_it_returns_what_was_said_and_raises_what_went_wrong() -> None:
    assert background.within(20, lambda: "said") == "said"
    with pytest.raises(FileNotFoundError):
        background.within(20, lambda: Path("/nowhere").read_text())


def test_a_process_that_has_said_all_and_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    """One that storage holds while it ends has closed its files already."""

    def act() -> None:
        (tmp_path / "child").write_text(str(os.getpid()))
        os.close(3)
        signal.pause()

    def watch(*_: object) -> None:
        raise AssertionError("it is still waited for")

    signal.signal(signal.SIGALRM, watch)
    signal.alarm(20)
    open_before = descriptors()
    try:
        with pytest.raises(TimeoutError):
            background.within(0.5, act)
        assert descriptors() == open_before
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        child = int((tmp_path / "child").read_text())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
