"""Who is missing what: `make check` needs neither root nor what only the lab does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.vsctl import program

PACKAGES = Path(__file__).parents[1] / "lab" / "packages"
CHECK = ["crmsh", "make", "man-db", "nftables", "pacemaker-cli-utils", "python3", "python3-venv"]


@pytest.mark.parametrize(
    ("words", "there", "missing"),
    [
        (["check"], CHECK, None),
        (["check"], CHECK[1:], "crmsh"),
        ([], CHECK, "bird2 corosync"),
    ],
)
def test_what_is_missing_is_named_to_who_is_not_root(
    words: list[str], there: list[str], missing: str | None, tmp_path: Path
) -> None:
    program(tmp_path, "dpkg-query", f"printf 'installed %s\\n' {' '.join(there)}")
    program(tmp_path, "id", "echo 1000")
    done = subprocess.run(
        ["/bin/sh", PACKAGES, *words],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (0 if missing is None else 1)
    assert done.stderr.startswith(
        f"These packages are missing, and installing them needs root: {missing}" if missing else ""
    )
    assert bool(done.stderr) == bool(missing)
