"""The command line of `vsctl check`, and what holds for every command."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cases import FILE, whole

VSCTL = str(Path(sys.executable).with_name("vsctl"))
BAD = whole("virtual_servers:\n  vs1: {$vs1, prioritiy: 3}\n")


def vsctl(*argv: str, cwd: Path | None = None, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [VSCTL, *argv], capture_output=True, text=True, cwd=cwd, env={**os.environ, **env}, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(whole(""))
    (tmp_path / "noted.yaml").write_text(whole("fencing: {n1: {agent: fence_ipmilan}}\n"))
    (tmp_path / FILE).write_text(BAD)
    return tmp_path


def test_a_good_file(folder: Path) -> None:
    assert vsctl("check", "good.yaml", cwd=folder) == (
        0,
        "good.yaml: 2 nodes, 1 virtual server, no problems\n",
        "",
    )


def test_a_note_stops_nothing(folder: Path) -> None:
    status, out, err = vsctl("check", "noted.yaml", cwd=folder)
    note, summary = out.splitlines()
    assert (status, err) == (0, "")
    assert note.startswith("noted.yaml:9: note: n2 has no fencing: ")
    assert summary == "noted.yaml: 2 nodes, 1 virtual server, no problems"


def test_a_problem(folder: Path) -> None:
    assert vsctl("check", FILE, cwd=folder) == (
        1,
        "nas.yaml:2: vs1 has no key prioritiy: did you mean priority?\n",
        "",
    )


def test_json(folder: Path) -> None:
    status, out, _ = vsctl("check", "--json", FILE, cwd=folder)
    assert status == 1
    assert json.loads(out) == {
        "file": FILE,
        "problems": [
            {"line": 2, "severity": "problem", "sentence": "vs1 has no key prioritiy: did you mean priority?"}
        ],
    }
    assert json.loads(vsctl("check", "--json", "good.yaml", cwd=folder)[1])["problems"] == []


def test_the_schema_needs_no_file() -> None:
    status, out, _ = vsctl("check", "--schema")
    assert status == 0
    assert json.loads(out)["title"] == "vsctl cluster file"


def test_on_a_terminal_lines_are_folded_and_coloured(folder: Path) -> None:
    (folder / "noted.yaml").write_text(
        whole("virtual_servers:\n  vs1: {$vs1, on_subnet_loss: move, bridge: 10m}\n")
    )
    ours, theirs = pty.openpty()
    done = subprocess.run([VSCTL, "check", "noted.yaml"], stdout=theirs, cwd=folder, check=False)
    os.close(theirs)
    shown = os.read(ours, 65536).decode().replace("\r\n", "\n")
    os.close(ours)
    assert done.returncode == 0
    assert shown == (
        "\x1b[1mnoted.yaml:2\x1b[0m: note: vs1 has a bridge that is never used: with on_subnet_loss:\n"
        "    move it is not routed\n"
        "noted.yaml: 2 nodes, 1 virtual server, no problems\n"
    )


def test_what_is_not_understood() -> None:
    assert vsctl("chek") == (
        2,
        "",
        "vsctl: there is no command chek: did you mean check? (see vsctl --help)\n",
    )
    assert vsctl("check") == (2, "", "vsctl check: Missing argument 'FILE'. (see vsctl check --help)\n")
    status, out, err = vsctl()
    assert (status, out) == (2, "")
    assert err.startswith("Usage: vsctl")


def test_version_and_completion() -> None:
    assert vsctl("--version")[1].startswith("vsctl ")
    status, out, _ = vsctl(_VSCTL_COMPLETE="bash_complete", COMP_WORDS="vsctl che", COMP_CWORD="1")
    assert (status, out) == (0, "plain,check\n")


def test_check_reads_only_what_it_needs(folder: Path) -> None:
    """Hold the start-up time: what is dear to import and of no use here stays out."""
    script = (
        "import sys; from vsctl.cli.main import main\n"
        "try: main(['check', 'good.yaml'])\n"
        "finally: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=folder, check=True
    )
    summary, modules = done.stdout.splitlines()
    assert summary.endswith("no problems")
    dear = {"lxml", "jinja2", "subprocess", "hashlib", "importlib.metadata", "vsctl.cli.output"}
    assert not dear & set(modules.split())
