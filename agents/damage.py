"""Is a filesystem damaged, or is it only its storage that fails?

ext4 counts the errors that it finds, with the code of the first and the last:
codes of I/O are its storage's, which a repair does not mend. XFS says less: it
shuts itself down, whatever the reason, and calls parts of itself sick. So damage
is believed only where the device can be read and was not lost lately.

What a monitor asks is at the beginning, and imports nothing.
"""

from __future__ import annotations

from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from vsctl.agents.allowance import Allowance
    from vsctl.agents.mounts import Mount
    from vsctl.agents.quarantine import Record

EXT = ("ext2", "ext3", "ext4")
OF_DAMAGE = (5, 74, 117)
"""EIO, EBADMSG, EUCLEAN: what a shut down or damaged filesystem answers, and dead storage."""

_CORRUPTION = ("4", "5")
"""Codes of errors that ext4 keeps which are its own: EFSBADCRC, EFSCORRUPTED (EXT4_ERR_*, fs/ext4/ext4.h).

The others are of I/O, memory, space, or unknown: no check would mend their cause.
"""

BURST, INTERVAL = 10, 10.0
"""The kernel says no more than so many sentences of a kind in 5 s (linux/ratelimit_types.h), some of them before."""

_FSGEOMETRY, _GEOMETRY = 0x8100587E, 256
_SICK = 112
"""An ioctl of XFS, the size of what it fills in, and where it says what is sick (fs/xfs/libxfs/xfs_fs.h).

It answers from memory. That of an allocation group reads the device, and would wait for one that hangs.
"""


def noted(mount: Mount) -> str | None:
    """Return what an ext4 has noted of its own damage, None if that is nothing, or only errors of its storage."""
    if mount.type not in EXT:
        return None
    place = f"/sys/fs/ext4/{kernel_name(mount.device)}"
    try:
        count = _read(f"{place}/errors_count")
        if count == "0":
            return None
        first, last = (_error(place, each) for each in ("first", "last"))
        if is_of_storage(first, last):
            return None
        where = _read(f"{place}/last_error_func")
    except OSError:
        return None  # it is being unmounted
    return f"{mount.type} has found errors in itself ({count}, the last in {where})"


def is_of_storage(first: tuple[str, int], last: tuple[str, int]) -> bool:
    """Say whether the errors of an ext4 are its storage's, by code and time (seconds) of the first and the last.

    A journal that storage has stopped makes ext4 complain of itself at once, in the words of damage.
    """
    return first[0] not in _CORRUPTION and (last[0] not in _CORRUPTION or last[1] - first[1] <= WAKE)


def stopped_by_storage(mount: Mount) -> bool:
    """Say whether an ext4 has noted errors, all of which are its storage's."""
    try:
        return (
            mount.type in EXT
            and _read(f"/sys/fs/ext4/{kernel_name(mount.device)}/errors_count") != "0"
            and noted(mount) is None
        )
    except OSError:
        return False


def kernel_name(device: int) -> str:
    """Return what the kernel calls a block device: sdb1, dm-3."""
    place = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    try:
        return os.readlink(place).rpartition("/")[2]
    except OSError:
        return ""


def is_sick(directory: int) -> bool:
    """Say whether an XFS, of which a directory is open, has found anything wrong in what it used so far."""
    import fcntl

    whole = bytearray(_GEOMETRY)
    try:
        fcntl.ioctl(directory, _FSGEOMETRY, whole)
    except OSError:
        return False  # a kernel that does not say
    return bool(int.from_bytes(whole[_SICK : _SICK + 4], "little"))


def keeps_from_mounting(words: str, device: str, log: int | None) -> bool:
    """Say whether mount(8) could not mount a filesystem because of what is on the device, by what it has just said.

    EIO is what storage answers, too: then it counts what the kernel said meanwhile; `log` is its
    log, opened before.
    """
    from vsctl.agents import kernellog

    if any(each in words for each in ("Structure needs cleaning", "Bad message")):
        return True
    if "can't read superblock" not in words:
        return False
    if log is None:
        return True
    try:
        said, before = kernellog.read(log), kernellog.lately(INTERVAL)
    except OSError:
        return True
    return not is_storages(said, before, _made_of(device))


