"""Do the tools of the cluster accept every agent, as installed on a node?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.lab.machine import Machine

pytestmark = pytest.mark.lab

DIRECTORY = "/usr/lib/ocf/resource.d/vsctl"
PARAMETERS = {
    "net": {"addresses": "192.0.2.19/24 2001:db8:a::19/64"},
    "vip": {
        "subnet": "lan-a",
        "addresses": "192.0.2.19/24 2001:db8:a::19/64",
        "ports": "n1=e0a,e0b",
        "gateways": "192.0.2.1 2001:db8:a::1",
    },
    "fs": {"filesystem": "root", "device": "/dev/disk/by-id/vsctl-lab-tools", "type": "ext4"},
    "nfs": {},
    "smb": {"netbios": "VS9"},
    "exports": {"filesystem": "root", "exports": "/a /root/a id=9 squash=root 192.0.2.0/24=rw"},
    "shares": {"filesystem": "root", "shares": "b /b access=rw users=alice"},
    "gate": {},
}
"""Every agent with parameters for one server, in the order in which they start."""


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[Machine]:
    lab.disk("tools")
    yield lab.node("n1")


def options(agent: str) -> dict[str, str]:
    return {"server": "vs9", **PARAMETERS[agent]}


@pytest.mark.parametrize("agent", PARAMETERS)
def test_pcs_and_crm_describe_it(node: Machine, agent: str) -> None:
    for tool in (["pcs", "resource", "describe"], ["crm", "ra", "info"]):
        said = node.run([*tool, f"ocf:vsctl:{agent}"]).stdout
        for parameter in options(agent):
            assert parameter in said


@pytest.mark.parametrize("agent", PARAMETERS)
def test_ocf_tester_passes_it(node: Machine, agent: str) -> None:
    """What it rests on has been started by the tests before, in order."""
    words = [word for name, value in options(agent).items() for word in ("-o", f"{name}={value}")]
    said = node.run(["ocf-tester", "-n", agent, *words, f"{DIRECTORY}/{agent}"], check=False, timeout=180)
    assert f"{DIRECTORY}/{agent} passed all tests" in said.stdout, said.stdout + said.stderr
    environment = [f"OCF_RESKEY_{name}={value}" for name, value in options(agent).items()]
    node.run(["env", "OCF_ROOT=/usr/lib/ocf", *environment, f"{DIRECTORY}/{agent}", "start"])


def test_stopping_leaves_nothing(node: Machine) -> None:
    for agent in reversed(PARAMETERS):
        environment = [f"OCF_RESKEY_{name}={value}" for name, value in options(agent).items()]
        node.run(["env", *environment, f"{DIRECTORY}/{agent}", "stop"])
    assert node.run(["ip", "netns", "list"]).stdout == ""
    assert "vsctl" not in node.run(["nft", "list", "tables"]).stdout
    assert "/srv/vsctl/" not in node.run(["cat", "/proc/self/mounts"]).stdout
