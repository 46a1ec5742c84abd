"""Does a kernel NFS client tell the truth? Against a server started by hand, which can be made to forget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.guest import Guest, Holder
from tests.lab.lab import Lab
from tests.lab.machine import Machine

pytestmark = pytest.mark.full

ADDRESS = "192.0.2.101"
RECOVERY = "/mnt/ganesha"
VERSIONS = {"3": "/mnt/share", "4.0": "/share", "4.1": "/share", "4.2": "/share"}
"""What to mount by each version of NFS."""

GANESHA = f"""
NFS_CORE_PARAM {{ Protocols = 3, 4; Enable_NLM = true; Enable_RQUOTA = false; }}
NFSV4 {{ Grace_Period = 10; Lease_Lifetime = 5; RecoveryRoot = {RECOVERY}; RecoveryBackend = fs; }}
EXPORT {{
    Export_Id = 1; Path = /mnt/share; Pseudo = /share; Access_Type = RW; Squash = No_Root_Squash;
    Filesystem_Id = 1.1; FSAL {{ Name = VFS; }}
}}
"""


@pytest.fixture(scope="module")
def lab_settings() -> dict[str, Any]:
    return {"nodes": 1}


@pytest.fixture(scope="module")
def server(lab: Lab) -> Machine:
    """n1, with a disk on /mnt, Ganesha, and what NFSv3 locks need."""
    node = lab.node("n1")
    node.run(["mount", lab.disk("served").device, "/mnt"])
    node.run(["mkdir", "-p", "/mnt/share", RECOVERY])
    node.write("/etc/ganesha/ganesha.conf", GANESHA)
    # sm-notify speaks only for an address that has a name.
    node.write("/etc/hosts", f"{node.path('/etc/hosts').read_text()}{ADDRESS} server\n")
    node.run(["rpcbind", "-w"])
    node.run(["rpc.statd", "--no-notify"])
    start(node)
    return node


@pytest.fixture(scope="module")
def guests(lab: Lab, server: Machine) -> Iterator[tuple[Guest, Guest]]:
    """Two machines, each with the export mounted by every version, in /mnt/VERSION."""
    with ExitStack() as stack:
        plugs = (("k1", 250), ("k2", 251))
        pair = [stack.enter_context(Guest.on(lab, "lan-a", name, host)) for name, host in plugs]
        for guest in pair:
            for version, path in VERSIONS.items():
                guest.mount(f"{ADDRESS}:{path}", f"vers={version}", f"/mnt/{version}")
        yield pair[0], pair[1]


def start(node: Machine) -> None:
    node.run(["mkdir", "-p", "/var/run/ganesha"])
    node.spawn(["ganesha.nfsd", "-F", "-L", "/var/log/ganesha.log"])


def crash(lab: Lab, node: Machine) -> None:
    node.run(["pkill", "-KILL", "ganesha.nfsd"])
    lab.wait(lambda: node.run(["pgrep", "ganesha.nfsd"], check=False).returncode, "Ganesha has ended")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_open_locked_file_survives_a_killed_server(
    lab: Lab, server: Machine, guests: tuple[Guest, Guest], version: str, record_property: Any
) -> None:
    guest, rival = guests
    file = f"/mnt/{version}/survives-{version}"
    with Holder(guest, file) as holder:
        holder.wait_for_progress()
        crash(lab, server)
        start(server)
        if version == "3":
            server.run(["sm-notify", "-f", "-v", ADDRESS])
        holder.wait_for_progress()
        assert not rival.lock_is_free(file)
    report = holder.report()
    record_property("gap", report.longest_gap)
    assert not report.errors, str(report)
    assert 0.1 < report.longest_gap < 10
    assert holder.missing(rival) == []
    assert rival.lock_is_free(file)


@pytest.mark.parametrize("version", ["4.0", "4.1", "4.2"])
def test_a_lock_that_the_server_has_forgotten_is_an_error(
    lab: Lab, server: Machine, guests: tuple[Guest, Guest], version: str
) -> None:
    with Holder(guests[0], f"/mnt/{version}/forgotten-{version}") as holder:
        holder.wait_for_progress()
        crash(lab, server)
        server.run(["find", RECOVERY, "-mindepth", "1", "-delete"])
        start(server)
        lab.wait(lambda: holder.report().errors, "the holder tells of its lost lock", 60)
    assert "EIO" in holder.report().errors[0].text


def test_an_nfs3_lock_whose_holder_is_not_told_of_the_crash_is_free(
    lab: Lab, server: Machine, guests: tuple[Guest, Guest]
) -> None:
    guest, rival = guests
    with Holder(guest, "/mnt/3/untold") as holder:
        holder.wait_for_progress()
        crash(lab, server)
        start(server)
        holder.wait_for_progress()
        assert rival.lock_is_free("/mnt/3/untold")


def test_a_record_that_is_gone_is_found(server: Machine, guests: tuple[Guest, Guest]) -> None:
    guest, rival = guests
    with Holder(guest, "/mnt/4.1/spoilt") as holder:
        holder.wait_for_progress()
    server.run(["dd", "if=/dev/zero", "of=/mnt/share/spoilt", "bs=64", "seek=3", "count=1", "conv=notrunc"])
    assert holder.missing(rival) == [3]


def test_a_command_that_does_not_end_is_ended(guests: tuple[Guest, Guest]) -> None:
    with pytest.raises(Exception, match=r"k1: sleep 60 did not end in 0\.5 s"):
        guests[0].run(["sleep", "60"], 0.5)
    assert guests[0].check(["hostname"]) == "k1\n"