def is_storages(said: Collection[str], before: Collection[str], names: Collection[str]) -> bool:
    """Say whether one of some devices, by the kernel's names of them, has answered with an error.

    The kernel may have said so, or so much before of others that it says nothing of this
    one. But what XFS has read and found wrong was read.
    """
    if any(_is_wrong(each, name) for each in said for name in names):
        return False
    is_hoarse = sum(_of_block_layer(each, " error, dev ") for each in before) >= BURST
    return is_hoarse or any(_fails(each, name) for each in said for name in names)


def _is_wrong(said: str, name: str) -> bool:
    """Say whether a filesystem's own words are that what it has read, or where it was sent, is wrong."""
    found = said.startswith(f"XFS ({name}): Metadata ") and ("CRC error" in said or "corruption" in said)
    return found or ("beyond end of device" in said and name in said)


def _of_block_layer(said: str, words: str) -> bool:
    """Say whether a sentence has words that are the kernel's own: what filesystems say may quote names of files."""
    before, found, _ = said.partition(words)
    return bool(found) and "(" not in before


def _fails(said: str, name: str) -> bool:
    return any(
        _of_block_layer(said, each) for each in (f" error, dev {name}, ", f" error on dev {name}, ")
    ) or (
        said.startswith(f"XFS ({name}): ") and "I/O error" in said and said.endswith(("error 5", "error -5"))
    )


def _made_of(device: str) -> set[str]:
    """Return a device and all that it is made of, paths and disks, as the kernel calls them."""
    found: set[str] = set()
    rest = [os.path.basename(os.path.realpath(device))]
    while rest:
        name = rest.pop()
        found.add(name)
        place = os.path.realpath(f"/sys/class/block/{name}")
        if os.path.exists(f"{place}/partition"):
            rest.append(os.path.basename(os.path.dirname(place)))
        elif os.path.exists(f"{place}/slaves"):
            rest += os.listdir(f"{place}/slaves")
    return found


def report(server: str, filesystem: str, device: str, why: str, time_left: Allowance) -> str:
    """Put a damaged filesystem into quarantine in time; return the empty text, or why that was not done."""
    import time

    from vsctl.agents import background, mounts, names, quarantine

    seen = time.time()
    if unit := _lost_lately(device):
        return f"storage {unit} was lost here lately, which explains it"
    try:
        background.within(min(PATIENCE, time_left.left / 2), lambda: mounts.read(device))
    except OSError as problem:
        return f"{device} cannot be read here: {problem.strerror or problem}"
    try:
        record = quarantine.read(server, filesystem, time_left)
        if record.get("stage") in (quarantine.REPAIR, quarantine.PERSON):
            return ""
        if record.get("ended", 0) >= seen:
            return ""  # what was seen has been repaired meanwhile
        record = found(record, names.this_node(), why, time.time())
        quarantine.write(server, filesystem, record, time_left)
    except quarantine.Unknown as problem:
        return str(problem)
    return ""


WAKE = 60
"""Seconds after an error of storage in which what else ext4 finds is its doing."""
PATIENCE = 5.0
"""Seconds for a device to be read, or half of what the action has left: the cluster has the rest."""
LATELY = 600.0
"""Seconds after the loss of a storage unit, and after its end, in which it is blamed."""


def found(record: Record, node: str, why: str, now: float) -> Record:
    """Return the record of a filesystem that has just been found damaged; `record` is of the last time."""
    before = {name: record[name] for name in ("ended", "result") if name in record}
    return {
        "stage": "repair",
        "since": round(now),
        "node": node,
        "why": why,
        **({"before": before} if before and not record.get("asked") else {}),
    }


def _lost_lately(device: str) -> str:
    """Return the storage unit of a device if the node daemon has missed it within the last ten minutes."""
    import json
    import time

    from vsctl.agents import files, resident

    try:
        units = json.loads(files.read(resident.STATE) or "{}").get("storage", {})
    except ValueError:
        return ""
    device, long_ago = os.path.realpath(device), time.monotonic() - LATELY
    for name, unit in units.items():
        # `good` tells nothing: it is false for hours where a unit that answers is held back after a boot.
        ended = [unit["since"]] if unit["losses"] else []
        lost = unit["works"] is False or any(each > long_ago for each in (*unit["losses"], *ended))
        if lost and device in map(os.path.realpath, unit["devices"]):
            return str(name)
    return ""


def _error(place: str, which: str) -> tuple[str, int]:
    """Return the code of ext4's first or last error, and when it was, in seconds since the epoch."""
    return _read(f"{place}/{which}_error_errcode"), int(_read(f"{place}/{which}_error_time"))


def _read(file: str) -> str:
    with open(file) as text:
        return text.read().strip()
