"""What is a shared disk?

A sparse file with one loop device for each node: own page cache and superblock
each, so that mounting it twice would do real damage. Every node sees it, and
only it sees its own, as /dev/disk/by-id/vsctl-lab-NAME.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.lab.command import call
from tests.lab.machine import Machine
from tests.lab.place import Place
from tests.lab.problem import LabProblem
from tests.lab.waiting import wait

SMALLEST = {"ext4": 8, "xfs": 300, "none": 1}
"""MiB that mkfs accepts; `none` is a disk without a filesystem."""


@dataclass(frozen=True)
class Disk:
    name: str
    type: str
    loops: dict[str, str]
    """The loop device of each node, by the node's name."""

    @property
    def device(self) -> str:
        """Its path in every node."""
        return f"/dev/disk/by-id/vsctl-lab-{self.name}"


class Disks:
    """The shared disks of one lab."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def all(self) -> tuple[Disk, ...]:
        return tuple(Disk(**each) for each in self.place.load("disks", []))

    def changed(self) -> float:
        """Return a number that is another one after a disk was added."""
        try:
            return (self.place.path / "disks.json").stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def add(self, name: str, type: str, size: str, nodes: list[Machine]) -> Disk:
        """Make a disk with an empty filesystem and show it to every node, also to those that are off."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            raise LabProblem(f"{name!r} cannot name a disk: use small letters, digits and -")
        if type not in SMALLEST:
            raise LabProblem(f"disk {name}: the lab makes {', '.join(SMALLEST)}, not {type}")
        if mebibytes(size) < SMALLEST[type]:
            raise LabProblem(f"disk {name}: {type} needs {SMALLEST[type]}M or more, not {size}")
        with self.place.lock("disks"):
            if any(each.name == name for each in self.all()):
                raise LabProblem(f"there is a disk {name} already")
            inside = self.place.enter("--mount")
            file = str(self.place.store / "disks" / name)
            call([*inside, "mkdir", "-p", str(Path(file).parent)])
            call([*inside, "truncate", f"--size={mebibytes(size)}M", file])
            if type == "ext4":
                call([*inside, "mkfs.ext4", "-q", "-L", name[:16], file])
            elif type == "xfs":
                call([*inside, "mkfs.xfs", "-q", "-L", name[:12], file])
            attach = [*inside, "losetup", "--find", "--show", file]
            loops = {node.name: call(attach).strip() for node in nodes}
            disk = Disk(name, type, loops)
            self.place.save("disks", [vars(each) for each in (*self.all(), disk)])
        for node in nodes:
            if node.is_on:
                self._show(disk, node)
        return disk

    def attach(self, node: Machine) -> None:
        """Show every disk to a node that has just started."""
        for disk in self.all():
            self._show(disk, node)

    def let_go(self, node: str) -> None:
        """Wait until a node that is off holds no disk any more: its mounts take a moment to end."""
        for disk in self.all():
            if node in disk.loops:
                wait(
                    lambda device=disk.loops[node]: _is_free(device),  # type: ignore[misc]
                    f"{node}, which is off, lets go of disk {disk.name}",
                    every=0.002,
                )

    def _show(self, disk: Disk, node: Machine) -> None:
        loop = disk.loops.get(node.name)
        if loop is None:
            return
        number = Path(loop).stat().st_rdev
        text = (
            f"[ -b {loop} ] || mknod -m 660 {loop} b {os.major(number)} {os.minor(number)}\n"
            f"ln -sfn ../../{Path(loop).name} {disk.device}\n"
        )
        node.run(["sh", "-e"], input=text)


def mebibytes(size: str) -> int:
    """Return the MiB in 300M or 2G."""
    match = re.fullmatch(r"([1-9][0-9]*)([MG])", size)
    if not match:
        raise LabProblem(f"{size!r} is no size: write 300M or 2G")
    return int(match[1]) * (1024 if match[2] == "G" else 1)


def _is_free(device: str) -> bool:
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError:
        return False
    return True
