"""Filesystems that are damaged under clients that work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.lab.clients import Client, Report
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.stage import Stage, now


@contextmanager
def working(clients: Mapping[str, Client]) -> Iterator[None]:
    """Have clients work, and go on to work at the end."""
    for each in clients.values():
        each.start()
    try:
        for each in clients.values():
            each.wait_for_progress()
        yield
        for each in clients.values():
            each.wait_for_progress()
    finally:
        for each in clients.values():
            each.stop()


def unharmed(clients: Mapping[str, Client]) -> dict[str, Report]:
    """Return what clients have lived through, none of whom was told of an error or lost anything."""
    reports = {name: each.report() for name, each in clients.items()}
    for name, each in clients.items():
        assert not reports[name].errors, f"{name}: {reports[name].errors}"
        assert each.missing() == [], name
    return reports


def device(lab: Lab, node: str, path: str) -> str:
    return lab.node(node).run(["readlink", "-f", f"/dev/disk/by-id/vsctl-lab-{path}"]).stdout.strip()


def break_ext4(lab: Lab, node: str, path: str) -> float:
    """Let ext4 find an error in itself; return when, by the clock of logs."""
    name = device(lab, node, path).rpartition("/")[2]
    moment = now()
    lab.node(node).run(["sh", "-c", f"echo damage > /sys/fs/ext4/{name}/trigger_fs_error"])
    return moment


def shut_xfs_down(lab: Lab, node: str, server: str, filesystem: str) -> float:
    """Shut an XFS down, with its log flushed, as it does itself; return when, by the clock of logs."""
    moment = now()
    lab.node(node).run(["xfs_io", "-x", "-c", "shutdown -f", f"/srv/vsctl/{server}/{filesystem}"])
    return moment


def corrupt_directory(stage: Stage, server: str, filesystem: str, type: str) -> float:
    """Overwrite a directory that nobody has in memory, and read it; return when, by the clock of logs.

    One of the files in it says `kept`.
    """
    home = stage.node_of(server)
    node, there = stage.lab.node(home), device(stage.lab, home, f"{server}-{filesystem}")
    point = f"/srv/vsctl/{server}/{filesystem}"
    place = f"{point}/full-{round(now() * 1000)}"
    node.run(["sh", "-c", f"mkdir {place}; cd {place}; seq 50 | xargs touch; echo kept > 7"])
    for each in ("--freeze", "--unfreeze"):  # then nothing is to be written any more
        node.run(["fsfreeze", each, point])
    forget_all(node)  # what the node has read of the device before may be old
    at, size = first_block(node, there, place, point, type)
    spoil = ["if=/dev/urandom", f"of={there}", f"bs={size}", "count=1", f"seek={at // size}"]
    node.run(["dd", *spoil, "conv=notrunc", "oflag=direct"])
    forget_all(node)
    moment = now()
    node.run(["ls", place], check=False)
    return moment


def forget_all(node: Machine) -> None:
    """Let the kernel have nothing in memory that it could read again; XFS gives things up one time after the other."""
    node.run(["sh", "-c", "for each in 1 2 3 4 5 6; do echo 3 > /proc/sys/vm/drop_caches; done"])


def first_block(node: Machine, there: str, place: str, point: str, type: str) -> tuple[int, int]:
    """Return where on its device the first block of a directory is, and how large it is, in bytes."""
    size = int(node.run(["stat", "-f", "-c", "%S", place]).stdout)
    if type == "ext4":
        said = node.run(["debugfs", "-R", f"blocks {place.removeprefix(point)}", there]).stdout
        return int(said.split()[0]) * size, size
    inode = node.run(["stat", "-c", "%i", place]).stdout.strip()
    said = node.run(["xfs_db", "-r", "-c", f"inode {inode}", "-c", "dblock 0", "-c", "daddr", there]).stdout
    return int(said.split()[-1]) * 512, size


@dataclass(frozen=True)
class Course:
    """Seconds from the beginning of damage until the cluster knew of it, and until the filesystem had stopped."""

    noticed: float
    blocked: float


def course(stage: Stage, server: str, filesystem: str, since: float) -> Course:
    """Wait until damage that began at a moment is in its node's diary, and the filesystem has stopped."""
    node, resource = stage.node_of(server), f"{server}-fs-{filesystem}"

    def noticed() -> float | None:
        events = map(
            str.split, stage.lab.node(node).run(["cat", "/var/log/vsctl/events"]).stdout.splitlines()
        )
        of_it = (
            float(at) for at, *what in events if what == ["filesystem", f"{server}/{filesystem}", "damaged"]
        )
        return next((at for at in of_it if at >= since), None)

    def blocked() -> float | None:
        stops = (
            each for each in stage.acts_since(since) if (each.resource, each.operation) == (resource, "stop")
        )
        return next((each.at for each in stops if each.result == "ok"), None)

    at = stage.lab.wait(noticed, f"{node} says that {filesystem} of {server} is damaged")
    return Course(at - since, stage.lab.wait(blocked, f"{resource} has stopped") - since)


def quarantine(stage: Stage, filesystem: str, server: str = "vs1") -> dict[str, object]:
    """Return what status says of a filesystem that was found damaged; nothing if none was."""
    found = stage.status()["servers"][server]["filesystems"]
    return next(each["quarantine"] for each in found if each["name"] == filesystem) or {}


def is_over(stage: Stage, filesystem: str, server: str = "vs1") -> bool:
    return quarantine(stage, filesystem, server).get("stage") == "over" and stage.serving(server)


def progress(stage: Stage, filesystem: str, server: str = "vs1") -> int | None:
    """Return how many percent of a repair are done, by `vsctl repair --status`; None while it does not say."""
    said = json.loads(stage.vsctl("repair", f"{server}/{filesystem}", "--status", "--json").stdout)
    repair = (said["quarantine"] or {}).get("repair") or {}
    return repair.get("percent")
