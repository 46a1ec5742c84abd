"""Do the tools of the cluster accept every agent, as installed on a node?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.lab.machine import Machine
from vsctl.cib_templates.timings import declared
from vsctl.cli.launchers import AGENTS

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
    "balancer": {"mode": "manual", "quiet": "22:00-05:00"},
    "daemon": {"ports": "n1=e0a:lan-a,e1a:lan-b", "gateways": "lan-a=192.0.2.1"},
    "router": {"routers": "lan-b ospf 0.0.0.0 4", "ports": "n1=e1a:lan-b"},
    "repair": {"filesystem": "data", "device": "/dev/disk/by-id/vsctl-lab-tools", "type": "ext4"},
}
"""Agents with parameters, in the order in which they start; those of a server are all for one."""

CHILD = """\
#!/bin/sh
echo "begun $*" >> /tmp/child
trap 'echo tidied >> /tmp/child; exit 1' TERM
sleep 1000 & wait
"""
"""What the balancer is made to run instead of vsctl: it goes on until it is told to end."""


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[Machine]:
    lab.disk("tools")
    yield lab.node("n1")


def options(agent: str) -> dict[str, str]:
    own = {each.name for each in declared(agent).params()}
    return {**({"server": "vs9"} if "server" in own else {}), **PARAMETERS[agent]}


def test_no_agent_is_left_out() -> None:
    assert set(PARAMETERS) == set(AGENTS)


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


def balancer(node: Machine, action: str) -> int:
    environment = ["OCF_RESKEY_mode=auto", "OCF_RESKEY_every=1", "OCF_RESKEY_cool_down=0"]
    interval = ["OCF_RESKEY_CRM_meta_interval=30000"] if action == "monitor" else []
    return node.run(["env", *environment, *interval, f"{DIRECTORY}/balancer", action], check=False).returncode


def test_a_balancer_ends_with_what_it_started(node: Machine, lab: Lab) -> None:
    """And one that was killed leaves nothing to the next."""
    before = node.path("/usr/lib/vsctl/interpreter").read_text()
    node.write("/tmp/slow", CHILD, 0o755)
    node.write("/usr/lib/vsctl/interpreter", "/tmp/slow\n")

    def said() -> str:
        return node.run(["cat", "/tmp/child"], check=False).stdout

    try:
        assert balancer(node, "start") == 0
        lab.wait(lambda: "begun" in said(), "the balancer has begun to look")
        assert said() == "begun -I -m vsctl.cli rebalance --periodic --json --apply\n"
        assert balancer(node, "monitor") == 0
        assert balancer(node, "stop") == 0
        assert said().endswith("tidied\n"), "the child was asked to end, and has"
        assert balancer(node, "monitor") == 7
        assert balancer(node, "start") == 0
        lab.wait(lambda: said().count("begun") == 2, "the balancer has begun to look again")
        node.run(["sh", "-c", "read pid rest < /run/vsctl/_balancer/process && kill -9 $pid"])
        assert balancer(node, "monitor") == 1, "its child goes on"
        assert balancer(node, "stop") == 0
        assert said().count("tidied") == 2
        assert balancer(node, "monitor") == 7
        assert node.run(["ls", "/run/vsctl/_balancer"]).stdout == ""
    finally:
        balancer(node, "stop")
        node.write("/usr/lib/vsctl/interpreter", before)
