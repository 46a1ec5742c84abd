"""What agents use in the place of `os` does as `os` does."""

from __future__ import annotations

import os
import posixpath
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vsctl.agents
from vsctl.agents import system

PATHS = st.lists(st.sampled_from(["", "a", "b.c", "..", "/"]), max_size=6).map("/".join)


@given(PATHS)
def test_paths_are_taken_apart_alike(path: str) -> None:
    assert system.path.basename(path) == posixpath.basename(path)
    if not path.startswith("//"):  # POSIX lets two slashes at the beginning mean something
        assert system.path.dirname(path) == posixpath.dirname(path)


def test_directories_are_made_alike(tmp_path: Path) -> None:
    for maker, top in ((os, tmp_path / "os"), (system, tmp_path / "system")):
        maker.makedirs(f"{top}/a/b", mode=0o700)
        maker.makedirs(f"{top}/a/b", exist_ok=True)
        assert (top / "a/b").stat().st_mode & 0o777 == 0o700
        (top / "file").touch()
        for existing in ("a/b", "file"):
            with pytest.raises(FileExistsError):
                maker.makedirs(f"{top}/{existing}")
        with pytest.raises(FileExistsError):
            maker.makedirs(f"{top}/file", exist_ok=True)
        assert maker.path.isdir(f"{top}/a") and not maker.path.isdir(f"{top}/file")
        assert maker.path.exists(f"{top}/file") and not maker.path.exists(f"{top}/none")
    assert (tmp_path / "os/a").stat().st_mode == (tmp_path / "system/a").stat().st_mode


def test_the_environment_is_read_without_os() -> None:
    root = Path(next(iter(vsctl.agents.__path__))).parent.parent
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from vsctl.agents import system\n"
        "print(system.getenv('WORD'), system.getenv('NONE', 'else'), 'os' in sys.modules)\n"
        "print(system.sep, 'os' in sys.modules)\n"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-IS", "-c", code],
        env={"WORD": "grün"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "grün else False\n/ True\n"
