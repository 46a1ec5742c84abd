"""Which filesystems of this node are damaged, as soon as that can be known?

ext4 tells whoever listens by fanotify, and counts its errors in sysfs. XFS
tells the kernel's log, and shuts itself down. What no kernel says here the monitors
of the filesystems look for, and what nobody has read `inspecting` reads.

A suspicion is all there is here. A process of its own looks whether it is the storage that fails,
which may take it for ever, and puts the filesystem into quarantine if it is not.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable

from vsctl.agents import damage, kernellog, mounts, paths
from vsctl.agents.mounts import Mount
from vsctl.agents.noded import commands
from vsctl.agents.noded.inspecting import Inspecting
from vsctl.agents.noded.loop import Loop, now

EVERY = 1.0
"""Seconds between two looks at what is mounted here and how it is."""
AGAIN = 10.0
"""Seconds until a filesystem is reported again that is still there, and still looks damaged."""

_CLASS_NOTIF, _CLOEXEC, _NONBLOCK, _REPORT_FID = 0, 0x1, 0x2, 0x200
_MARK_ADD, _MARK_FILESYSTEM = 0x1, 0x100
_FS_ERROR = 0x8000
_AT_FDCWD = -100
"""From linux/fanotify.h and fcntl.h."""


class Damages:
    """Looks after the filesystems of all servers here.

    `say` is told, once for each mount, what looks damaged and why; `note` each that is in quarantine for it.
    """

    def __init__(
        self, loop: Loop, node: Callable[[], str], say: Callable[[str], None], note: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._node = node
        self._say = say
        self._note = note
        self._listener = _listener()
        self._marked: set[str] = set()
        self._reported: dict[tuple[str, str], float] = {}
        self._asked: set[tuple[str, str]] = set()
        self._told: dict[tuple[str, str], str] = {}
        self._corrupt: set[str] = set()
        """Devices whose XFS the kernel has called corrupt, which it does once; until the cluster knows."""
        self._here: dict[str, Mount] = {}
        self._inspecting = Inspecting(loop, lambda: self._here.values(), self._report)
        if self._listener is not None:
            loop.watch(self._listener, self._hear)
        self._log = kernellog.at_end()
        if self._log is not None:
            loop.watch(self._log, self._read_log)

    def look(self) -> None:
        """Look now and again every second, and slowly at what nobody else looks at."""
        self._look_again()
        self._inspecting.look()

    def _look_again(self) -> None:
        self._look()
        self._loop.after(EVERY, self._look_again)

    def _look(self) -> None:
        self._here = {each.id: each for each in mounts.table(below=f"{paths.MOUNTS}/") if _name(each)}
        names = {_name(each) for each in self._here.values()}
        self._told = {about: told for about, told in self._told.items() if about in names}
        self._marked &= set(self._here)
        for id, each in self._here.items():
            if self._listener is not None and id not in self._marked:
                self._marked.add(id)
                _mark(self._listener, each.point)
        xfs = {damage.kernel_name(each.device): each for each in self._here.values() if each.type == "xfs"}
        self._corrupt &= set(xfs)
        for each in self._here.values():
            if why := suspicion(each):
                self._report(each, why)
        for device in self._corrupt:
            self._report(xfs[device], f"the kernel says that xfs on {xfs[device].source} is corrupt")

    def _hear(self) -> None:
        """Some ext4 has found an error: which, and whether it counts, is looked at as ever."""
        assert self._listener is not None
        try:
            while os.read(self._listener, 4096):
                pass
        except BlockingIOError:
            pass
        self._look()

    def _read_log(self) -> None:
        assert self._log is not None
        try:
            said = kernellog.read(self._log)
        except OSError:
            self._loop.unwatch(self._log)
            return
        found = set(filter(None, map(complained, said)))
        if found:
            self._corrupt |= found
            self._look()

    def _report(self, mount: Mount, why: str) -> None:
        """Have a filesystem put into quarantine, one process at a time for each."""
        about = server, filesystem = _name(mount) or ("", "")
        if about in self._asked or now() - self._reported.get(about, -AGAIN) < AGAIN:
            return
        self._asked.add(about)
        self._reported[about] = now()

        def then(status: int, words: str) -> None:
            self._asked.discard(about)
            if status == 0:
                self._corrupt.discard(damage.kernel_name(mount.device))
            sentence = f"{filesystem} of {server} {words or f'could not be judged: exit status {status}'}"
            if self._told.get(about) != sentence:
                self._told[about] = sentence
                self._say(sentence)
                if status == 0:
                    self._note(f"{server}/{filesystem}")

        commands.start(self._loop, _report(server, filesystem, mount.source, why, self._node()), then)


def suspicion(mount: Mount) -> str:
    """Return what looks like damage in what is mounted, nothing if all looks well. No storage is asked."""
    if noted := damage.noted(mount):
        return noted
    if "shutdown" in mount.options:
        return f"{mount.type} has shut itself down"
    if "emergency_ro" in mount.options and not damage.stopped_by_storage(mount):
        return f"{mount.type} has stopped writing"
    if mount.type == "xfs":
        try:
            os.stat(mount.point)  # answered from memory, unless it has shut itself down
        except OSError as problem:
            return f"xfs does not answer: {problem.strerror}" if problem.errno == errno.EIO else ""
    return ""


def complained(said: str) -> str | None:
    """Return the device, as the kernel calls it, of which a sentence of its log says that its XFS is corrupt."""
    if not said.startswith("XFS (") or not any(each in said for each in ("orruption", "CRC error")):
        return None
    return said.removeprefix("XFS (").partition(")")[0]


def _name(mount: Mount) -> tuple[str, str] | None:
    """Return the server and the filesystem that is mounted, None if it is no server's."""
    words = mount.point.removeprefix(f"{paths.MOUNTS}/").split("/")
    if not mount.point.startswith(f"{paths.MOUNTS}/") or len(words) != 2 or words[0].startswith("_"):
        return None
    return words[0], words[1]


def _report(server: str, filesystem: str, device: str, why: str, node: str) -> list[str]:
    """Return the command that judges a suspicion and acts on it; what it says ends a sentence.

    It succeeds if the cluster knows of the damage then.
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    code = (
        f"import os, sys; sys.path.insert(0, {root!r}); os.environ['OCF_RESKEY_CRM_meta_on_node'] = sys.argv[5]\n"
        "from vsctl.agents import allowance, damage\n"
        "unlike = damage.report(*sys.argv[1:5], allowance.Allowance(float(sys.argv[6])))\n"
        "print(f'looks damaged ({sys.argv[4]}), but {unlike}' if unlike else f'is in quarantine: {sys.argv[4]}')\n"
        "sys.exit(bool(unlike))"
    )
    return [sys.executable, "-IS", "-c", code, server, filesystem, device, why, node, str(commands.LIMIT)]


def _listener() -> int | None:
    """Return what hears of errors of filesystems, None where the kernel tells nobody."""
    library = ctypes.CDLL(None, use_errno=True)
    found = library.fanotify_init(_CLASS_NOTIF | _CLOEXEC | _NONBLOCK | _REPORT_FID, os.O_RDONLY)
    return None if found < 0 else int(found)


def _mark(listener: int, point: str) -> None:
    """Listen for errors of the filesystem that is mounted there; one that tells nobody is looked at all the same."""
    library = ctypes.CDLL(None, use_errno=True)
    library.fanotify_mark(
        listener,
        ctypes.c_uint(_MARK_ADD | _MARK_FILESYSTEM),
        ctypes.c_uint64(_FS_ERROR),
        _AT_FDCWD,
        os.fsencode(point),
    )
