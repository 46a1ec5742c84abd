"""Damage that nobody has met yet is found by the slow look at filesystems, and nothing else is."""

import os
import subprocess
from collections.abc import Callable

import pytest

from tests.servers.node import is_free, wait_for
from tests.servers.quarantined import OVER, REPAIR, data
from vsctl.agents.noded import heads

pytestmark = pytest.mark.lab

POINT = "/srv/vsctl/vs1/data"

_DAEMON = """
from vsctl.agents.noded import damages, inspecting
from vsctl.agents.noded.loop import Loop
inspecting.EVERY = 0.05
loop = Loop()
damages.Damages(loop, lambda: "n1", lambda words: print(words, flush=True), lambda _: None).look()
print("it looks", flush=True)
loop.run()
"""
_SUSPECTS = """
from vsctl.agents import mounts
from vsctl.agents.noded import inspecting
from vsctl.agents.noded.loop import Loop
inspecting.EVERY = 0.05
loop = Loop()
here = lambda: mounts.table(below="/srv/vsctl/")
inspecting.Inspecting(loop, here, lambda mount, why: print(mount.point, why, flush=True)).look()
print("it looks", flush=True)
loop.run()
"""


def looks(node, code: str):
    """Start what looks at filesystems, and return where it tells what it has found."""
    begun = node.begin_python(code)
    assert begun.stdout.readline() == "it looks\n"
    return begun.stdout


def filled(node, device: str, type: str) -> dict[str, str]:
    """Put a directory of some blocks on a filesystem, which is not mounted then; return the parameters of its agent."""
    fs = data(device, type)
    node.agent("fs", "start", **fs)
    node.run(f"mkdir {POINT}/there")
    node.run(f"sh -c 'cd {POINT}/there && seq 300 | xargs touch'")
    assert node.agent("fs", "stop", **fs).status == 0
    return fs


def spoil(node, at: int, size: int) -> None:
    """Write nonsense to the only disk, so that the storage has it and no memory of the kernel."""
    with (node.directory / f"disk{len(node.devices) - 1}").open("r+b") as image:
        image.seek(at)
        image.write(os.urandom(size))
        os.fsync(image.fileno())


def number(node, line: str, after: str = "") -> int:
    """Return the first number behind some words that a command says."""
    said = node.run(line).said.partition(after)[2]
    return int("".join(each if each.isdigit() else " " for each in said).split()[0])


def block_of_ext4(node, device: str) -> tuple[int, int]:
    size = number(node, f"dumpe2fs -h {device}", "Block size:")
    return number(node, f"debugfs -R 'bmap /there 0' {device}", "\n") * size, size


def inode_of_ext4(node, device: str) -> tuple[int, int]:
    said = node.run(f"debugfs -R 'imap /there/7' {device}").said  # located at block 97, offset 0x0700
    block, offset = said.partition("located at block ")[2].replace(",", "").split()[::2]
    return int(block) * number(node, f"dumpe2fs -h {device}", "Block size:") + int(offset, 16), 128


def superblock_of_ext4(node, device: str) -> tuple[int, int]:
    return 1024, 1024


def descriptor_of_ext4(node, device: str) -> tuple[int, int]:
    size = number(node, f"dumpe2fs -h {device}", "Block size:")
    return (2 if size == 1024 else 1) * size, 16


def block_of_xfs(node, device: str) -> tuple[int, int]:
    ask = f"xfs_db -r -c 'path /there' -c 'dblock 0' -c daddr {device}"
    return number(node, ask, "current daddr is") * 512, 512


def superblock_of_xfs(node, device: str) -> tuple[int, int]:
    return 0, 512


def group_of_xfs(node, device: str) -> tuple[int, int]:
    said = node.run(f"xfs_db -r -c 'sb 0' -c 'print agblocks blocksize sectsize' {device}").said
    blocks, size, sector = (int(line.split()[-1]) for line in said.splitlines())
    return blocks * size + 2 * sector, sector


