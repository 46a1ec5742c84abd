"""Two nodes: what one holds the other takes, and the one that comes back does not take it away."""

from __future__ import annotations

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


def test_each_node_takes_over_from_the_other(lab: Lab) -> None:
    on = Stage(lab)
    on.apply(cluster_file(lab, SERVERS))
    c1 = lab.client("c1")
    writers = {
        "vs1": Client.nfs(c1, "192.0.2.11", "/root/srv"),
        "vs2": Client.nfs(c1, "192.0.2.12", "/root/srv"),
    }
    with writers["vs1"], writers["vs2"]:
        for dead, alive in (("n1", "n2"), ("n2", "n1")):
            for each in writers.values():
                each.wait_for_progress()
            lab.kill(dead)
            lab.wait_until_fenced(dead, 60)
            lab.wait(lambda: all(on.serving(each, alive) for each in writers), f"both serve on {alive}", 120)  # noqa: B023
            for each in writers.values():
                each.wait_for_progress()
            lab.boot(dead)
            lab.wait_for_nodes()
            on.settle()
            assert all(on.serving(each, alive) for each in writers), f"{dead} is back and takes nothing away"
    for each in writers.values():
        assert not each.report().errors, str(each.report())
        assert each.missing() == []
    on.clear()
