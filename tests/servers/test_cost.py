"""What do the monitors of servers and filesystems cost? The others' are in tests/agents."""

import pytest

from tests.agents.test_cost import HEAVY, MODULES
from tests.servers.servers import Server

pytestmark = pytest.mark.lab

BOTTOM_UP = ("root", "nfs", "smb", "data", "exports", "shares")
WATCHED = """
import posix, sys
posix.environ.update({parameters!r})
def forbidden(*_): raise AssertionError("a monitor starts no process")
posix.fork = posix.posix_spawn = posix.posix_spawnp = forbidden
from vsctl.agents.{module} import {agent}
{agent}().monitor()
print(*sys.modules)
"""


def test_monitors_import_next_to_nothing_and_start_no_process(node):
    vs1 = Server(node, "vs1").start(*BOTTOM_UP)
    for resource in BOTTOM_UP:
        module = {"root": "fs", "data": "fs"}.get(resource, resource)
        given = {"server": "vs1", **vs1.parameters[resource], "CRM_meta_interval": "10000"}
        parameters = {f"OCF_RESKEY_{name}".encode(): value.encode() for name, value in given.items()}
        done = node.python(WATCHED.format(parameters=parameters, module=module, agent=module.capitalize()))
        imported = set(done.said.split())
        assert not imported & HEAVY, resource
        assert len(imported) <= MODULES, resource
