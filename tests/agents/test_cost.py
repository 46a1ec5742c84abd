"""What does a monitor cost? It runs hundreds of times a minute."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.agents.cast import ANNOUNCER, DETOURED, EVERY, GATE, LAN_A, NET, RUNNING
from tests.agents.node import PYTHON, ROOT, Lan

pytestmark = pytest.mark.lab

HEAVY = {
    "collections",
    "contextlib",
    "ctypes",
    "dataclasses",
    "enum",
    "functools",
    "ipaddress",
    "json",
    "logging",
    "pathlib",
    "re",
    "select",
    "shutil",
    "signal",
    "socket",
    "struct",
    "subprocess",
    "typing",
}
MODULES = 60
"""A bare interpreter (-IS) has 32 to 36."""


@pytest.mark.parametrize(("agent", "parameters"), [("net", DETOURED), ("vip", ANNOUNCER), ("gate", GATE)])
def test_monitors_import_next_to_nothing_and_start_no_process(
    lan: Lan, agent: str, parameters: dict[str, str]
) -> None:
    lan.node.mount_root("vs1")
    for name, its in (("net", DETOURED), ("vip", ANNOUNCER), ("gate", GATE)):
        assert lan.node.agent(name, "start", **its).code == RUNNING
    code = (
        f"import sys, os; sys.path.insert(0, {str(ROOT)!r})\n"
        f"from vsctl.agents.{agent} import {agent.capitalize()}\n"
        "def forbidden(*_): raise AssertionError('a monitor starts no process')\n"
        "os.fork = os.posix_spawn = os.posix_spawnp = forbidden\n"
        f"{agent.capitalize()}().monitor()\n"
        "print(*sys.modules)\n"
    )
    # What this monitor would have to write is written: nothing changes while the second one looks.
    assert lan.node.agent(agent, "monitor", interval=EVERY, **parameters).code == RUNNING
    environment = {f"OCF_RESKEY_{key}": value for key, value in parameters.items()}
    environment |= {"OCF_RESKEY_CRM_meta_on_node": "n1", "OCF_RESKEY_CRM_meta_interval": "10000"}
    done = subprocess.run(
        lan.node.command(PYTHON, "-IS", "-c", code),
        env=environment | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.split())
    assert not imported & HEAVY
    assert len(imported) <= MODULES


def test_two_ports_cost_one_program(lan: Lan) -> None:
    """Announcing holds the node's lock while it changes the packet filter: once, however many ports."""
    assert lan.node.agent("net", "start", **NET).code == RUNNING
    code = (
        f"import sys, os; sys.path.insert(0, {str(ROOT)!r})\n"
        "from vsctl.agents.vip import Vip\n"
        "real, run = os.posix_spawnp, []\n"
        "def counted(program, *rest, **more): run.append(program); return real(program, *rest, **more)\n"
        "os.posix_spawnp = counted\n"
        "Vip().start(); print(*run)\n"
        "run.clear(); Vip().stop(); print(*run)\n"
    )
    environment = {f"OCF_RESKEY_{key}": value for key, value in LAN_A.items()}
    done = subprocess.run(
        lan.node.command(PYTHON, "-IS", "-c", code),
        env=environment | {"OCF_RESKEY_CRM_meta_on_node": "n1", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["nft", "nft"], done.stderr
