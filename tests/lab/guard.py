"""Is a filesystem mounted on two nodes?

Asked all the time while a lab is up. A node's superblock on its own loop
device shows in /sys/fs/TYPE/loopN for as long as it lives, in whichever mount
namespace it hides; a node's mount table would not show those of its daemons,
and holding it open would keep the mounts of a dead node.
"""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path

from tests.lab.disk import Disk, Disks
from tests.lab.journal import Journal

TYPES = ("ext4", "xfs")
EVERY = 0.02
EVENT = "mounted-twice"


def mounted(disks: tuple[Disk, ...]) -> dict[str, frozenset[str]]:
    """Return the nodes on which each disk is mounted now."""
    live = {f"/dev/{each.name}" for type in TYPES for each in Path("/sys/fs").glob(f"{type}/loop*")}
    return {disk.name: frozenset(node for node, loop in disk.loops.items() if loop in live) for disk in disks}


def watch(disks: Disks, journal: Journal) -> None:
    """Write every double mount into the journal, for ever."""
    known: set[tuple[str, str, str]] = set()
    changed, table = None, disks.all()
    while True:
        now = disks.changed()
        if now != changed:
            changed, table = now, disks.all()
        seen = {
            (disk, one, other)
            for disk, nodes in mounted(table).items()
            for one, other in combinations(sorted(nodes), 2)
        }
        for disk, one, other in sorted(seen - known):
            journal.write(EVENT, one, f"disk {disk} is mounted on {one} and on {other}")
        known = seen
        time.sleep(EVERY)
