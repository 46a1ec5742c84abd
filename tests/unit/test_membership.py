"""Who says that a node has dropped out of the cluster?"""

from __future__ import annotations

import ctypes
import os
from typing import Any

import pytest

from vsctl.agents.noded import membership
from vsctl.agents.noded.loop import Loop
from vsctl.agents.noded.membership import Membership, has_lost

OK, GONE = 1, 2


@pytest.mark.parametrize(
    ("before", "after", "node", "says"),
    [
        ({1, 2, 3}, {1, 3}, 1, True),
        ({1, 2, 3}, {1, 3}, 3, False),
        ({1, 2, 3}, {2, 3}, 2, True),
        ({1, 2}, {1, 2, 3}, 1, False),
        ({1, 2}, {1, 3}, 1, True),
        (set(), {1, 2, 3}, 1, False),
        ({1, 2}, {1, 2}, 1, False),
    ],
)
def test_the_lowest_of_those_left_says_so(before: set[int], after: set[int], node: int, says: bool) -> None:
    assert has_lost(before, after, node) is says


class Corosync:
    """In the place of Corosync's libraries: node 1, which is there but when `failing` says which call fails."""

    def __init__(self) -> None:
        self.open = 0
        self.failing: tuple[str, ...] = ()
        self.heard, self._says = os.pipe()
        self.nodes: tuple[int, ...] = (1, 2, 3)

    def says(self, *failing: str) -> None:
        self.failing = failing
        os.write(self._says, b"!")

    def _status(self, name: str) -> int:
        return GONE if name in self.failing else OK

    def corosync_cfg_initialize(self, *_: Any) -> int:
        return self._status("corosync_cfg_initialize")

    def corosync_cfg_local_get(self, _: Any, node: Any) -> int:
        node._obj.value = 1
        return self._status("corosync_cfg_local_get")

    def corosync_cfg_finalize(self, _: Any) -> int:
        return OK

    def quorum_initialize(self, _: Any, callbacks: Any, __: Any) -> int:
        self.open += 1
        self._notify = callbacks._obj.notify
        return OK

    def quorum_fd_get(self, _: Any, descriptor: Any) -> int:
        descriptor._obj.value = self.heard
        return OK

    def quorum_trackstart(self, *_: Any) -> int:
        return self._status("quorum_trackstart")

    def quorum_finalize(self, _: Any) -> int:
        self.open -= 1
        return OK

    def quorum_dispatch(self, *_: Any) -> int:
        os.read(self.heard, 1)
        if not self.failing:
            self._notify(0, 1, 7, len(self.nodes), (ctypes.c_uint32 * len(self.nodes))(*self.nodes))
        return self._status("quorum_dispatch")


@pytest.mark.parametrize(
    "failing", ["corosync_cfg_initialize", "corosync_cfg_local_get", "quorum_trackstart"]
)
def test_a_corosync_that_comes_back_is_followed_again(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    corosync, loop = Corosync(), Loop()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: corosync)
    monkeypatch.setattr(membership, "AGAIN", 0.02)
    lost: list[int] = []
    logged: list[str] = []

    def hear(number: int) -> None:
        lost.append(number)
        loop.end()

    def come_back() -> None:
        assert corosync.open == 0, "what is of no use is closed"
        assert len(logged) == 1
        corosync.failing = ()
        loop.after(0.1, corosync.says)
        loop.after(0.2, lose)

    def lose() -> None:
        corosync.nodes = (1, 3)
        corosync.says()

    def end_corosync() -> None:
        corosync.says("quorum_dispatch", failing)
        loop.after(0.2, come_back)

    Membership(loop, hear, logged.append)
    loop.after(0.0, end_corosync)
    loop.after(10.0, loop.end)
    loop.run()
    assert lost == [7]
    assert corosync.open == 1
