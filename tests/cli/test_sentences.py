"""Whatever the operator or the machine does wrong: one sentence, exit 1, nothing half done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.vsctl import program, vsctl

ON_A_CIB = (
    ["status"],
    ["move", "vs1", "n2"],
    ["drain", "n1"],
    ["failback"],
    ["simulate", "--fail", "node:n1"],
    ["prove"],
    ["why", "vs1"],
    ["why-not", "vs1", "n2"],
    ["plan", "FILE"],
)
VSCTL = [sys.executable, "-m", "vsctl.cli"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a CIB is what cibadmin --query prints"),
        (b"\x00\xff\xfe binary", "a CIB is what cibadmin --query prints"),
        (b"name: nas1\n", "a CIB is what cibadmin --query prints"),
        (b"<html/>", "holds <html>, not a CIB"),
        (b"<cib/>", "vsctl has not configured this cluster"),
        (None, "No such file or directory"),
    ],
)
def test_files_that_are_no_cib(tmp_path: Path, nas: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "cib.xml"
    if content is not None:
        file.write_bytes(content)
    for command in ON_A_CIB[:-1]:
        done = vsctl(*command, "--cib", file)
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1), done
        assert words in done.err
    if content != b"<cib/>":
        assert vsctl("plan", nas, "--cib", file).status == 1
    assert not file.exists() or file.read_bytes() == content
    assert vsctl("status", "--cib", tmp_path).err.endswith(
        "Is a directory; name a CIB file that can be read\n"
    )


@pytest.mark.slow
def test_a_cib_of_a_newer_pacemaker(cib: Path) -> None:
    cib.write_bytes(cib.read_bytes().replace(b"pacemaker-3.9", b"pacemaker-9.9"))
    for command in ON_A_CIB[:-1]:
        done = vsctl(*command, "--cib", cib)
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1), done


def test_a_cib_of_a_newer_vsctl(cib: Path) -> None:
    cib.write_bytes(cib.read_bytes().replace(b"&quot;networks&quot;", b"&quot;segments&quot;"))
    done = vsctl("status", "--cib", cib)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "what vsctl stored in the CIB cannot be read" in done.err


def test_damaged_cibs(cib: Path) -> None:
    """Whatever byte is broken, it is shown or refused, and never a bug."""
    content, dice = cib.read_bytes(), random.Random(20261122)
    configured = content.index(b"<status")
    for _ in range(20):
        start = dice.randrange(configured)
        cib.write_bytes(content[:start] + dice.randbytes(3) + content[start + 3 :])
        done = vsctl("status", "--cib", cib)
        assert done.status in (0, 1)
        assert done.status == 0 or done.out or done.err.count("\n") == 1


def test_pacemaker_is_not_installed(cib: Path) -> None:
    for command, missing in (
        (["status"], "cibadmin"),
        (["status", "--cib", cib], "crm_mon"),
        (["simulate", "--cib", cib, "--fail", "node:n1"], "crm_simulate"),
    ):
        done = vsctl(*command, env={"PATH": "/nonexistent"})
        assert (done.status, done.err) == (
            1,
            f"{missing} is not installed on this machine; vsctl needs it here\n",
        )


def test_pacemaker_does_not_run(tmp_path: Path) -> None:
    program(
        tmp_path,
        "cibadmin",
        "echo 'Could not connect to the CIB: Transport endpoint is not connected' >&2; exit 102",
    )
    done = vsctl("status", env={"PATH": str(tmp_path)})
    assert (done.status, done.err) == (
        1,
        "no cluster answers on this machine: start Pacemaker here, run vsctl on a node of the cluster as root, or name a "
        "CIB with --cib (cibadmin ended with status 102: Could not connect to the CIB: Transport endpoint is not connected)\n",
    )


def test_programs_that_fail(cib: Path, tmp_path: Path) -> None:
    for name, command in (("crm_mon", ["status"]), ("crm_simulate", ["simulate", "--fail", "node:n1"])):
        for script in ("exit 1", "echo '(main) error: it is broken' >&2; exit 3", "kill -9 $$"):
            program(tmp_path, name, script)
            done = vsctl(*command, "--cib", cib, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
            assert (done.status, done.out, done.err.count("\n")) == (1, "", 1), done
        (tmp_path / name).unlink()
    unrunnable = program(tmp_path, "crm_mon", "")
    unrunnable.write_bytes(b"\x7fELF nonsense")
    done = vsctl("status", "--cib", cib, env={"PATH": str(tmp_path)})
    assert (done.status, done.err) == (1, "crm_mon cannot be started: Exec format error\n")


def test_agents_that_cannot_be_written() -> None:
    """The directory is on a full or read-only disk: /proc stands for it."""
    done = vsctl("install", "--prefix", "/proc")
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "run vsctl install as root, or with another --prefix" in done.err


def test_ctrl_c_is_a_sentence_and_leaves_nothing_half_done(cib: Path, tmp_path: Path) -> None:
    """The scheduler takes its time, and somebody loses patience."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    program(tmp_path, "crm_simulate", f"echo > {begun}; exec sleep 600")
    before = cib.read_bytes()
    with subprocess.Popen(
        [*VSCTL, "move", "vs1", "n2", "--cib", str(cib)],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as moving:
        begun.read_text()
        os.killpg(moving.pid, signal.SIGINT)
        _, err = moving.communicate(timeout=60)
    assert moving.returncode == 130
    assert (
        err.strip()
        == "interrupted: what the cluster was told before goes on; the same command again goes on, too"
    )
    assert cib.read_bytes() == before


def test_somebody_else_changed_the_file_meanwhile(cib: Path, tmp_path: Path) -> None:
    program(tmp_path, "crm_verify", f"echo ' ' >> {cib}")
    done = vsctl("drain", "n1", "--cib", cib, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.status, done.err) == (
        1,
        f"{cib} was changed by somebody else in the meantime; nothing was written, run it again\n",
    )