@pytest.mark.parametrize(
    ("type", "place", "read_before"),
    [
        ("ext4", block_of_ext4, True),
        ("ext4", inode_of_ext4, False),
        ("ext4", superblock_of_ext4, True),
        ("ext4", descriptor_of_ext4, True),
        ("xfs", block_of_xfs, False),
        ("xfs", superblock_of_xfs, True),
        ("xfs", group_of_xfs, True),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_damage_that_nobody_has_met_is_found_and_repaired(
    node, cluster, type: str, place: Callable[..., tuple[int, int]], read_before: bool
):
    """What is in memory serves on, and what is not nobody asks for: the filesystem itself says nothing."""
    device = node.disk(type)
    fs = filled(node, device, type)
    at, size = place(node, device)
    if not read_before:
        spoil(node, at, size)
    assert node.agent("fs", "start", **fs).status == 0
    if read_before:
        node.run(f"ls {POINT}/there")
        spoil(node, at, size)
        node.run(f"ls {POINT}/there")
    assert (node.agent("fs", "monitor", **fs).status, cluster.scores) == (0, OVER)
    looks(node, _DAEMON)
    wait_for(lambda: cluster.scores == REPAIR, "it is not found")
    assert node.agent("fs", "stop", **fs).status == 0
    assert is_free(device)
    repair = {**fs, "mode": "auto"}
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
    assert cluster.record["stage"] == "over"
    assert node.agent("repair", "stop", **repair).status == 0
    assert node.agent("fs", "start", **fs).status == 0
    assert node.agent("fs", "monitor", **fs).status == 0


SHAPES = [
    "ext4 -b 1024",
    "ext4 -b 4096",
    "ext4 -b 1024 -O bigalloc",
    "ext4 -b 1024 -O ^64bit",
    "ext4 -O ^metadata_csum",
    "ext4 -O metadata_csum_seed",
    "ext4 -b 1024 -O meta_bg,^resize_inode",
    "xfs",
    "xfs -s size=4096",
    "xfs -i size=1024",
    "xfs -m crc=0",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_whatever_shape_a_filesystem_has_nothing_is_wrong_with_it_when_it_is_new(tmp_path, shape: str):
    type, *options = shape.split()
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run([f"mkfs.{type}", "-q", *options, image], check=True)
    with image.open("rb") as file:

        def read(at: int, size: int) -> bytes:
            return os.pread(file.fileno(), size, at)

        assert {heads.wrong(type, read, turn) for turn in range(9)} == {""}
        assert heads.wrong(type, lambda at, size: bytes(size), 0) != ""


@pytest.mark.parametrize("how", ["eio", "hang"])
def test_storage_that_fails_is_no_damage_and_holds_up_no_look_at_the_others(node, how: str):
    failing, become = node.failing_disk("ext4")
    node.agent("fs", "start", **{**data(failing), "filesystem": "failing"})
    device = node.disk("ext4")
    node.agent("fs", "start", **data(device))
    become(how)
    said = looks(node, _SUSPECTS)
    spoil(node, 1024, 1024)
    for _ in range(5):
        assert said.readline() == f"{POINT} on its device there is no superblock any more\n"
    become("good")


@pytest.mark.parametrize("type", ["ext4", "xfs"])
def test_nothing_is_suspected_of_a_filesystem_that_is_written_all_the_time(node, type: str):
    device = node.disk(type)
    assert node.agent("fs", "start", **filled(node, device, type)).status == 0
    said = looks(node, _SUSPECTS)
    node.run(
        f"sh -c 'cd {POINT}; for i in $(seq 60); do cp -a there busy; sync .; rm -r busy; touch there/a$i; done'"
    )
    spoil(node, 0, 4096)
    assert "superblock" in said.readline()
    assert node.agent("fs", "stop", **data(device, type)).status == 0
