"""How long does damage stay unnoticed, and how long are clients without what is damaged?

ext4 and XFS, each by what they announce and by a directory that is really corrupt when somebody reads it. Ours
only: the stock Filesystem agent repairs nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from tests.bench.sides import lab_name
from tests.bench.table import Row, Table
from tests.lab.clients import Client
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
    other: {exports: [{nfs: {path: /other, clients: {192.0.2.0/24: rw}}}]}
"""
_WAYS: dict[str, tuple[str, Callable[[Stage], float]]] = {
    "ext4 says that it has found an error": ("data", lambda it: break_ext4(it.lab, "n1", "vs1-data")),
    "ext4 reads a corrupt directory": ("data", lambda it: corrupt_directory(it, "vs1", "data", "ext4")),
    "XFS has shut itself down": ("spare", lambda it: shut_xfs_down(it.lab, "n1", "vs1", "spare")),
    "XFS reads a corrupt directory": ("spare", lambda it: corrupt_directory(it, "vs1", "spare", "xfs")),
}
_PARTS = ("noticed", "stopped", "served again")
OTHERS, NEXT = "NFS client of another filesystem, longest pause", "the same, longest pause but one"
_TARGETS = {"noticed": "<= 2", OTHERS: "<= 1", NEXT: "<= 0.2"}


def measure(trials: int) -> Table:
    values: dict[str, list[float]] = defaultdict(list)
    with Lab(3, name=lab_name()) as lab:
        stage = Stage(lab)
        stage.become(cluster_file(lab, _SERVERS))
        for _ in range(trials):
            for what, (filesystem, damage) in _WAYS.items():
                for which, seconds in _lived_through(stage, filesystem, damage):
                    values[f"{what}: {which}" if which in _PARTS else which].append(seconds)
        lab.check()
    return Table(
        "A filesystem is damaged: seconds from the damage",
        "vsctl",
        "",
        tuple(
            Row(what, "s", tuple(found), (), _TARGETS.get(what.rpartition(": ")[2], ""))
            for what, found in values.items()
        ),
        (
            f"{trials} trials of each, in turn, three nodes.",
            "noticed: the cluster's configuration has it, by the diary of the node daemon.",
        ),
    )


def _lived_through(
    stage: Stage, filesystem: str, damage: Callable[[Stage], float]
) -> Iterator[tuple[str, float]]:
    """Damage a filesystem of vs1, wait until it is served again, and yield what that took."""
    other = Client(stage.lab.client("c1"), "nfs", "192.0.2.11", "/other/other", "--every", "0.05")
    with other:
        other.wait_for_progress()
        since = damage(stage)
        seen = course(stage, "vs1", filesystem, since)
        yield "noticed", seen.noticed
        yield "stopped", seen.blocked
        _await_end(stage, filesystem)
        yield "served again", now() - since
        other.wait_for_progress()
    *_, longest_but_one, longest = sorted(length for _, length in other.report().gaps)
    yield OTHERS, longest
    yield NEXT, longest_but_one
    # What is damaged again within a day waits for a person, unless one has asked for the last repair.
    stage.vsctl("repair", f"vs1/{filesystem}", "--yes", "--wait")
    _await_end(stage, filesystem)


def _await_end(stage: Stage, filesystem: str) -> None:
    stage.lab.wait(lambda: is_over(stage, filesystem), f"{filesystem} is repaired, and served", 120)
