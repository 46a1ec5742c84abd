"""Who keeps a filesystem busy, or its device in use?

Looking costs a walk through /proc: only for when a plain unmount said busy.
Storage that is dead must not stop it, anybody's: of an open file the kernel
says which mount it is on, without a look at the file, and what can only be
learned from the file itself is asked in a process that nobody waits for.
"""

from __future__ import annotations

from vsctl.agents import background, mounts
from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 0.5
"""Seconds for one process; one that says nothing in that time is taken to use nothing."""
READER = "vsctl-storage"
"""The name of the node daemon's processes that read devices: they hold nothing."""
_PLACELESS = ("socket:", "pipe:", "anon_inode:", "/dev/", "/proc/", "/memfd:")


def processes(device: int) -> list[int]:
    """Return every process but this one with something of a filesystem in use.

    `device` is the st_dev of its files. Open files, directories, roots,
    programs and mappings count, also those of a mount that was detached lazily.
    """
    return background.which(_others(), lambda each: _uses(each, device), PATIENCE)


def among(processes: Sequence[int], device: int) -> list[int]:
    """Return those of some processes that have anything of a filesystem in use."""
    return background.which(processes, lambda each: _uses(each, device), PATIENCE)


def openers(device: str) -> list[int]:
    """Return every process but this one, and the node daemon's, that has a block device open by its name."""
    place = os.path.realpath(device)
    found = [each for each in _others() if any(at == place for _, at in _open(each))]
    return [each for each in found if not _reads(each)]


def namespaces(device: int) -> list[int]:
    """Return one process of each other mount namespace that has a filesystem mounted."""
    seen = {os.readlink("/proc/self/ns/mnt")}
    found = []
    for each in os.listdir("/proc"):
        try:
            namespace = os.readlink(f"/proc/{each}/ns/mnt") if each.isdigit() else None
            if namespace and namespace not in seen:
                seen.add(namespace)
                if any(mount.device == device for mount in mounts.table(each)):
                    found.append(int(each))
        except OSError:
            continue  # it ended while we looked
    return found


def _others() -> list[int]:
    mine = os.getpid()
    return [int(each) for each in os.listdir("/proc") if each.isdigit() and int(each) not in (1, mine)]


def _uses(process: int, device: int) -> bool:
    try:
        known = {mount.id: mount.device for mount in mounts.table(str(process))}
    except OSError:
        return False  # it ended while we looked
    unknown = [f"/proc/{process}/cwd", f"/proc/{process}/root"]
    for number, place in _open(process):
        on = known.get(_mount(process, number))
        if on == device:
            return True
        if on is None and not place.startswith(_PLACELESS):
            unknown.append(f"/proc/{process}/fd/{number}")  # of a detached mount, or another namespace's
    return _maps(process, device) or any(_device(link) == device for link in unknown)


def _reads(process: int) -> bool:
    try:
        with open(f"/proc/{process}/comm") as file:
            return file.read().rstrip("\n") == READER
    except OSError:
        return True  # it ended while we looked


def _open(process: int) -> list[tuple[str, str]]:
    """Return the open files of a process, by number, and their names."""
    found = []
    try:
        numbers = os.listdir(f"/proc/{process}/fd")
    except OSError:
        return []  # it ended while we looked
    for each in numbers:
        try:
            found.append((each, os.readlink(f"/proc/{process}/fd/{each}")))
        except OSError:
            continue  # closed while we looked
    return found


def _mount(process: int, number: str) -> str:
    """Return the id of the mount that an open file is on."""
    try:
        with open(f"/proc/{process}/fdinfo/{number}") as file:
            return next(line.split()[1] for line in file if line.startswith("mnt_id:"))
    except OSError:
        return ""


def _device(link: str) -> int | None:
    try:
        return os.stat(link).st_dev
    except OSError:
        return None


def _maps(process: int, device: int) -> bool:
    wanted = b" %02x:%02x " % (os.major(device), os.minor(device))
    try:
        with open(f"/proc/{process}/maps", "rb") as file:
            return any(wanted in line for line in file)
    except OSError:
        return False
