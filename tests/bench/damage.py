"""How long does damage stay unnoticed, and how long are clients without what is damaged?

ext4 and XFS, each by what they announce and by a directory that is really corrupt when somebody reads it. Ours
only: the stock Filesystem agent repairs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from tests.bench.sides import lab_name
from tests.bench.table import Row, Table
from tests.lab.lab import Lab
from tests.lab.stage import Stage, cluster_file, now
from tests.requirements.damaged import break_ext4, corrupt_directory, course, is_over, shut_xfs_down

_SERVERS = """
vs1:
  home: n1
  addresses: [192.0.2.11/24]
  filesystems:
    root:
    data: {exports: [{nfs: {path: /projects, clients: {192.0.2.0/24: rw}}}]}
    spare: {type: xfs, exports: [{nfs: {path: /media, clients: {192.0.2.0/24: rw}}}]}
"""
_WAYS: dict[str, tuple[str, Callable[[Stage], float]]] = {
    "ext4 says that it has found an error": ("data", lambda it: break_ext4(it.lab, "n1", "vs1-data")),
    "ext4 reads a corrupt directory": ("data", lambda it: corrupt_directory(it, "vs1", "data", "ext4")),
    "XFS has shut itself down": ("spare", lambda it: shut_xfs_down(it.lab, "n1", "vs1", "spare")),
    "XFS reads a corrupt directory": ("spare", lambda it: corrupt_directory(it, "vs1", "spare", "xfs")),
}


def measure(trials: int) -> Table:
    values: dict[str, list[float]] = defaultdict(list)
    with Lab(3, name=lab_name()) as lab:
        stage = Stage(lab)
        stage.become(cluster_file(lab, _SERVERS))
        for _ in range(trials):
            for what, (filesystem, damage) in _WAYS.items():
                since = damage(stage)
                seen = course(stage, "vs1", filesystem, since)
                lab.wait(lambda it=filesystem: is_over(stage, it), f"{filesystem} is repaired", 120)  # type: ignore[misc]
                values[f"{what}: noticed"].append(seen.noticed)
                values[f"{what}: stopped"].append(seen.blocked)
                values[f"{what}: served again"].append(now() - since)
                # What is damaged again within a day waits for a person, unless one has asked for the last repair.
                stage.vsctl("repair", f"vs1/{filesystem}", "--yes", "--wait")
                lab.wait(lambda it=filesystem: is_over(stage, it), f"{filesystem} is served", 120)  # type: ignore[misc]
        lab.check()
    return Table(
        "A filesystem is damaged: seconds from the damage",
        "vsctl",
        "",
        tuple(
            Row(what, "s", tuple(found), (), "<= 2" if what.endswith("noticed") else "")
            for what, found in values.items()
        ),
        (
            f"{trials} trials of each, in turn; noticed: the daemon has it in the cluster's configuration, by its diary.",
        ),
    )
