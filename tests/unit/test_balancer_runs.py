"""What does the balancer run, and how does it end?"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsctl.agents import balancer as agent
from vsctl.agents.balancerd import main
from vsctl.agents.balancerd.main import Balancer, others_write

ROOTS = "/etc/passwd"


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    yield
    signal.set_wakeup_fd(-1)
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.usefixtures("handlers")
def test_told_to_end_it_hears_that_once_while_its_child_tidies_up(monkeypatch: pytest.MonkeyPatch) -> None:
    balancer, heard = Balancer(), []
    monkeypatch.setattr(balancer, "_end", lambda: heard.append("end"))
    balancer._heed_signals()
    os.kill(os.getpid(), signal.SIGTERM)
    balancer.loop.after(0.2, balancer.loop.end)
    balancer.loop.run()
    assert heard == ["end"]


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_it_runs_nothing_that_others_can_write(tmp_path: Path, mode: int) -> None:
    assert others_write(ROOTS, ROOTS) is None
    path = tmp_path / "interpreter"
    path.touch()
    path.chmod(mode)
    assert others_write(ROOTS, str(path)) == str(path)
    with pytest.raises(FileNotFoundError):
        others_write(str(tmp_path / "nothing"), ROOTS)


def test_a_stop_has_time_left_when_everything_has_been_waited_for_in_vain() -> None:
    stop = next(each for each in agent.Balancer.operations() if each.name == "stop")
    assert sum(agent.FAREWELL) + sum(agent.CHILD_FAREWELL) <= 0.75 * stop.timeout
    assert agent.FAREWELL[0] > main.FAREWELL, "its child is killed before it is"
