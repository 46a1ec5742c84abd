"""What a repair makes of what the checkers answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vsctl.agents import checking, damage, kernellog, progress, quarantine, repairing
from vsctl.agents.checking import CLEAN, LOOK, MEND, PERSON, REPAIRED
from vsctl.agents.noded.damages import complained

DEVICE = "/dev/disk1"


class Checkers:
    """Answers commands in turn, and refuses what was not foretold."""

    def __init__(self, *foretold: tuple[str, int]) -> None:
        self.foretold = list(foretold)

    def run(self, _: str, command: list[str]) -> int:
        expected, status = self.foretold.pop(0)
        assert " ".join(command).replace(f" {DEVICE}", "") == expected
        return status


ONCE = [("xfs_repair -e", 4), ("xfs_repair -n", 1)]
"""One repair has left something to be repaired."""
REPLAY = " ".join(checking.replay(DEVICE)).replace(f" {DEVICE}", "")


@pytest.mark.parametrize(
    ("type", "mode", "foretold", "result"),
    [
        ("ext4", MEND, [("e2fsck -f -p", 0)], CLEAN),
        ("ext4", MEND, [("e2fsck -f -p", 1)], REPAIRED),
        ("ext4", MEND, [("e2fsck -f -p", 4), ("e2fsck -f", 1), ("e2fsck -f -p", 0)], REPAIRED),
        ("ext4", MEND, [("e2fsck -f -p", 4), ("e2fsck -f", 1), ("e2fsck -f -p", 4)], PERSON),
        ("ext4", MEND, [("e2fsck -f -p", 4), ("e2fsck -f", 5)], PERSON),
        ("ext4", MEND, [("e2fsck -f -p", 8), ("e2fsck -f", 8)], PERSON),
        ("ext4", MEND, [("e2fsck -f -p", -9)], PERSON),
        ("ext4", MEND, [("e2fsck -f -p", 32)], PERSON),
        ("ext4", MEND, [("e2fsck -f -p", 127)], PERSON),
        ("ext4", MEND, [("e2fsck -f -p", 8), ("e2fsck -f", 1), ("e2fsck -f -p", 0)], REPAIRED),
        (
            "ext4",
            LOOK,
            [("e2fsck -p -E journal_only", 0), ("e2fsck -f -n", 0), ("e2fsck -f -p", 0)],
            CLEAN,
        ),
        ("ext4", LOOK, [("e2fsck -p -E journal_only", 0), ("e2fsck -f -n", 4)], PERSON),
        ("xfs", MEND, [("xfs_repair -e", 0)], CLEAN),
        ("xfs", MEND, [("xfs_repair -e", 4), ("xfs_repair -n", 0)], REPAIRED),
        ("xfs", MEND, [*ONCE, ("xfs_repair -e", 4), ("xfs_repair -n", 0)], REPAIRED),
        ("xfs", MEND, [*ONCE, ("xfs_repair -e", 4), ("xfs_repair -n", 1)], PERSON),
        ("xfs", MEND, [*ONCE, ("xfs_repair -e", 1)], PERSON),
        ("xfs", MEND, [("xfs_repair -e", 1)], PERSON),
        ("xfs", MEND, [("xfs_repair -e", 2), (REPLAY, 0), ("xfs_repair -e", 0)], CLEAN),
        ("xfs", MEND, [("xfs_repair -e", 2), (REPLAY, 32)], PERSON),
        ("xfs", LOOK, [(REPLAY, 0), ("xfs_repair -n", 0)], CLEAN),
        ("xfs", LOOK, [(REPLAY, 0), ("xfs_repair -n", 1)], PERSON),
        ("btrfs", MEND, [], PERSON),
    ],
)
def test_the_exit_status_decides(type: str, mode: str, foretold: list[tuple[str, int]], result: str) -> None:
    checkers = Checkers(*foretold)
    found = checking.check(type, DEVICE, mode, checkers.run)
    assert (found.result, checkers.foretold) == (result, [])
    assert bool(found.advice) is (result == PERSON), "who is needed is told what to do"


@pytest.mark.parametrize(
    ("first", "last", "storage"),
    [
        (("2", 100), ("2", 100), True),
        (("2", 100), ("5", 101), True),
        (("2", 100), ("5", 500), False),
        (("5", 100), ("2", 101), False),
        (("5", 100), ("5", 100), False),
    ],
)
def test_what_storage_has_stopped_is_not_called_damaged(
    first: tuple[str, int], last: tuple[str, int], storage: bool
) -> None:
    assert damage.is_of_storage(first, last) is storage


def test_nothing_is_repaired_whose_metadata_could_not_be_saved() -> None:
    saved = Checkers((f"xfs_metadump {DEVICE} /image".replace(f" {DEVICE}", ""), 0))
    assert checking.save("xfs", DEVICE, "/image", saved.run) is None
    unsaved = checking.save("ext4", DEVICE, "/image", Checkers(("e2image -Q /image", 1)).run)
    assert unsaved is not None and unsaved.result == PERSON


@pytest.mark.parametrize(
    ("said", "percent"),
    [("", None), ("1 1 2 /dev/x\n", 35), ("1 2 2 /dev/x\n2 5 10 /dev/x\n3 1", 80), ("5 8 8 /dev/x\n", 100), ("nonsense\n", None)],
)  # fmt: skip
def test_how_far_e2fsck_is(said: str, percent: int | None) -> None:
    assert progress.of_e2fsck(said) == percent


def test_how_far_xfs_repair_is() -> None:
    assert progress.of_xfs_repair("") is None
    assert (
        progress.of_xfs_repair("Phase 1 - x\n   - y\nPhase 4 - check for duplicate blocks...\n   - z") == 43
    )


def test_a_record_says_whether_it_was_repaired_before() -> None:
    repaired = {"stage": "over", "ended": 5, "result": "repaired", "why": "old"}
    assert damage.found({}, "n1", "new", 7.4) == {"stage": "repair", "since": 7, "node": "n1", "why": "new"}
    assert damage.found(repaired, "n1", "new", 7)["before"] == {"ended": 5, "result": "repaired"}
    assert "before" not in damage.found({**repaired, "asked": True}, "n1", "new", 7), "an operator saw to it"


def test_only_constraints_that_exist_are_changed() -> None:
    there = frozenset({"vsctl-quarantine-vs1.data"})
    xml = quarantine.change("vs1", "data", {"stage": "repair", "why": 'a "Ä" <b>'}, there)
    assert "vsctl-repair-vs1.data" not in xml
    assert '<rule id="vsctl-quarantine-vs1.data.rule" score="-INFINITY" />' in xml
    assert xml.isascii(), "Pacemaker 2.1.5 does not write other letters back as it read them"


@pytest.mark.parametrize(
    ("record", "device"),
    [
        ("3,1,2,-;XFS (dm-3): Metadata corruption detected at xfs_dir3_block_verify\n", "dm-3"),
        ("3,1,2,-;XFS (sdb): Metadata CRC error detected at xfs_dir3_data_read_verify+0x71/0x100\n", "sdb"),
        ("3,1,2,-;XFS (sdb1): Corruption of in-memory data (0x8) detected\n SUBSYSTEM=block\n", "sdb1"),
        ("3,1,2,-;XFS (sdb1): Mounting V5 Filesystem\n", None),
        ("3,1,2,-;EXT4-fs error (device sdb1): corruption\n", None),
        ("", None),
    ],
)
def test_of_which_device_the_kernel_complains(record: str, device: str | None) -> None:
    assert complained(kernellog.sentence(record)) == device


@pytest.mark.parametrize(
    ("said", "storages"),
    [
        (["I/O error, dev sdb, sector 2 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2"], True),
        (["blk_update_request: critical medium error, dev sdc, sector 2"], True),
        (["Buffer I/O error on dev dm-3, logical block 1, async page read"], True),
        (['XFS (dm-3): metadata I/O error in "xfs_read_agf+0x7/0x1" at daddr 0x1 len 1 error 5'], True),
        (['XFS (dm-3): metadata I/O error in "xfs_read_agf+0x7/0x1" at daddr 0x1 len 1 error 117'], False),
        (["XFS (dm-3): Metadata CRC error detected at xfs_agf_read_verify+0x1/0x2"], False),
        (["I/O error, dev sdbc, sector 2", "I/O error, dev sdb1, sector 2"], False),
        (
            [
                "mount: attempt to access beyond end of device\\x0adm-3: rw=0",
                "Buffer I/O error on dev dm-3, ",
            ],
            False,
        ),
        (["EXT4-fs error (device dm-3): ext4_lookup: 'x error, dev sdb, y' linked to parent dir"], False),
        ([], False),
    ],
)
def test_whose_fault_an_error_of_a_mount_is(said: list[str], storages: bool) -> None:
    """dm-3 is made of sdb and sdc."""
    assert damage.is_storages(said, [], {"dm-3", "sdb", "sdc"}) is storages


def test_a_kernel_that_has_said_much_may_say_no_more() -> None:
    much = [f"I/O error, dev loop7, sector {each}" for each in range(damage.BURST)]
    assert damage.is_storages([], much, {"dm-3"})
    assert not damage.is_storages([], much[1:], {"dm-3"})
    found = "XFS (dm-3): Metadata corruption detected at xfs_agf_read_verify+0x1/0x2"
    assert not damage.is_storages([found], much, {"dm-3"}), "it was read"


UNREAD = "mount: /mnt: can't read superblock on /dev/sdz9."


@pytest.mark.parametrize(
    ("words", "of_kernel", "unmountable"),
    [
        (UNREAD, "3,1,2,-;I/O error, dev sdz9, sector 2 op 0x0:(READ)\n", False),
        (UNREAD, "3,1,2,-;XFS (sdz9): Metadata CRC error detected at xfs_agf_read_verify+0x1/0x2\n", True),
        (UNREAD, "", True),
        ("mount: /mnt: mount(2) system call failed: Structure needs cleaning.", "", True),
        ("mount: /mnt: wrong fs type, bad option, bad superblock on /dev/sdz9, missing codepage", "", True),
        ("mount: /mnt: /dev/sdz9 already mounted or mount point busy.", "", False),
    ],
)
def test_a_log_is_called_lost_only_where_the_device_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, of_kernel: str, unmountable: bool
) -> None:
    log = tmp_path / "kmsg"
    os.mkfifo(log)
    monkeypatch.setattr(kernellog, "_LOG", str(log))
    ours = os.open(log, os.O_RDWR | os.O_NONBLOCK)
    os.write(ours, of_kernel.encode())
    try:
        assert repairing.is_unmountable(words, "/dev/sdz9", ours) is unmountable
    finally:
        os.close(ours)
