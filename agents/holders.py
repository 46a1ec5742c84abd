"""Who keeps a filesystem busy, or its device in use?

Looking costs a walk through /proc: only for when a plain unmount said busy.
"""

from __future__ import annotations

from vsctl.agents import mounts
from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACELESS = ("socket:", "pipe:", "anon_inode:", "/dev/", "/proc/", "/memfd:")


def processes(device: int) -> list[int]:
    """Return every process but this one with something of a filesystem in use.

    `device` is the st_dev of its files. Open files, directories, roots,
    programs and mappings count, also those of a mount that was detached lazily.
    """
    mine = os.getpid()
    return [
        int(each)
        for each in os.listdir("/proc")
        if each.isdigit() and int(each) not in (1, mine) and uses(int(each), device)
    ]


def uses(process: int, device: int) -> bool:
    """Say whether one process has anything of a filesystem in use."""
    return any(_device(link) == device for link in _links(process)) or _maps(process, device)


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


def _links(process: int) -> Iterator[str]:
    yield from (f"/proc/{process}/{each}" for each in ("cwd", "root", "exe"))
    try:
        for each in os.listdir(f"/proc/{process}/fd"):
            link = f"/proc/{process}/fd/{each}"
            if not os.readlink(link).startswith(_PLACELESS):
                yield link
    except OSError:
        return


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
