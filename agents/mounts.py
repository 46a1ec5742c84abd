"""What is mounted where, and what lies on a device?

Read from the kernel and from the disk, without a fork.
"""

from __future__ import annotations

from vsctl.agents import system as os

_SUPERBLOCKS = (
    # type, offset, magic bytes; ext2, ext3 and ext4 share one magic and one driver
    ("ext4", 0x438, b"\x53\xef"),
    ("xfs", 0, b"XFSB"),
    ("btrfs", 0x10040, b"_BHRfS_M"),
    ("f2fs", 0x400, b"\x10\x20\xf5\xf2"),
    ("gfs2", 0x10000, b"\x01\x16\x19\x70"),
    ("LUKS", 0, b"LUKS\xba\xbe"),
    ("LVM", 0x218, b"LVM2 001"),
    ("swap", 0xFF6, b"SWAPSPACE2"),
)
_EXT = ("ext2", "ext3", "ext4")
BLOCK = 4096
"""Bytes: a multiple of the block size of every disk."""


class Mount:
    """One line of mountinfo; `device` is the st_dev of everything on it, `root` what of it is seen."""

    __slots__ = ("device", "id", "options", "point", "root", "shared", "source", "type")

    def __init__(self, line: str) -> None:
        fields = line.rstrip("\n").split(" ")  # at nothing else: names that clients chose are among them
        dash = fields.index("-", 6)
        self.id = fields[0]
        major, _, minor = fields[2].partition(":")
        self.device = os.makedev(int(major), int(minor))
        self.root = _plain(fields[3])
        self.point = _plain(fields[4])
        self.shared = any(each.startswith("shared:") for each in fields[6:dash])
        self.type = fields[dash + 1]
        self.source = _plain(fields[dash + 2])
        self.options = (*fields[5].split(","), *fields[dash + 3].split(","))


def table(process: str = "self", below: str = "/") -> list[Mount]:
    """Return every mount in the mount namespace of a process, in the order they were made; only those below a place."""
    return [Mount(line) for line in _lines(process) if below in line]


def at(point: str) -> Mount | None:
    """Return what is mounted at a place, the topmost if there are several; links may lead to the place."""
    directory, _, name = point.rpartition("/")
    place = f"{_without_links(directory)}/{name}"
    found = None
    for line in _lines("self"):
        if _plain(line.split(" ", 5)[4]) == place:
            found = Mount(line)
    return found


def _lines(process: str) -> list[str]:
    """Return the lines of mountinfo; the kernel writes a newline in a name as \\012, and no other end of a line."""
    with open(f"/proc/{process}/mountinfo", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return list(file)


def _without_links(directory: str) -> str:
    """Return where a directory is: the kernel knows no links. What is mounted on it is not asked."""
    try:
        descriptor = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return directory
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def number(device: str) -> int:
    """Return the device number of a block device; OSError if there is none of that name."""
    import stat

    status = os.stat(device)
    if not stat.S_ISBLK(status.st_mode):
        raise OSError(15, os.strerror(15), device)  # ENOTBLK
    return status.st_rdev


def on(mount: Mount, device: str) -> bool:
    """Say whether a mount is of this device, by whatever name.

    The kernel's number of a btrfs is not the device's, so the source is asked
    too. A device that is gone from /dev cannot be compared and is believed.
    """
    try:
        wanted = os.stat(device).st_rdev
    except OSError:
        return True
    if mount.device == wanted:
        return True
    try:
        return os.stat(mount.source).st_rdev == wanted
    except OSError:
        return False


def is_free(device: str) -> bool:
    """Say whether nobody holds a device: no mount in any namespace, no RAID, no checker."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError as problem:
        if problem.errno == 16:  # EBUSY
            return False
        raise
    return True


def has_superblock(device: str) -> bool:
    """Say whether this kernel has a filesystem of the device alive, whoever can see it."""
    name = os.path.basename(os.path.realpath(device))
    return any(os.path.exists(f"/sys/fs/{each}/{name}") for each in ("ext4", "xfs", "f2fs"))


def made_of(number: int) -> list[str]:
    """Return the devices that the kernel makes of one, a RAID or a logical volume."""
    try:
        return os.listdir(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/holders")
    except OSError:
        return []


def read(device: str) -> None:
    """Read the beginning of a device from the storage itself, not from memory; OSError if that cannot be done."""
    import mmap

    descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT)
    try:
        os.preadv(descriptor, [mmap.mmap(-1, BLOCK)], 0)
    finally:
        os.close(descriptor)


def type_of(device: str) -> str | None:
    """Name the filesystem, or what else is known, on a device; None for nothing known."""
    descriptor = os.open(device, os.O_RDONLY)
    try:
        # What another node wrote must be seen, not what this one read last time.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        for name, offset, magic in _SUPERBLOCKS:
            if os.pread(descriptor, len(magic), offset) == magic:
                return name
    finally:
        os.close(descriptor)
    return None


def matches(found: str | None, declared: str) -> bool:
    """Say whether what `type_of` found is what was declared, as far as vsctl can tell."""
    if declared in _EXT:
        return found == "ext4"
    return found == declared or (found is None and declared not in (name for name, _, _ in _SUPERBLOCKS))


def share(directory: str) -> None:
    """Make a directory a shared mount of its own: what is mounted in it appears in every daemon's view.

    Servers may come all at once; a second mount would hide what is mounted in the first.
    """
    from vsctl.agents import kernel, node

    with node.locked():
        os.makedirs(directory, mode=0o755, exist_ok=True)
        try:
            kernel.mount("", directory, flags=kernel.MS_SHARED | kernel.MS_REC)
        except OSError as problem:
            if problem.errno != 22:  # EINVAL
                raise
            # It is no mount yet. Only the call itself knows: mountinfo lists what another mount hides, too.
            kernel.mount(directory, directory, flags=kernel.MS_BIND | kernel.MS_REC)
            kernel.mount("", directory, flags=kernel.MS_SHARED | kernel.MS_REC)


def _plain(text: str) -> str:
    """Undo the octal escapes of mountinfo."""
    if "\\" not in text:
        return text
    first, *rest = text.split("\\")
    return first + "".join(chr(int(each[:3], 8)) + each[3:] for each in rest)
