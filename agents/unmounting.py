"""How does a filesystem leave a node for certain?

First politely; only if it is busy are its users looked for and ended, in
stages that share the time of the action.
"""

from __future__ import annotations

import time

from vsctl.agents import holders, kernel, mounts, processes
from vsctl.agents import system as os
from vsctl.agents.ocf import Failure, log

EBUSY = 16
EINVAL = 22
SIGTERM = 15
SIGKILL = 9

POLITE = 0.2
"""Share of the action's time for users to obey SIGTERM; as much again for SIGKILL, and twice for the device."""


def unmount(point: str, mount: mounts.Mount, timeout: float) -> None:
    """Take the topmost mount off a place; Failure, with who is left, if that cannot be done."""
    if _umount(point):
        return
    for each in reversed([below.point for below in mounts.table() if below.point.startswith(f"{point}/")]):
        log(f"{each} is mounted below {point}: unmounting it first")
        _umount(each)
    for number, name in ((SIGTERM, "SIGTERM"), (SIGKILL, "SIGKILL")):
        if _umount(point):
            return
        users = holders.processes(mount.device)
        log(f"{point} is busy: sending {name} to {processes.describe(users) or 'nobody, no process uses it'}")
        _end_users(point, mount.device, number, timeout * POLITE)
    if not _umount(point):
        users = holders.processes(mount.device)
        raise Failure(
            f"{point} is still busy after SIGKILL: {processes.describe(users) or 'the kernel uses it'}"
        )


def release(device: str, number: int | None, timeout: float) -> None:
    """Return when nothing of a filesystem that was unmounted is left; Failure, with who keeps it.

    `number` is the st_dev that its files had; None if it was not mounted
    now: then others may hold the device for their own ends, as a check does.
    """
    try:
        if mounts.is_free(device):
            return
        kept = number or os.stat(device).st_rdev
    except OSError:
        if number is None:
            return  # a device that is gone, and nothing was mounted from it
        kept = number
    for each in holders.namespaces(kept):
        log(
            f"{device} is still mounted in the mount namespace of {processes.describe([each])}: unmounting it there"
        )
        _unmount_in(each, kept)
    users = holders.processes(kept)
    if users:
        log(f"{device} was detached while in use: sending SIGKILL to {processes.describe(users)}")
        processes.kill(lambda: holders.processes(kept), SIGKILL, timeout * POLITE)
    elif number is None and not holders.namespaces(kept) and not mounts.has_superblock(device):
        return
    if not processes.until(lambda: _is_let_go(device, kept), timeout * POLITE):
        left = processes.describe(holders.namespaces(kept) + holders.processes(kept))
        raise Failure(f"{device} is unmounted here but still held: {left or 'the kernel uses it'}")


def _is_let_go(device: str, number: int) -> bool:
    """Say whether nobody holds a device; one that is gone by its name is asked for by the number of its files."""
    try:
        return mounts.is_free(device)
    except OSError:
        return not (holders.namespaces(number) or holders.processes(number))


def _umount(point: str) -> bool:
    """Unmount; False for busy, True also if it was not mounted."""
    try:
        kernel.umount(point)
    except OSError as problem:
        if problem.errno == EBUSY:
            return False
        if problem.errno != EINVAL:
            raise Failure(f"{point} cannot be unmounted: {problem.strerror}") from None
        if mounts.at(point) is not None:
            raise Failure(
                f"{point} is hidden below something that was mounted over it: unmount that first"
            ) from None
    return True


def _end_users(point: str, device: int, number: int, patience: float) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end and not _umount(point):
        left = holders.processes(device)
        if not left:
            processes.until(lambda: _umount(point), end - time.monotonic())
            return
        processes.kill(lambda: holders.processes(device), number, end - time.monotonic())


def _unmount_in(process: int, device: int) -> None:
    """Unmount a filesystem in the mount namespace of another process."""
    places = [mount.point for mount in mounts.table(str(process)) if mount.device == device]
    child = os.fork()
    if child == 0:
        try:
            kernel.setns(os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY), kernel.CLONE_NEWNS)
            for each in reversed(places):
                _umount(each)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
