"""vsctl install below a prefix."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

import vsctl.agents
from tests.cli.vsctl import vsctl as run
from vsctl.agents import metadata, paths
from vsctl.cib_templates.timings import declared
from vsctl.cli import launchers


def test_twice_is_once_and_remove_leaves_others_alone(tmp_path: Path) -> None:
    first = run("install", "--prefix", tmp_path)
    assert first.status == 0
    assert "man pages\n" in first.out
    theirs = tmp_path / launchers.LAUNCHERS / "theirs"
    theirs.write_text("")
    assert run("install", "--prefix", tmp_path).out.startswith("nothing to do:")
    for agent in launchers.AGENTS:
        text = (tmp_path / launchers.LAUNCHERS / agent).read_text()
        assert text.startswith(f"#!{launchers.python()} -IS\n") and "/usr/lib/vsctl/" in text
        assert str(tmp_path) not in text
    assert run("install", "--remove", "--prefix", tmp_path).status == 0
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [theirs]
    assert run("install", "--remove", "--prefix", tmp_path).out.startswith("nothing to do:")


@pytest.mark.slow
def test_an_installed_agent_says_of_itself_what_its_class_says(tmp_path: Path) -> None:
    run("install", "--prefix", tmp_path)
    for agent in launchers.AGENTS:
        assert _asked(tmp_path, agent, "meta-data").stdout == metadata.of(declared(agent))


def versions(prefix: Path) -> set[Path]:
    """Return the directories of code that are installed."""
    return {each for each in (prefix / launchers.CODE).iterdir() if each.is_dir()}


@pytest.mark.slow
def test_the_balancer_is_told_which_python_has_vsctl(tmp_path: Path) -> None:
    run("install", "--prefix", tmp_path)
    named = tmp_path / paths.INTERPRETER.lstrip("/")
    found = subprocess.run(
        [named.read_text().strip(), "-I", "-m", "vsctl.cli", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith("vsctl ")
    named.write_text("/usr/bin/false\n")
    assert run("install", "--prefix", tmp_path, "--json").json["changed"] == ["balancer"]
    assert named.read_text() != "/usr/bin/false\n"


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_root_names_the_python_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run("install", "--prefix", tmp_path)
    finally:
        os.umask(before)
    named = tmp_path / paths.INTERPRETER.lstrip("/")
    assert stat.S_IMODE(named.stat().st_mode) == 0o644
    named.chmod(0o666)
    run("install", "--prefix", tmp_path)
    assert stat.S_IMODE(named.stat().st_mode) == 0o644


@pytest.mark.slow
def test_an_installed_agent_begins_with_all_it_needs(tmp_path: Path) -> None:
    """Nothing is looked for: an agent that is asked for what it does not know has loaded all its own modules."""
    run("install", "--prefix", tmp_path)
    (home,) = versions(tmp_path)
    shutil.rmtree(home / "vsctl")
    for agent in launchers.AGENTS:
        done = _asked(tmp_path, agent, "dance")
        assert (done.returncode, done.stderr.partition(",")[0]) == (
            3,
            f"ocf-exit-reason:{agent} knows no action 'dance'",
        )


def _asked(prefix: Path, agent: str, action: str) -> subprocess.CompletedProcess[str]:
    text = (
        (prefix / launchers.LAUNCHERS / agent)
        .read_text()
        .replace("/usr/lib/vsctl", f"{prefix}/usr/lib/vsctl")
    )
    return subprocess.run(
        [launchers.python(), "-IS", "-c", text, action], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_what_was_damaged_is_put_right(tmp_path: Path) -> None:
    run("install", "--prefix", tmp_path)
    net, fs = (tmp_path / launchers.LAUNCHERS / each for each in ("net", "fs"))
    net.chmod(0o644)
    fs.write_text("")
    assert run("install", "--prefix", tmp_path, "--json").json["changed"] == ["net", "fs"]


@pytest.mark.slow
def test_an_upgrade_keeps_the_code_that_runs(tmp_path: Path, monkeypatch) -> None:
    """Actions that began before still import from the version before."""
    run("install", "--prefix", tmp_path)
    (before,) = versions(tmp_path)
    newer = tmp_path / "newer"
    newer.mkdir()
    for file in Path(vsctl.agents.__path__[0]).glob("*.py"):
        (newer / file.name).write_bytes(file.read_bytes())
    (newer / "names.py").write_text((newer / "names.py").read_text() + "\n# newer\n")
    monkeypatch.setattr(vsctl.agents, "__path__", [str(newer)])
    assert set(run("install", "--prefix", tmp_path, "--json").json["changed"]) == set(launchers.AGENTS)
    there = versions(tmp_path)
    assert before in there and len(there) == 2
    (after,) = there - {before}
    assert after.name in (tmp_path / launchers.LAUNCHERS / "net").read_text()


@pytest.mark.slow
def test_what_a_process_runs_is_kept(tmp_path: Path) -> None:
    """A daemon may be older than the last installations, and imports some of its code late."""
    run("install", "--prefix", tmp_path)
    code = tmp_path / launchers.CODE
    for age, name in enumerate(("newer", "unused", "running"), 1):
        (code / name / "vsctl" / "agents").mkdir(parents=True)
        os.utime(code / name, (1000 - age, 1000 - age))
    daemon = subprocess.Popen(["/usr/bin/cat", "-", f"/{launchers.CODE}/running"], stdin=subprocess.PIPE)
    try:
        run("install", "--prefix", tmp_path)
        assert {each.name for each in code.iterdir()} >= {"newer", "running"}
        assert not (code / "unused").exists()
    finally:
        daemon.communicate()
