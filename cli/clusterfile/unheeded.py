"""What does the file ask for that this version does not do?"""

from __future__ import annotations

from collections.abc import Iterator

from vsctl.cli.clusterfile.draft import Draft
from vsctl.cli.problems import Problem
from vsctl.policy.model import RepairMode


def repairs(draft: Draft) -> Iterator[Problem]:
    """Note a repair that nobody carries out."""
    policy = draft.file.get("policy")
    repair = policy.get("repair") if policy else None
    if repair is None:
        return
    if repair.plain("mode", RepairMode.OFF.value) != RepairMode.OFF.value or repair.plain("keep_image"):
        yield repair.advice(
            "repair is not carried out by this version: a damaged filesystem is reported by its monitor, and nobody "
            "checks or repairs it but you"
        )


def disk_loads(draft: Draft) -> Iterator[Problem]:
    """Note an expected load that nothing counts."""
    for server, entry in draft.servers.items():
        load = entry.get("load")
        disk = load.get("disk") if load else None
        if disk is not None:
            yield disk.advice(f"the disk load of {server} is not counted by this version")


RULES = (repairs, disk_loads)
