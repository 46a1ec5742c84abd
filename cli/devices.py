"""Do two names of devices lead to one device?

Seen from the node on which vsctl runs, where the disks that all nodes share are.
"""

from __future__ import annotations

from collections.abc import Iterator

from vsctl.agents import mounts
from vsctl.policy.model import Cluster


def used_twice(cluster: Cluster) -> Iterator[str]:
    """Yield a sentence for every device that two filesystems claim; what is not there is somewhere else."""
    first: dict[int, str] = {}
    for server in cluster.servers:
        for each in server.filesystems:
            try:
                number = mounts.number(each.device)
            except OSError:
                continue
            here = f"{server.name}/{each.name} ({each.device})"
            if first.setdefault(number, here) != here:
                yield (
                    f"{first[number]} and {here} are the same device, which two nodes could mount at once: give "
                    "every filesystem a device of its own"
                )
