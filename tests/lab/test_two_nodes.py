"""Two nodes: what one holds the other takes, the one that comes back does not take it away, and a split has one winner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.clients import Client
from tests.lab.lab import Lab
from tests.lab.stage import Stage, cluster_file

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SERVERS = """
vs1:
  priority: 2
  home: n1
  addresses: [192.0.2.11/24]
  filesystems: {root: {exports: [{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]}}
vs2:
  home: n2
  addresses: [192.0.2.12/24]
  filesystems: {root: {exports: [{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]}}
"""


@pytest.fixture(scope="module")
def lab_settings() -> dict[str, Any]:
    return {"nodes": 2}


@pytest.fixture(scope="module")
def serving(lab: Lab) -> Iterator[Stage]:
    """Both servers, each at home, on disks that nothing reaches any more of what a dead node has not written."""
    for each in ("vs1", "vs2"):
        lab.disk(f"{each}-root", failing=True)
    on = Stage(lab)
    on.apply(cluster_file(lab, SERVERS))
    lab.watch_announcers(["192.0.2.11", "192.0.2.12"])
    yield on
    on.clear()


@contextmanager
def writers(on: Stage) -> Iterator[dict[str, Client]]:
    """Have both servers written to; whatever was acknowledged is there in the end, and nobody saw an error."""
    c1 = on.lab.client("c1")
    both = {
        "vs1": Client.nfs(c1, "192.0.2.11", "/root/srv"),
        "vs2": Client.nfs(c1, "192.0.2.12", "/root/srv"),
    }
    with both["vs1"], both["vs2"]:
        for each in both.values():
            each.wait_for_progress()
        yield both
    for each in both.values():
        assert not each.report().errors, str(each.report())
        assert each.missing() == []


def test_each_node_takes_over_from_the_other(serving: Stage) -> None:
    lab = serving.lab
    with writers(serving) as both:
        for dead, alive in (("n1", "n2"), ("n2", "n1")):
            lab.kill(dead)
            lab.wait_until_fenced(dead, 60)
            for each in both:
                lab.wait(
                    lambda it=each, node=alive: serving.serving(it, node), f"{each} serves on {alive}", 120
                )  # type: ignore[misc]
            for each in both.values():
                each.wait_for_progress()
            lab.boot(dead)
            lab.wait_for_nodes()
            serving.settle()
            assert all(serving.serving(each, alive) for each in both), (
                f"{dead} is back and takes nothing away"
            )


def test_of_a_split_the_node_with_more_to_lose_is_left(serving: Stage) -> None:
    """Both live and write, and neither sees the other: the one with less is fenced, before its server starts elsewhere."""
    lab = serving.lab
    serving.vsctl("failback")
    serving.settle()
    assert (serving.node_of("vs1"), serving.node_of("vs2")) == ("n1", "n2")
    fenced = {node: len(lab.journal("off", node)) for node in ("n1", "n2")}
    with writers(serving) as both:
        lab.cut("n1/hb0")
        lab.wait(lambda: len(lab.journal("off", "n2")) > fenced["n2"], "n2 is fenced", 60)
        for each in both.values():
            each.wait_for_progress(since=lab.journal("off", "n2")[-1].at, limit=120)
        assert len(lab.journal("off", "n1")) == fenced["n1"], (
            "n1, which has the server of the higher priority, is not"
        )
        lab.mend("n1/hb0")
        lab.wait_for_nodes()
