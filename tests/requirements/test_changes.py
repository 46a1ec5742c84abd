"""The cluster file changes under clients: none of them notices, and nothing restarts.

One story for each thing that can come and go while others run. The story `changes` tells the same of more of
them, by the scheduler too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import stage
from tests.lab.clients import Client
from tests.lab.machine import Machine
from tests.lab.stage import Stage, cluster_file
from tests.requirements.cast import TWO_ON_ONE_NODE, USERS, with_users

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

PAUSE = 15.0
"""Seconds; a busy machine takes a few, and a gate that stays closed 40."""

CLIENTS = {"192.0.2.0/24": "rw"}


@dataclass(frozen=True)
class Undisturbed:
    """A stage on which vs1 and vs2 serve, and clients that must notice nothing."""

    stage: Stage
    c1: Machine
    clients: tuple[Client, ...]

    def check(self) -> None:
        for each in self.clients:
            each.wait_for_progress()
            report = each.report()
            assert not report.errors and not report.lost, f"{each.what}: {report}; {report.lost}"
            assert report.longest_gap < PAUSE, f"{each.what} stood still"


@pytest.fixture(scope="module")
def undisturbed(bare: Stage) -> Iterator[Undisturbed]:
    on, c1 = with_users(bare, TWO_ON_ONE_NODE), bare.lab.client("c1")
    clients = (
        Client.nfs(c1, "192.0.2.11", "/data/projects", "undisturbed"),
        Client.smb(c1, "192.0.2.11", "projects", *USERS["vs1"], "undisturbed-smb"),
        Client.smb(c1, "192.0.2.12", "home", *USERS["vs2"], "undisturbed-vs2"),
    )
    with ExitStack() as running:
        for each in clients:
            running.enter_context(each)
        yield Undisturbed(on, c1, clients)
    for each in clients:
        assert each.missing() == [], each.what


def export(vs1: dict[str, Any], _: dict[str, Any]) -> None:
    vs1["filesystems"]["data"]["exports"].append({"nfs": {"path": "/new", "clients": CLIENTS}})


def share(vs1: dict[str, Any], _: dict[str, Any]) -> None:
    words = {"share": "new", "path": "/new", "users": ["alice"]}
    vs1["filesystems"]["data"]["exports"].append({"smb": words})


def address(vs1: dict[str, Any], _: dict[str, Any]) -> None:
    vs1["addresses"].append("192.0.2.99/24")


def address_on_another_subnet(_: dict[str, Any], servers: dict[str, Any]) -> None:
    servers["vs2"]["addresses"].append("198.51.100.12/24")


def filesystem(vs1: dict[str, Any], _: dict[str, Any]) -> None:
    exports = [
        {"nfs": {"path": "/srv", "clients": CLIENTS}},
        {"smb": {"share": "more", "path": "/srv", "users": ["alice"]}},
    ]
    vs1["filesystems"]["more"] = _disk("vs1", "more") | {"exports": exports}


def server(_: dict[str, Any], servers: dict[str, Any]) -> None:
    exports = [{"nfs": {"path": "/more", "clients": CLIENTS}}]
    root = _disk("vs3", "root") | {"exports": exports}
    servers["vs3"] = {"home": "n1", "addresses": ["192.0.2.13/24"], "filesystems": {"root": root}}


def _disk(server: str, name: str) -> dict[str, Any]:
    return {"device": stage.device(server, name), "type": "ext4", "storage": "san1"}


def nfs(on: str, path: str) -> Callable[[Undisturbed], bool]:
    """Say whether c1 can list an export."""
    return lambda it: it.c1.run(["nfs-ls", f"nfs://{on}{path}"], check=False).returncode == 0


def smb(on: str, share: str) -> Callable[[Undisturbed], bool]:
    words = ["--user", "%".join(USERS["vs1"]), f"//{on}/{share}", "--command", "ls"]
    return lambda it: it.c1.run(["smbclient", *words], check=False).returncode == 0


def answers(address: str, client: str) -> Callable[[Undisturbed], bool]:
    ping = ["ping", "-c1", "-W1", address]
    return lambda it: it.stage.lab.client(client).run(ping, check=False).returncode == 0


COME_AND_GO, RELOAD = {"start", "stop"}, {"reload-agent"}


@pytest.mark.parametrize(
    ("more", "touched", "seen"),
    [
        (export, {"vs1-exp-data": RELOAD}, nfs("192.0.2.11", "/data/new")),
        (share, {"vs1-shr-data": RELOAD}, smb("192.0.2.11", "new")),
        (address, {"vs1-net": RELOAD, "vs1-vip-lan-a": RELOAD}, answers("192.0.2.99", "c1")),
        (
            address_on_another_subnet,
            {"vs2-net": RELOAD, "vs2-vip-lan-b": COME_AND_GO, "vsctl-daemon": RELOAD},
            answers("198.51.100.12", "c2"),
        ),
        (
            filesystem,
            {
                **dict.fromkeys(("vs1-fs-more", "vs1-exp-more", "vs1-shr-more"), COME_AND_GO),
                "vsctl-daemon": RELOAD,
            },
            nfs("192.0.2.11", "/more/srv"),
        ),
        (
            server,
            {
                **dict.fromkeys(
                    ("vs3-net", "vs3-fs-root", "vs3-nfs", "vs3-exp-root", "vs3-vip-lan-a", "vs3-gate"),
                    COME_AND_GO,
                ),
                "vsctl-daemon": RELOAD,
            },
            answers("192.0.2.13", "c1"),
        ),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_it_comes_and_goes_and_nothing_else_restarts(
    undisturbed: Undisturbed,
    more: Callable[[dict[str, Any], dict[str, Any]], None],
    touched: dict[str, set[str]],
    seen: Callable[[Undisturbed], bool],
) -> None:
    on = undisturbed.stage
    usual = cluster_file(on.lab, TWO_ON_ONE_NODE)
    changed: dict[str, Any] = yaml.safe_load(yaml.safe_dump(usual))
    more(changed["virtual_servers"]["vs1"], changed["virtual_servers"])
    assert not seen(undisturbed)
    begin = stage.now()
    on.apply(changed)
    on.lab.wait(lambda: seen(undisturbed), "clients see what was added")
    on.apply(usual)
    on.settle()
    assert not seen(undisturbed), "it is gone"
    assert on.touched_since(begin) == touched
    undisturbed.check()


def test_a_user_comes_and_goes_and_nothing_restarts(undisturbed: Undisturbed) -> None:
    on, begin = undisturbed.stage, stage.now()
    listing = ["smbclient", "--user", "carol%secret", "--list", "192.0.2.11"]
    on.add_user("vs1", "carol", "secret")
    assert "projects" in undisturbed.c1.run(listing).stdout
    on.vsctl("smb-user", "vs1", "remove", "carol", node=on.node_of("vs1"))
    assert undisturbed.c1.run(listing, check=False).returncode != 0, "carol is gone"
    on.settle()
    assert on.touched_since(begin) == {}
    undisturbed.check()


SEEN = "/run/newer"
NOTING = f"""
import os
with open({SEEN!r}, "a") as _said:
    _said.write(f"{{os.environ.get('OCF_RESOURCE_INSTANCE')}}\\n")
