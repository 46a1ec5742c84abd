"""Is storage known not to answer on this node?

The node daemon reads every storage unit all the time, and writes down the
devices of those that hang. A stop that would wait for one of them can only
fail, and its server is down until it has: so it asks here first. The note may be old, or its
writer dead: a device on it is read once more, for a moment, before
anybody believes that it is silent.
"""

from __future__ import annotations

from vsctl.agents import background, mounts, node, paths, resident
from vsctl.agents import system as os

PROOF = 0.5
"""Seconds within which storage that works answers a read."""
PATIENCE = 1.0
"""Seconds to end processes of a server whose storage hangs: those that wait for it do not end."""


def of_server(server: str, *filesystems: str) -> str:
    """Say, as the end of a sentence, that storage hangs which one of these filesystems is mounted from."""
    for name in filesystems if noted() else ():
        mount = mounts.at(paths.mount_point(server, name))
        if mount and (why := _proved(mount.device)):
            return why
    return ""


def of_device(device: str) -> str:
    """Say, as the end of a sentence, that a device hangs; nothing if that is not so, or not known."""
    try:
        return _proved(os.stat(device).st_rdev)
    except OSError:
        return ""


def servers() -> set[str]:
    """Return the servers that have a filesystem mounted here from a device that is noted to hang."""
    silent = noted()
    below = f"{paths.MOUNTS}/"
    found = (each for each in mounts.table() if each.point.startswith(below) and each.device in silent)
    return {each.point.removeprefix(below).partition("/")[0] for each in found} if silent else set()


def answer(device: str) -> str:
    """Say, as the end of a sentence, what is wrong with how a device answers a read, nothing if all is well."""
    try:
        background.within(PROOF, lambda: mounts.read(device))
    except TimeoutError:
        return "" if _is_held_up() else _NONE
    except OSError as problem:
        return f"its storage answers: {problem.strerror}"
    return ""


_NONE = "its storage does not answer"


def _is_held_up() -> bool:
    """Whether a process that this one has begun waits for its turn on a processor, and not for storage."""
    for child in " ".join(node.read_lines("/proc/thread-self/children")).split():
        try:
            with open(f"/proc/{child}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "R":
                    return True
        except OSError:  # it has just ended
            continue
    return False


def _proved(number: int) -> str:
    device = noted().get(number)
    if device is None or answer(device) != _NONE:
        return ""
    return f"{device} has not answered for seconds, and does not now"


def noted() -> dict[int, str]:
    """Return the devices that the daemon has written down, by number, nothing if it does not live.

    One that has left /dev cannot be told.
    """
    found: dict[int, str] = {}
    if not os.path.exists(resident.SILENT) or resident.process() is None:
        return found
    for device in node.read_lines(resident.SILENT):
        try:
            found[os.stat(device).st_rdev] = device
        except OSError:
            continue
    return found
