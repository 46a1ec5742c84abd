"""What does the file ask for that this version does not do?"""

from __future__ import annotations

from collections.abc import Iterator

from vsctl.cli.clusterfile.draft import Draft
from vsctl.cli.problems import Problem


def most_moves(draft: Draft) -> Iterator[Problem]:
    """Note a limit on moves that nobody heeds."""
    policy = draft.file.get("policy")
    balance = policy.get("balance") if policy else None
    limit = balance.get("max_moves") if balance else None
    if limit is not None:
        yield limit.advice(
            "max_moves is not carried out by this version: only ports are evened out, and all that gains enough "
            "moves at once"
        )


def disk_loads(draft: Draft) -> Iterator[Problem]:
    """Note an expected load that nothing counts."""
    for server, entry in draft.servers.items():
        load = entry.get("load")
        disk = load.get("disk") if load else None
        if disk is not None:
            yield disk.advice(f"the disk load of {server} is not counted by this version")


RULES = (most_moves, disk_loads)
