"""Where does the slow look at filesystems go on, and what does it compute? On whatever the tests are run from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vsctl.agents.noded import heads, walk
from vsctl.agents.noded.walk import Place, Top


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Directories with many names, with none, and deep ones; links that lead out, and round."""
    top = tmp_path / "top"
    for each in ("many", "none", "deep/deeper/deepest", "\udcff odd\n"):
        (top / each).mkdir(parents=True)
    for number in range(500):
        (top / "many" / f"file-{number}").touch()
        if number % 100 == 0:
            (top / "many" / f"directory-{number}").mkdir()
    (top / "out").symlink_to("/")
    (top / "deep" / "round").symlink_to(top)
    return top


def once() -> Callable[[], bool]:
    """Return what says that time is up after one step."""
    answers = iter([False])
    return lambda: next(answers, True)


def into(found: list[str]) -> Callable[[int], None]:
    """Return what notes the names of directories that are open."""
    return lambda directory: found.append(str(Path(f"/proc/self/fd/{directory}").readlink()))


def directories(top: Path) -> list[str]:
    return sorted(place for place, *_ in os.walk(top))


def begun(top: Path, between: Callable[[Place], None] = lambda place: None) -> list[str]:
    """Return the directories that a walk reads which is interrupted after each step."""
    found: list[str] = []
    place: Place = ()
    while True:
        place = walk.on(Top(str(top), top.stat().st_dev), place, once(), into(found))
        if not place:
            return sorted(found)
        between(place)


def test_every_directory_is_read_once_however_often_the_walk_is_interrupted(tree: Path) -> None:
    assert begun(tree) == directories(tree)


def test_a_walk_in_one_go_reads_the_same(tree: Path) -> None:
    found: list[str] = []
    top = Top(str(tree), tree.stat().st_dev)
    assert walk.on(top, (), lambda: False, into(found)) == ()
    assert sorted(found) == directories(tree)


def test_what_is_removed_under_a_walk_does_not_end_it(tree: Path) -> None:
    def remove(place: Place) -> None:
        if place[-1].name == "deepest":
            (tree / "deep/deeper/deepest").rmdir()
            (tree / "deep/deeper").rename(tree / "none/moved")

    assert {*begun(tree, remove), f"{tree}/none/moved"} >= set(directories(tree))


def test_what_else_is_mounted_there_by_now_is_left_alone(tree: Path) -> None:
    assert walk.on(Top(str(tree), tree.stat().st_dev + 1), (), lambda: False, lambda _: None) == ()


def test_there_is_no_end_of_depth(tmp_path: Path) -> None:
    for _ in range(2 * walk.DEEPEST):
        os.mkdir("d", dir_fd=(here := os.open(tmp_path, os.O_RDONLY)))
        os.close(here)
        tmp_path = tmp_path / "d"
    top = tmp_path.parents[2 * walk.DEEPEST - 1]
    assert len(begun(top)) == walk.DEEPEST


def test_the_checksum_is_castagnolis() -> None:
    """The check value of its catalogue."""
    assert heads.crc32c(0xFFFFFFFF, b"123456789") ^ 0xFFFFFFFF == 0xE3069283
