"""What does a program on a kernel NFS client live through when its virtual server moves?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.guest import Guest, Holder
from tests.lab.lab import Lab
from tests.lab.stage import Stage, cluster_file

pytestmark = pytest.mark.full

ADDRESS = "192.0.2.11"
EXPORT = "/data/projects"
VERSIONS = ("3", "4.0", "4.1")

SERVERS = """
vs1:
  home: n1
  addresses: [192.0.2.11/24]
  filesystems:
    root:
    data: {exports: [{nfs: {path: /projects, clients: {192.0.2.0/24: rw}}}]}
"""


@pytest.fixture(scope="module")
def server(lab: Lab) -> Lab:
    """A lab in which vs1 serves."""
    Stage(lab).apply(cluster_file(lab, SERVERS))
    return lab


@pytest.fixture(scope="module")
def guests(server: Lab) -> Iterator[tuple[Guest, Guest]]:
    """Two machines, each with the export mounted by every version, in /mnt/VERSION."""
    with ExitStack() as stack:
        plugs = (("k1", 250), ("k2", 251))
        pair = [stack.enter_context(Guest.on(server, "lan-a", name, host)) for name, host in plugs]
        for guest in pair:
            for version in VERSIONS:
                guest.mount(f"{ADDRESS}:{EXPORT}", f"vers={version}", f"/mnt/{version}")
        yield pair[0], pair[1]


def kill_its_node(lab: Lab, node: str) -> None:
    lab.kill(node)


def move(lab: Lab, node: str) -> None:
    other = next(each for each in lab.nodes_on if each.name != node)
    other.run(["vsctl", "move", "vs1", other.name, "--wait"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what_happens", [kill_its_node, move])
def test_an_open_locked_file_survives(
    server: Lab,
    guests: tuple[Guest, Guest],
    version: str,
    what_happens: Callable[[Lab, str], None],
    record_property: Any,
) -> None:
    guest, rival = guests
    file = f"/mnt/{version}/{what_happens.__name__}-{version}"
    before = server.wait(lambda: server.where("vs1-gate"), "vs1 serves", 60)
    with Holder(guest, file) as holder:
        holder.wait_for_progress()
        assert not rival.lock_is_free(file)
        what_happens(server, before)
        holder.wait_for_progress()
        assert not rival.lock_is_free(file)
    assert server.where("vs1-net") not in (before, None)
    report = holder.report()
    record_property("gap", report.longest_gap)
    assert not report.errors, str(report)
    assert holder.missing(rival) == []
    assert rival.lock_is_free(file)
