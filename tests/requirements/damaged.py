"""Filesystems that are damaged under clients that work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.lab.clients import Client, Report
from tests.lab.lab import Lab
from tests.lab.stage import Stage


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


def break_ext4(lab: Lab, node: str, path: str) -> None:
    """Let ext4 find an error in itself."""
    name = device(lab, node, path).rpartition("/")[2]
    lab.node(node).run(["sh", "-c", f"echo damage > /sys/fs/ext4/{name}/trigger_fs_error"])


def quarantine(stage: Stage, filesystem: str, server: str = "vs1") -> dict[str, object]:
    """Return what status says of a filesystem that was found damaged; nothing if none was."""
    found = stage.status()["servers"][server]["filesystems"]
    return next(each["quarantine"] for each in found if each["name"] == filesystem) or {}


def is_over(stage: Stage, filesystem: str, server: str = "vs1") -> bool:
    return quarantine(stage, filesystem, server).get("stage") == "over" and stage.serving(server)
