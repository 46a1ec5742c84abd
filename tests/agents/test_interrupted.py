"""Starts and stops of the network's agents that are killed in the middle: the next action finds its way, nothing is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests import kills
from tests.agents.cast import ANNOUNCER, DETOURED, EVERY, FAILED, GATE, NET, NOT_RUNNING, RUNNING
from tests.agents.node import Answer, Lan, Node, until
from tests.agents.test_router import BGP
from tests.kills import steps

pytestmark = pytest.mark.node

resources = pytest.mark.parametrize("resource", ["net", "vip", "vip_of_a_peer", "gate", "router"])


@dataclass(frozen=True)
class Resource:
    """An agent on a node. `before` is what the node had when it was not there yet; `below` is in its order of start."""

    node: Node
    agent: str
    parameters: Mapping[str, str]
    before: tuple[list[str], set[int]]
    below: Sequence[tuple[str, Mapping[str, str]]] = ()

    @property
    def interval(self) -> int | None:
        """Of its monitors; that of net looks for seconds for a peer, whom most have not, unless it is a probe."""
        return None if self.agent == "net" else EVERY

    @classmethod
    def on(
        cls,
        node: Node,
        agent: str,
        parameters: Mapping[str, str],
        *below: tuple[str, Mapping[str, str]],
    ) -> Resource:
        """Start what is below it."""
        before = node.dump(), node.processes()
        for name, its in below:
            answer = node.agent(name, "start", **its)
            assert answer.code == RUNNING, answer.said
        return cls(node, agent, parameters, before, below)

    def do(self, action: str, killed_after: float = 0) -> Answer:
        return self.node.agent(self.agent, action, killed_after=killed_after, **self.parameters)

    def succeed(self, action: str) -> None:
        answer = self.do(action)
        assert answer.code == RUNNING, answer.said

    def probe(self) -> int:
        """Ask how it is, of an agent that must not mend anything before its next stop or start has to."""
        return self._ask(None)

    def monitor(self) -> int:
        return self._ask(self.interval)

    def _ask(self, interval: int | None) -> int:
        answer = self.node.agent(self.agent, "monitor", interval=interval, **self.parameters)
        assert "Traceback" not in answer.said, answer.said
        return answer.code

    def kills(self, action: str, step: float) -> Iterator[float]:
        def do(after: float) -> tuple[int, str]:
            answer = self.do(action, after)
            return answer.code, answer.said

        return kills.kills(do, step)

    def assert_nothing_is_left(self) -> None:
        for name, its in reversed(self.below):
            assert self.node.agent(name, "stop", **its).code == RUNNING
        until(lambda: self.node.processes() == self.before[1], "no process is left")
        until(lambda: self.node.dump() == self.before[0], "the node is as it was")


@pytest.fixture
def net(lan: Lan) -> Resource:
    return Resource.on(lan.node, "net", DETOURED)


@pytest.fixture
def vip(lan: Lan) -> Resource:
    return Resource.on(lan.node, "vip", ANNOUNCER, ("net", DETOURED))


@pytest.fixture
def vip_of_a_peer(lan: Lan, peer: Node) -> Resource:
    """The server is on another node, so this one has to find and to route to it."""
    assert lan.node.agent("net", "start", **DETOURED).code == RUNNING
    return Resource.on(peer, "vip", ANNOUNCER)


@pytest.fixture
def gate(lan: Lan) -> Resource:
    lan.node.mount_root("vs1")
    return Resource.on(lan.node, "gate", GATE, ("net", NET))


@pytest.fixture
def router(lan: Lan) -> Resource:
    lan.node.run("mount", "-t", "tmpfs", "tmpfs", "/var/log")
    lan.node.run("tee", "/run/password", text="a word\n")
    return Resource.on(lan.node, "router", BGP)


@steps
@resources
def test_a_start_that_was_killed_at_any_point_is_stopped_or_repeated(
    request: pytest.FixtureRequest, resource: str, step: float
) -> None:
    it: Resource = request.getfixturevalue(resource)
    for number, after in enumerate(it.kills("start", step)):
        assert it.probe() in (RUNNING, FAILED, NOT_RUNNING)
        if number % 2:
            it.succeed("start")
            assert it.monitor() == RUNNING, f"after {after:.3f} s"
        it.succeed("stop")
        assert it.monitor() == NOT_RUNNING, f"after {after:.3f} s"
    assert it.monitor() == RUNNING
    it.succeed("stop")
    it.assert_nothing_is_left()


@steps
@resources
def test_a_stop_that_was_killed_at_any_point_is_repeated(
    request: pytest.FixtureRequest, resource: str, step: float
) -> None:
    it: Resource = request.getfixturevalue(resource)
    it.succeed("start")
    for after in it.kills("stop", step):
        assert it.probe() in (RUNNING, FAILED, NOT_RUNNING)
        it.succeed("stop")
        assert it.monitor() == NOT_RUNNING, f"after {after:.3f} s"
        it.succeed("start")
        assert it.monitor() == RUNNING, f"after {after:.3f} s"
    assert it.monitor() == NOT_RUNNING
    it.assert_nothing_is_left()
