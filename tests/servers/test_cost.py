"""What do the monitors of servers, filesystems and residents cost? The network's are in tests/agents."""

import pytest

from tests.agents.test_cost import HEAVY, MODULES
from tests.servers.servers import Server

pytestmark = pytest.mark.node

PORTS = {"ports": "n1=e0a:lan-a"}
RESIDENTS = {
    "daemon": {**PORTS, "gateways": "lan-a=192.0.2.1", "storage": "san1 nodes=n1 /dev/null"},
    "router": {**PORTS, "routers": "lan-a ospf 0.0.0.0 4"},
    "balancer": {"mode": "manual", "quiet": "22:00-05:00"},
    "repair": {"server": "vs1", "filesystem": "data", "device": "/dev/null", "type": "ext4", "mode": "auto"},
}
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
        watch(node, module, {"server": "vs1", **vs1.parameters[resource]})


@pytest.mark.parametrize("agent", RESIDENTS)
def test_monitors_of_what_lives_beside_its_agent_are_as_cheap(node, agent):
    node.run("ip link add e0a type veth peer name switch")
    node.run("ip address add 192.0.2.2/24 dev e0a")
    for end in ("e0a", "switch"):
        node.run(f"ip link set {end} up")
    started = node.agent(agent, "start", **RESIDENTS[agent])
    assert started.status == 0, started.said
    watch(node, agent, RESIDENTS[agent])


def watch(node, module: str, parameters: dict[str, str]) -> None:
    given = {**parameters, "CRM_meta_interval": "10000", "CRM_meta_on_node": "n1"}
    told = {f"OCF_RESKEY_{name}".encode(): value.encode() for name, value in given.items()}
    done = node.python(WATCHED.format(parameters=told, module=module, agent=module.capitalize()))
    imported = set(done.said.split())
    assert not imported & HEAVY, module
    assert len(imported) <= MODULES, module
