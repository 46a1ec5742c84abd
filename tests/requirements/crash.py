"""One crash, lived through by real clients and written down: what R4, R5 and R6 are judged by.

Six servers, five of them on n1, which loses its power and gets it back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tests.lab import history, stage
from tests.lab.clients import Client, Report
from tests.lab.stage import Stage
from tests.requirements.cast import USERS


@dataclass(frozen=True)
class Crash:
    """`clients` have stopped; `membership` is what attrd_updater says of that attribute; `killed` and `fenced` are moments of the epoch, `killed_at` CLOCK_MONOTONIC."""

    clients: dict[str, Client]
    locker: Client
    killed: float
    killed_at: float
    fenced: float
    acts: tuple[history.Act, ...]
    membership: str
    after: dict[str, Any]
    returned: dict[str, Any]
    back_at: float
    missing: dict[str, list[int]]

    def report(self, name: str) -> Report:
        return self.clients[name].report()

    def starts(self) -> dict[str, history.Act]:
        """Return the first start of each resource between the crash and the return of the node."""
        found: dict[str, history.Act] = {}
        for act in self.acts:
            if act.operation == "start" and act.result is None:
                found.setdefault(act.resource, act)
        return found


def happen(on: Stage) -> Crash:
    lab = on.lab
    c1, c2 = lab.client("c1"), lab.client("c2")
    clients = {
        "vs1": Client.nfs(c1, "192.0.2.11", "/data/projects", "c1"),
        "vs1 from lan-b": Client.nfs(c2, "198.51.100.11", "/data/projects", "c2"),
        "vs1 by 4.1": Client.nfs41(c1, "192.0.2.11", "/data/projects"),
        "vs2": Client.smb(c1, "192.0.2.12", "home", *USERS["vs2"]),
        "vs3": Client.nfs(c1, "192.0.2.13", "/root/scratch"),
        "vs4": Client.nfs(c1, "192.0.2.14", "/root/office"),
        "vs5": Client.nfs(c1, "192.0.2.15", "/root/media"),
        "vs6": Client.nfs(c1, "192.0.2.16", "/root/archive"),
    }
    locker = Client.nlm(c1, "192.0.2.11", "/data/projects")
    began = stage.now()
    everyone = [*clients.values(), locker]
    for each in everyone:
        each.start()
    try:
        for each in clients.values():
            each.wait_for_progress()
        lab.wait(lambda: locker.report().acks, "the locker has its lock")
        # A client that waits for an answer learns of the crash from the list that a gate's monitor keeps.
        lab.wait(lambda: _recorded(on, "vs2") > began, "the gate of vs2 has noted its client", 60)
        killed, killed_at = stage.now(), time.monotonic()
        lab.kill("n1")
        lab.wait_until_fenced("n1", 60)
        for name, each in clients.items():
            if name != "vs3":
                each.wait_for_progress(since=lab.journal("off", "n1")[-1].at, limit=120)
        locker.wait_for_progress(since=killed_at)
        on.settle()
        after, acts = on.status(), on.acts_since(killed)
        asked = lab.any_node().run(["attrd_updater", "--name", "membership", "--query", "--all"], check=False)
        back_at = time.monotonic()
        lab.boot("n1")
        lab.wait_for_nodes()
        clients["vs3"].wait_for_progress(since=back_at, limit=120)
        on.settle()
    finally:
        for each in everyone:
            each.stop()
    fenced = lab.journal("off", "n1")[-1].wall
    missing = {name: each.missing() for name, each in clients.items()}  # other tests clear the stage
    return Crash(
        clients, locker, killed, killed_at, fenced, acts, asked.stdout, after, on.status(), back_at, missing
    )


def _recorded(on: Stage, server: str) -> float:
    """Return when the list of a server's connections last changed."""
    path = on.lab.node(on.node_of(server)).path(f"/srv/vsctl/{server}/root/.vsctl/connections")
    return path.stat().st_mtime if path.exists() else 0.0
