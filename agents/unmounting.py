"""How does a filesystem leave a node for certain?

First politely; only if it is busy are its users looked for and ended, in
stages that share the time of the action. Whatever asks the storage is done by a
process that can be left behind: an unmount that hangs goes on in the
kernel, and until it has ended nobody is told that the filesystem is gone.
"""

from __future__ import annotations

import time

from vsctl.agents import background, holders, kernel, mounts, processes, silence
from vsctl.agents import system as os
from vsctl.agents.allowance import Allowance
from vsctl.agents.ocf import Failure, log

EBUSY = 16
EINVAL = 22
SIGTERM = 15
SIGKILL = 9

POLITE = 0.2
"""Share of the time for users to obey SIGTERM; as much again for SIGKILL, and for the kernel to let go of it."""


def unmount(point: str, mount: mounts.Mount, time_left: Allowance) -> None:
    """Take the topmost mount off a place; Failure, with who is left, if that cannot be done."""
    if _umount(point, time_left):
        return
    inside = f"{mount.point}/"
    for each in reversed([below.point for below in mounts.table() if below.point.startswith(inside)]):
        log(f"{each} is mounted below {point}: unmounting it first")
        _umount(each, time_left)
    for number, name in ((SIGTERM, "SIGTERM"), (SIGKILL, "SIGKILL")):
        if _umount(point, time_left):
            return
        users = holders.processes(mount.device)
        log(f"{point} is busy: sending {name} to {processes.describe(users) or 'nobody, no process uses it'}")
        _end_users(point, mount.device, number, time_left)
    if not _umount(point, time_left):
        users = holders.processes(mount.device)
        raise Failure(
            f"{point} is still busy after SIGKILL: {processes.describe(users) or 'the kernel uses it'}"
            f"{_silence(mount.source)}"
        )


def release(device: str, number: int | None, time_left: Allowance) -> None:
    """Return when nothing of a filesystem that was unmounted is left; Failure, with who keeps it.

    `number` is the st_dev that its files had; None if it was not mounted
    now: then others may hold the device for their own ends, as a check does.
    """
    try:
        kept = number or os.stat(device).st_rdev
    except OSError:
        return  # a device that is gone, and nothing was mounted from it
    if _is_let_go(device, kept, time_left):
        return
    for mount in mounts.table():
        if mount.device == kept:
            raise Failure(f"{device} is also mounted on {mount.point}, not by vsctl: unmount it there")
    for each in holders.namespaces(kept):
        log(
            f"{device} is still mounted in the mount namespace of {processes.describe([each])}: unmounting it there"
        )
        _unmount_in(each, kept, time_left)
    users = holders.processes(kept)
    if users:
        log(f"{device} was detached while in use: sending SIGKILL to {processes.describe(users)}")
        processes.kill(lambda: holders.processes(kept), SIGKILL, time_left.part(POLITE))
    elif number is None and is_others(device, kept):
        return
    if not processes.until(lambda: _is_let_go(device, kept, time_left), time_left.part(POLITE)):
        left = processes.describe(holders.namespaces(kept) + holders.processes(kept))
        raise Failure(
            f"{device} is unmounted here but still held: {left or 'the kernel uses it'}{_silence(device)}"
        )


def is_others(device: str, number: int) -> bool:
    """Say whether who holds a device is known, and no filesystem: a program, or a device made of it.

    What nobody can be seen to hold is about to be mounted, by an action that was killed.
    """
    if mounts.has_superblock(device) or holders.namespaces(number):
        return False
    return bool(holders.openers(device) or mounts.made_of(number))


def _is_let_go(device: str, number: int, time_left: Allowance) -> bool:
    """Say whether nobody holds a device; one that is gone by its name is asked for by the number of its files."""
    try:
        return background.within(time_left.left, lambda: str(mounts.is_free(device))) == str(True)
    except TimeoutError:
        raise Failure(f"{device} does not open for {time_left.spent}: its storage does not answer") from None
    except OSError:
        return not (holders.namespaces(number) or holders.processes(number))


def _umount(point: str, time_left: Allowance) -> bool:
    """Unmount; False for busy, True also if it was not mounted."""
    try:
        background.within(time_left.left, lambda: kernel.umount(point))
    except TimeoutError:
        raise Failure(
            f"{point} is being unmounted for {time_left.spent}: its storage does not answer, or is very slow"
        ) from None
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


def _end_users(point: str, device: int, number: int, time_left: Allowance) -> None:
    end = time.monotonic() + time_left.part(POLITE)
    while time.monotonic() < end and not _umount(point, time_left):
        left = holders.processes(device)
        if not left:
            processes.until(lambda: _umount(point, time_left), end - time.monotonic())
            return
        processes.kill(lambda: holders.processes(device), number, end - time.monotonic())


def _unmount_in(process: int, device: int, time_left: Allowance) -> None:
    """Unmount a filesystem in the mount namespace of another process."""
    places = [mount.point for mount in mounts.table(str(process)) if mount.device == device]

    def unmount_all() -> None:
        kernel.setns(os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY), kernel.CLONE_NEWNS)
        for each in reversed(places):
            kernel.umount(each)

    try:
        background.within(time_left.left, unmount_all)
    except TimeoutError:
        raise Failure(
            f"a copy of the mount, {places[0]}, is being unmounted for {time_left.spent}: its storage does not answer"
        ) from None
    except OSError:
        return  # whether the device is free is asked afterwards


def _silence(device: str) -> str:
    """Say it, as the end of a sentence, if a device does not answer a read."""
    wrong = silence.answer(device)
    return f", and {wrong}" if wrong else ""
