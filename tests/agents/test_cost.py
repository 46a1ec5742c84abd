"""What does a monitor cost? It runs hundreds of times a minute."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.agents.cast import ANNOUNCER, DETOURED, EVERY, GATE, LAN_A, NET, RUNNING
from tests.agents.node import PYTHON, ROOT, Lan

pytestmark = pytest.mark.node

HEAVY = {
    "_collections_abc",
    "collections",
    "contextlib",
    "ctypes",
    "dataclasses",
    "enum",
    "functools",
    "ipaddress",
    "json",
    "logging",
    "os",
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
        f"import sys, posix; sys.path.insert(0, {str(ROOT)!r})\n"
        "def forbidden(*_): raise AssertionError('a monitor starts no process')\n"
        "posix.fork = posix.posix_spawn = posix.posix_spawnp = forbidden\n"
        f"from vsctl.agents.{agent} import {agent.capitalize()}\n"
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


def test_a_network_is_made_and_undone_without_a_program(lan: Lan) -> None:
    """A program costs more than all else that net and vip do."""
    code = (
        f"import sys, posix; sys.path.insert(0, {str(ROOT)!r})\n"
        "def forbidden(*_): raise AssertionError('it starts no program')\n"
        "posix.posix_spawn = posix.posix_spawnp = posix.execv = posix.execve = forbidden\n"
        "from vsctl.agents.net import Net\n"
        "from vsctl.agents.vip import Vip\n"
        "Net().start(); Vip().start(); Vip().stop(); Net().stop()\n"
    )
    environment = {f"OCF_RESKEY_{key}": value for key, value in {**NET, **LAN_A}.items()}
    done = subprocess.run(
        lan.node.command(PYTHON, "-IS", "-c", code),
        env=environment | {"OCF_RESKEY_CRM_meta_on_node": "n1", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
