"""The names of docs/contracts.md."""

from __future__ import annotations

from pathlib import Path

from vsctl.cli import clusterfile
from vsctl.policy import naming
from vsctl.policy.exportid import FIRST, LAST, next_free

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "nas1.yaml"


def test_the_ids_of_the_example() -> None:
    cluster, _ = clusterfile.load(str(EXAMPLE))
    assert cluster is not None
    assert " ".join(naming.of_cluster(cluster)).split() == [
        *["vs1", "vs1-net", "vs1-fs-root", "vs1-fs-data", "vs1-vip-lan-a", "vs1-vip-lan-b"],
        *["vs1-nfs", "vs1-smb", "vs1-exp-data", "vs1-shr-data", "vs1-gate"],
        *["vs2", "vs2-net", "vs2-fs-root", "vs2-vip-lan-a", "vs2-smb", "vs2-shr-root", "vs2-gate"],
        *["vs3", "vs3-net", "vs3-fs-root", "vs3-vip-lan-b", "vs3-nfs", "vs3-exp-root", "vs3-gate"],
        *["fence-n1", "fence-n2", "fence-n3", "vsctl-daemon-clone", "vsctl-daemon"],
        *["vsctl-router-clone", "vsctl-router"],
        "vsctl-balancer",
    ]


def test_fencing_devices_are_numbered_where_there_are_several() -> None:
    assert naming.fences("n1", [1]) == (("fence-n1",),)
    assert naming.fences("n1", [1, 2]) == (("fence-n1-1-1",), ("fence-n1-2-1", "fence-n1-2-2"))


def test_long_names_are_shortened_the_same_way_for_ever() -> None:
    assert naming.netbios("vs1") == "VS1"
    assert naming.netbios("engineering-europe") == "ENGINE-D07CD0DD"
    assert len(naming.netbios("engineering-europe")) == 15


def test_what_is_kept() -> None:
    assert naming.is_reserved("vsctl") and naming.is_reserved("vsctl-x")
    assert not naming.is_reserved("vsctlx")


def test_the_next_free_number_goes_round() -> None:
    assert next_free(LAST, {LAST}) == FIRST
    assert next_free(7, {7, 8}) == 9
