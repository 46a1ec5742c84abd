"""In which order does the cluster hear what a node daemon found? With a program in the place of attrd_updater."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vsctl.agents.noded import attributes
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.loop import Loop, now

CALM = 0.5
LIMIT = 20.0


class Cluster:
    """What was said to it, one line a change, and a loop in which it is said."""

    def __init__(self, said: Path) -> None:
        self.said = said
        self.loop = Loop()
        self.attributes = Attributes(self.loop, lambda _: None)

    @property
    def heard(self) -> list[str]:
        return self.said.read_text().splitlines() if self.said.exists() else []

    def until(self, number: int) -> list[str]:
        """Go on until so many changes have been heard."""
        self.wait(lambda: len(self.heard) >= number)
        return self.heard

    def wait(self, over: Callable[[], bool]) -> None:
        end = now() + LIMIT

        def look() -> None:
            assert now() < end, f"only {self.heard} was heard"
            if over():
                self.loop.end()
            else:
                self.loop.after(0.01, look)

        self.loop.after(0.0, look)
        self.loop.run()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    program, said = tmp_path / "attrd_updater", tmp_path / "said"
    program.write_text(f'#!/bin/sh\necho "$2 $4" >> {said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(attributes, "CALM", CALM)
    return Cluster(said)


def test_urgent_news_comes_first_and_the_rest_when_the_cluster_has_acted(cluster: Cluster) -> None:
    told = cluster.attributes
    told.want([("subnet-lan-a", "2")])
    told.want([("port-e0a", "1"), ("node-ok", "1")], urgent=False)
    assert cluster.until(3) == ["subnet-lan-a 2", "port-e0a 1", "node-ok 1"], "nothing is new: nothing waits"
    begin = now()
    told.want([("ports-events", "e0a")], private=True)
    told.want([("port-e0a", "0")], urgent=False)
    told.want([("subnet-lan-a", "0")])
    assert cluster.until(4)[3:] == ["subnet-lan-a 0"]
    assert cluster.until(6)[4:] == ["port-e0a 0", "ports-events e0a"], "nothing waits for private news"
    assert now() - begin >= CALM


def test_what_was_told_is_not_told_again_and_can_be_taken_back(cluster: Cluster) -> None:
    told = cluster.attributes
    told.want([("evict-vs1", None)])
    told.want([("evict-vs1", "1")])
    told.want([("evict-vs1", "1")])
    assert cluster.until(1) == ["evict-vs1 1"]
    cluster.wait(lambda: told.published == {"evict-vs1": "1"})
    told.want([("evict-vs1", None)])
    assert cluster.until(2)[1:] == ["evict-vs1 "]
    told.drop("ports-release")
    assert cluster.until(3)[2:] == ["ports-release --private"]
