"""What do the agents tell the cluster about themselves? The answers are in tests/golden."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import vsctl.agents
from vsctl.agents import metadata
from vsctl.agents.balancer import Balancer
from vsctl.agents.daemon import Daemon
from vsctl.agents.exports import Exports
from vsctl.agents.fs import Fs
from vsctl.agents.gate import Gate
from vsctl.agents.net import Net
from vsctl.agents.nfs import Nfs
from vsctl.agents.ocf import Agent
from vsctl.agents.router import Router
from vsctl.agents.shares import Shares
from vsctl.agents.smb import Smb
from vsctl.agents.vip import Vip

GOLDEN = Path(__file__).parents[1] / "golden"
SCHEMA = Path("/usr/share/resource-agents/ra-api-1.dtd")

AGENTS: tuple[type[Agent], ...] = (Net, Fs, Nfs, Smb, Exports, Shares, Vip, Gate, Daemon, Router, Balancer)


@pytest.mark.parametrize("agent", AGENTS)
def test_metadata_is_as_agreed(agent: type[Agent], request: pytest.FixtureRequest) -> None:
    golden = GOLDEN / f"{agent.type_name()}.xml"
    said = metadata.of(agent)
    if request.config.getoption("--rewrite", default=False):
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(said)
    assert said == golden.read_text()


@pytest.mark.skipif(
    not (SCHEMA.exists() and shutil.which("xmllint")), reason="resource-agents or xmllint is missing"
)
@pytest.mark.parametrize("agent", AGENTS)
def test_metadata_is_valid_by_the_dtd_that_ocf_tester_asks(agent: type[Agent], tmp_path: Path) -> None:
    (tmp_path / SCHEMA.name).write_bytes(SCHEMA.read_bytes())
    done = subprocess.run(
        ["xmllint", "--noout", "--valid", "-"],
        input=metadata.of(agent),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_text_is_escaped() -> None:
    class Strange(Agent):
        """Serve <b> & "c\""""

    assert "Serve &lt;b&gt; &amp; &quot;c&quot;" in metadata.of(Strange)


@pytest.mark.parametrize("agent", AGENTS)
def test_metadata_costs_a_failover_next_to_nothing(agent: type[Agent]) -> None:
    """Pacemaker asks for it before each start, and starts only then."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(next(iter(vsctl.agents.__path__))).parents[1])!r})\n"
        f"from vsctl.agents import metadata, {agent.type_name()}\n"
        f"metadata.of({agent.type_name()}.{agent.__name__})\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(["/usr/bin/python3", "-IS", "-c", code], capture_output=True, text=True, check=True)
    assert not {"inspect", "re", "ast", "tokenize", "enum", "typing"} & set(done.stdout.split())
