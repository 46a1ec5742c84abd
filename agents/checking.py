"""Which checker does a filesystem need, and what does its answer mean?

e2fsck(8) and xfs_repair(8) answer with their exit status, which decides: clean,
repaired, or a person is needed. Whoever calls says how a command is run; nothing
here touches a device by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CLEAN, REPAIRED, PERSON = "clean", "repaired", "person"

LOOK, MEND = "check", "auto"
"""Look, after the journal or log has been replayed as every mount does, or repair as well: `policy.repair.mode`."""

_MENDED = 1 | 2
"""Bits of e2fsck's exit status that mean success: errors were corrected, and so that a reboot is due."""
_LEFT = 4 | 8
"""Those that say that `-p` left errors, or could not begin, as without a superblock: they may be answered yes."""
_DIRTY_LOG, _XFS_REPAIRED = 2, 4
"""Of xfs_repair's, with -e."""


@dataclass(frozen=True)
class Result:
    """What came of it, in a word and in a sentence; `advice` is what a person can run next, where one is needed."""

    result: str
    said: str
    advice: str = ""


Run = Callable[[str, list[str]], int]
"""Runs a command to its end and returns its exit status; the first argument says what it is about."""


def check(type: str, device: str, mode: str, run: Run) -> Result:
    """Check a filesystem, and with MEND repair it."""
    if type in ("ext2", "ext3", "ext4"):
        return _ext4(device, mode, run)
    if type == "xfs":
        return _xfs(device, mode, run)
    return Result(
        PERSON, f"vsctl repairs ext4 and XFS, and this is {type}", f"the checker of {type} on {device}"
    )


def save(type: str, device: str, image: str, run: Run) -> Result | None:
    """Save what the filesystem says of itself, without what is in files; None if that was done."""
    command = ["xfs_metadump", device, image] if type == "xfs" else ["e2image", "-Q", device, image]
    status = run("saving the metadata", command)
    if status == 0:
        return None
    return Result(
        PERSON,
        f"its metadata could not be saved first ({command[0]} exited {status}), so nothing was repaired",
        "make room for it, or say `keep_image: false`",
    )


def _ext4(device: str, mode: str, run: Run) -> Result:
    by_hand = f"e2fsck -f {device}"
    if mode == LOOK:
        run("replaying the journal", ["e2fsck", "-p", "-E", "journal_only", device])
        status = run("looking", ["e2fsck", "-f", "-n", device])
        if status != 0:
            return Result(PERSON, _found("e2fsck", status), by_hand)
        # It is clean, and only its own note of the error is left, which makes the next mount suspect.
        status = run("clearing the note of the error", ["e2fsck", "-f", "-p", device])
        return Result(CLEAN, "nothing is wrong with it") if status == 0 else _undecided(status, by_hand)
    status = run("checking", ["e2fsck", "-f", "-p", device])
    if status == 0:
        return Result(CLEAN, "nothing was wrong with it, or its journal has mended it")
    if not status & ~_MENDED:
        return Result(REPAIRED, "it is repaired: see the log for what was wrong")
    if status < 0 or status & ~(_MENDED | _LEFT):
        return _undecided(
            status, by_hand
        )  # it was not the filesystem that stopped it: nothing may be answered yes
    # Not -y, which is said to errors of the device as well: whoever runs this says yes to the others.
    status = run("repairing", ["e2fsck", "-f", device])
    if not status & ~_MENDED:
        status = run("checking again", ["e2fsck", "-f", "-p", device])
        if not status & ~_MENDED:
            return Result(
                REPAIRED, "it is repaired: see the log for what was wrong, and lost+found for what was found"
            )
    return _undecided(status, by_hand)


def _undecided(status: int, by_hand: str) -> Result:
    return Result(PERSON, f"e2fsck could not repair it (exit status {status})", by_hand)


def _found(program: str, status: int) -> str:
    return f"{program} found damage (exit status {status}), and was only to look"


def _xfs(device: str, mode: str, run: Run) -> Result:
    look, mend = ["xfs_repair", "-n", device], ["xfs_repair", "-e", device]
    if mode == LOOK:
        # Without that it would find what the log still mends.
        if run(REPLAYING, replay(device)) != 0:
            return _unmountable(device)
        status = run("looking", look)
        return (
            Result(CLEAN, "nothing is wrong with it")
            if status == 0
            else Result(PERSON, _found("xfs_repair", status), f"xfs_repair {device}")
        )
    status = run("repairing", mend)
    if status == _DIRTY_LOG:
        if run(REPLAYING, replay(device)) != 0:
            return _unmountable(device)
        status = run("repairing", mend)
    if status == 0:
        return Result(CLEAN, "nothing was wrong with it, or its log has mended it")
    is_sound = status == _XFS_REPAIRED and run("checking again", look) == 0
    if status == _XFS_REPAIRED and not is_sound:
        # It leaves a wrong count of links where it has thrown a directory block away (6.1): the next run mends that.
        status = run("repairing again", mend)
        is_sound = status in (0, _XFS_REPAIRED) and run("checking again", look) == 0
    if is_sound:
        return Result(
            REPAIRED, "it is repaired: see the log for what was wrong, and lost+found for what was found"
        )
    return Result(PERSON, f"xfs_repair could not repair it (exit status {status})", f"xfs_repair -n {device}")


REPLAYING = "replaying the log"


def replay(device: str) -> list[str]:
    """Return the command that mounts an XFS where nobody sees it, which replays its log, and unmounts it by ending."""
    return ["unshare", "--mount", "--propagation", "private", "mount", "-t", "xfs", device, "/mnt"]


def _unmountable(device: str) -> Result:
    return Result(
        PERSON,
        "its log cannot be replayed, and a repair without that loses the last changes",
        f"xfs_repair -L {device}, which gives them up",
    )
