"""What does the file ask for that this version does not do?"""

from __future__ import annotations

from collections.abc import Iterator

from vsctl.cli.clusterfile.draft import Draft
from vsctl.cli.problems import Problem


def disk_loads(draft: Draft) -> Iterator[Problem]:
    """Note an expected load that nothing counts."""
    for server, entry in draft.servers.items():
        load = entry.get("load")
        disk = load.get("disk") if load else None
        if disk is not None:
            yield disk.advice(f"the disk load of {server} is not counted by this version")


RULES = (disk_loads,)
