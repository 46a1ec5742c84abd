"""What does a program on a kernel NFS client live through when its virtual server moves?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


GRACE = 60
"""Seconds: a guest is slow, and this machine may be busy."""


@contextmanager
def option(lab: Lab, resource: str, name: str, value: str, *, meta: bool = False) -> Iterator[None]:
    """Have a resource's parameter be something else meanwhile."""
    of = ["crm_resource", "--resource", resource, *(["--meta"] if meta else [])]
    lab.any_node().run([*of, "--set-parameter", name, "--parameter-value", value])
    try:
        yield
    finally:
        lab.any_node().run([*of, "--delete-parameter", name])


def is_reclaiming(guest: Guest) -> bool:
    """Say whether the kernel of a guest is asking for its locks, by NFSv3."""
    return f"{ADDRESS}-recl" in guest.run(["sh", "-c", "cat /proc/[0-9]*/comm"]).output


def test_a_lock_is_had_again_though_its_filesystem_comes_later_than_its_server(
    server: Lab, guests: tuple[Guest, Guest]
) -> None:
    """Linux asks for it once: whatever it is told but that it has it is the end of that."""
    guest, rival = guests
    file = "/mnt/3/later"
    stage = Stage(server)
    server.wait(lambda: server.where("vs1-gate"), "vs1 serves", 60)
    with Holder(guest, file) as holder:
        holder.wait_for_progress()
        with ExitStack() as changes:
            with option(server, "vs1-exp-data", "target-role", "Stopped", meta=True):
                server.wait(lambda: server.where("vs1-exp-data") is None, "the export is away", 60)
                # The server starts anew for that.
                changes.enter_context(option(server, "vs1-nfs", "grace", str(GRACE)))
                server.wait(lambda: is_reclaiming(guest), "the guest asks for its lock, and waits", GRACE)
            holder.wait_for_progress()
            assert not rival.lock_is_free(file)
    assert holder.missing(rival) == []
    stage.settle()
