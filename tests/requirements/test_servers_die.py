"""A server process dies or hangs: its own clients pause, the other protocol's notice nothing, nothing is unmounted."""

from __future__ import annotations

import pytest

from tests.lab import stage
from tests.lab.clients import Client
from tests.lab.stage import Stage
from tests.requirements.cast import USERS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

VS1 = "192.0.2.11"
UNTOUCHED = {"vs1-net", "vs1-fs-root", "vs1-fs-data", "vs1-vip-lan-a", "vs1-vip-lan-b"}


def send(on: Stage, signal: str, daemon: str) -> None:
    node = on.lab.node(on.node_of("vs1"))
    pid = node.run(["cat", f"/run/vsctl/vs1/{daemon}.pid"]).stdout.split()[0]
    node.run(["kill", f"-{signal}", pid])


@pytest.mark.parametrize("signal", ["KILL", pytest.param("STOP", marks=pytest.mark.full)])
@pytest.mark.parametrize(
    ("daemon", "dead", "alive", "back"),
    [
        ("ganesha", "nfs", "smb", {"vs1-nfs", "vs1-exp-data", "vs1-gate"}),
        ("smbd", "smb", "nfs", {"vs1-smb", "vs1-shr-data", "vs1-shr-root"}),
    ],
)
def test_a_dead_or_hung_server_comes_back_alone(
    two: Stage, daemon: str, dead: str, alive: str, back: set[str], signal: str
) -> None:
    c1 = two.lab.client("c1")
    clients = {
        "nfs": Client.nfs(c1, VS1, "/data/projects", f"survives-{signal}"),
        "smb": Client.smb(c1, VS1, "projects", *USERS["vs1"], f"survives-smb-{signal}"),
    }
    with clients["nfs"], clients["smb"]:
        for each in clients.values():
            each.wait_for_progress()
        begin = stage.now()
        send(two, signal, daemon)
        two.lab.wait(lambda: clients[dead].report().lost, f"the {dead} client sees the end of its connection")
        clients[dead].wait_for_progress()
        for each in clients.values():
            each.wait_for_progress()
        two.settle()
    touched = two.touched_since(begin)
    assert set(touched) <= back and not set(touched) & UNTOUCHED, touched
    assert clients[alive].report().lost == (), "the other protocol's session is unbroken"
    for each in clients.values():
        assert not each.report().errors, f"{each.what}: {each.report()}"
        assert each.missing() == []
    assert two.serving("vs1", "n1")
    two.vsctl("cleanup")
    assert two.status()["servers"]["vs1"]["problems"] == []