"""
"""What the newer version does: it notes for which resource it was called."""


def test_a_newer_version_is_installed_and_nothing_restarts(undisturbed: Undisturbed) -> None:
    """Every resource has been monitored by it at least once, on the node where all of them run."""
    on = undisturbed.stage
    node, begin = on.lab.node(on.node_of("vs1")), stage.now()
    python = Path(on.lab.cluster.vsctl).with_name("python")
    agents = node.run([python, "-c", "import vsctl.agents; print(*vsctl.agents.__path__)"]).stdout.strip()
    node.run(["mkdir", "--parents", "/root/newer/vsctl"])
    node.run(["cp", "--recursive", agents, "/root/newer/vsctl/agents"])
    node.write("/root/newer/vsctl/agents/ocf.py", Path(agents, "ocf.py").read_text() + NOTING)
    try:
        node.run(["env", "PYTHONPATH=/root/newer", "vsctl", "install"])
        watched = {
            f"{each}-{part}" for each in ("vs1", "vs2") for part in ("net", "fs-root", "nfs", "smb", "gate")
        }
        watched |= {
            "vs1-fs-data",
            "vs1-exp-data",
            "vs1-shr-data",
            "vs1-vip-lan-a",
            "vs2-exp-root",
            "vsctl-daemon",
        }
        on.lab.wait(
            lambda: watched <= _noted(node), "every resource has been looked at by the newer version", 120
        )
        undisturbed.check()
        assert on.touched_since(begin) == {}
    finally:
        node.run(["vsctl", "install"])
    on.settle()
    assert on.touched_since(begin) == {}
    undisturbed.check()


def _noted(node: Machine) -> set[str]:
    """Return the resources for which the newer version was called."""
    said = node.run(["cat", SEEN], check=False).stdout.split()
    return {each.partition(":")[0] for each in said}
