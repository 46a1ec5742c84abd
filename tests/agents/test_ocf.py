"""Do the tools of the cluster accept the agents?"""

from __future__ import annotations

import pytest

from tests.agents.cast import GATE, LAN_A, NET, RUNNING
from tests.agents.node import PYTHON, ROOT, Lan, Node

pytestmark = pytest.mark.lab

AGENTS = {"net": NET, "vip": LAN_A, "gate": GATE}
DIRECTORY = "/usr/lib/ocf/resource.d"


@pytest.fixture
def installed(lan: Lan) -> Node:
    """A node where the launchers are where Pacemaker looks, on a layer of the node's own."""
    lan.node.run("mount", "-t", "tmpfs", "tmpfs", "/mnt")
    lan.node.run("mkdir", "-p", "/mnt/upper/vsctl", "/mnt/work")
    layers = f"lowerdir={DIRECTORY},upperdir=/mnt/upper,workdir=/mnt/work"
    lan.node.run("mount", "-t", "overlay", "overlay", "-o", layers, DIRECTORY)
    template = (ROOT / "vsctl/agents/ocf.d/launcher").read_text()
    for agent in AGENTS:
        text = template.format(python=PYTHON, root=str(ROOT), module=agent, agent=agent.capitalize())
        path = f"{DIRECTORY}/vsctl/{agent}"
        lan.node.run("sh", "-c", f"cat > {path} && chmod 755 {path}", text=text)
    return lan.node


@pytest.mark.parametrize("agent", AGENTS)
def test_pcs_and_crm_describe_it(installed: Node, agent: str) -> None:
    for said in (
        installed.run("pcs", "resource", "describe", f"ocf:vsctl:{agent}"),
        installed.run("env", "HOME=/mnt", "crm", "ra", "info", f"ocf:vsctl:{agent}"),
    ):
        for parameter in AGENTS[agent]:
            assert parameter in said


@pytest.mark.parametrize("agent", AGENTS)
def test_ocf_tester_passes_it(installed: Node, agent: str) -> None:
    """The prerequisites run already; ocf-tester starts and stops the agent itself."""
    for name in list(AGENTS)[: list(AGENTS).index(agent)]:
        assert installed.agent(name, "start", **AGENTS[name]).code == RUNNING
    options = [word for key, value in AGENTS[agent].items() for word in ("-o", f"{key}={value}")]
    node = "OCF_RESKEY_CRM_meta_on_node=n1"
    said = installed.run("env", node, "ocf-tester", "-n", agent, *options, f"{DIRECTORY}/vsctl/{agent}")
    assert f"{DIRECTORY}/vsctl/{agent} passed all tests" in said
