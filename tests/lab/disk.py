"""What is a shared disk?

A sparse file with one loop device for each node: own page cache and superblock
each, so that mounting it twice would do real damage. Every node sees it, and
only it sees its own, as /dev/disk/by-id/vsctl-lab-NAME. A failing disk is one that
each node can lose on its own, `faulty.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.command import call
from tests.lab.faulty import obey
from tests.lab.machine import Machine
from tests.lab.place import Place
from tests.lab.problem import LabProblem
from tests.lab.waiting import wait

PROGRAM = Path(__file__).with_name("faulty.py")
SMALLEST = {"ext4": 8, "xfs": 300, "none": 1}
"""MiB that mkfs accepts; `none` is a disk without a filesystem."""


@dataclass(frozen=True)
class Disk:
    name: str
    type: str
    loops: dict[str, str]
    """The loop device of each node, by the node's name."""
    failing: bool = False
    """Whether it can be made to fail, for each node on its own."""

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

    def add(self, name: str, type: str, size: str, nodes: list[Machine], failing: bool = False) -> Disk:
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
            loops = {
                node.name: self._failing(name, file, node.name) if failing else call(attach).strip()
                for node in nodes
            }
            disk = Disk(name, type, loops, failing)
            self.place.save("disks", [vars(each) for each in (*self.all(), disk)])
        for node in nodes:
            if node.is_on:
                self._show(disk, node)
        return disk

    def attach(self, node: Machine) -> None:
        """Show every disk to a node that has just started."""
        for disk in self.all():
            if disk.failing and node.name in disk.loops:
                obey(
                    self._control(disk.name, node.name),
                    self._faults().get(f"{disk.name}.{node.name}", "good"),
                )
            self._show(disk, node)

    def fault(self, name: str, node: str, how: str) -> None:
        """Make a failing disk, as one node sees it, good, eio, hang or slow S; it stays so until it is healed."""
        with self.place.lock("disks"):
            self.place.save("disk-faults", {**self._faults(), f"{name}.{node}": how})
        obey(self._control(name, node), how)

    def heal(self) -> None:
        """Make every disk good."""
        for each in self._faults():
            name, _, node = each.rpartition(".")
            obey(self._control(name, node), "good")
        self.place.save("disk-faults", {})

    def cut_off(self, node: str) -> None:
        """Let nothing that a node has still to write reach a disk: who waits for one gets an error, and can end."""
        for disk in self.all():
            if disk.failing and node in disk.loops:
                obey(self._control(disk.name, node), "eio")

    def let_go(self, node: str) -> None:
        """Wait until a node that is off holds no disk any more: its mounts take a moment to end."""
        for disk in self.all():
            if node in disk.loops:
                wait(
                    lambda device=disk.loops[node]: _is_free(device),  # type: ignore[misc]
                    f"{node}, which is off, lets go of disk {disk.name}",
                    every=0.002,
                )

    def _failing(self, name: str, file: str, node: str) -> str:
        """Start what makes a node's own failing disk of a file; return its loop device."""
        program = subprocess.Popen(
            [*self.place.enter("--mount"), "/usr/bin/python3", str(PROGRAM), file, f"{file}.{node}.control"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=self.place.environment(),
            text=True,
            start_new_session=True,
        )
        assert program.stdout
        loop = program.stdout.readline().strip()
        if not loop:
            raise LabProblem(f"disk {name}: nothing that fails can be made for {node}")
        self.place.record(f"disk-{name}.{node}", program.pid)
        return loop

    def _control(self, name: str, node: str) -> Path:
        """Return the control of a failing disk, as seen from here."""
        return Path(f"/proc/{self.place.pid('holder')}/root{self.place.store}/disks/{name}.{node}.control")

    def _faults(self) -> dict[str, str]:
        return dict(self.place.load("disk-faults", {}))

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
