"""When is the cluster asked to try an announcer again? With programs in the place of Pacemaker's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vsctl.agents import paths
from vsctl.agents.noded import arrivals
from vsctl.agents.noded.arrivals import Arrivals
from vsctl.agents.noded.loop import Loop, now

LIMIT = 20.0
COUNT = "crm_failcount --query --quiet --resource vs1-vip-lan-a --node n1"
CLEANUP = "crm_resource --cleanup --resource vs1-vip-lan-a --node n1"


class Node:
    """Has vs1, which could be announced here on lan-a, and looks every hundredth of a second."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.loop = Loop()
        self.said: list[str] = []
        self.good = ["lan-a"]
        self.arrivals = Arrivals(self.loop, self.said.append)
        (directory / "run/vs1/announced").mkdir(parents=True)
        (directory / "run/vs1/detours").mkdir()
        (directory / "run/vs1/detours/lan-a").touch()

    def answer(self, program: str, words: str, status: int = 0) -> None:
        """Let a program write down how it was called, say something and end."""
        file = self.directory / "bin" / program
        file.parent.mkdir(exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(
            f'#!/bin/sh\necho "{program} $*" >> {self.directory}/called\necho "{words}"\nexit {status}\n'
        )
        new.chmod(0o755)
        new.replace(file)

    @property
    def called(self) -> list[str]:
        file = self.directory / "called"
        return file.read_text().splitlines() if file.exists() else []

    def look_until(self, over: Callable[[], bool]) -> None:
        end = now() + LIMIT

        def look() -> None:
            assert now() < end, f"only {self.called} was called"
            self.arrivals.look(["vs1"], self.good, "n1")
            if over():
                self.loop.end()
            else:
                self.loop.after(0.01, look)

        self.loop.after(0.0, look)
        self.loop.run()

    def look_on(self) -> None:
        """Look for three times as long as it takes until the cluster is asked."""
        over = now() + 3 * arrivals.PATIENCE
        self.look_until(lambda: now() > over)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(paths, "RUN", f"{tmp_path}/run")
    monkeypatch.setattr(arrivals, "PATIENCE", 0.2)
    made = Node(tmp_path)
    made.answer("crm_failcount", "0")
    made.answer("crm_resource", "cleaned up")
    return made


def test_a_failure_is_forgotten_once(node: Node) -> None:
    node.answer("crm_failcount", "INFINITY")
    node.look_until(lambda: node.called[1:] == [CLEANUP])
    node.look_on()
    assert node.called == [COUNT, CLEANUP]


def test_who_has_not_failed_is_left_alone(node: Node) -> None:
    node.look_until(lambda: bool(node.called))
    node.look_on()
    assert node.called == [COUNT]
    assert node.said == []


def test_nobody_is_asked_about_what_is_announced(node: Node) -> None:
    (node.directory / "run/vs1/announced/lan-a").touch()
    node.look_on()
    assert node.called == []


@pytest.mark.parametrize(
    ("silent", "words", "status"),
    [
        ("crm_failcount", "error: could not query CIB for fail counts", 0),
        ("crm_failcount", "", 124),
        ("crm_resource", "Could not connect to the CIB", 102),
    ],
)
def test_a_cluster_that_does_not_answer_is_asked_again_until_it_does(
    node: Node, silent: str, words: str, status: int
) -> None:
    """Not even crm_failcount's exit status says whether it was answered."""
    node.answer("crm_failcount", "3")
    node.answer(silent, words, status)
    node.look_until(lambda: len([each for each in node.called if each.startswith(silent)]) == 3)
    (said,) = node.said
    assert said.endswith(words), "said once"
    shutil.rmtree(node.directory / "bin")  # whatever is under way ends before the answers change
    node.look_on()
    node.answer("crm_failcount", "INFINITY")
    node.answer("crm_resource", "cleaned up")
    before = len(node.called)
    node.look_until(lambda: node.called[before:] == [COUNT, CLEANUP])
    node.look_on()
    assert node.called[before:] == [COUNT, CLEANUP], "nor ever again"


def test_what_becomes_possible_anew_is_asked_for_anew(node: Node) -> None:
    node.look_until(lambda: node.called == [COUNT])
    node.look_on()
    node.good = []
    node.look_on()
    node.good = ["lan-a"]
    node.look_until(lambda: node.called == [COUNT, COUNT])
