"""Is what nobody reads on the filesystems here still sound?

A filesystem tells of damage when somebody reads what is damaged: `damages` hears
of that. What lies untouched for months, or is in memory since the mount, is found when a server
fails over, which is the worst moment. So a little is read all the time:
what is at fixed places (`heads`), and one directory after the other (`walk`).

Every look is a process of its own, one at a time for each filesystem. Nobody
waits for one: where storage hangs it stays behind until the storage lets it go.
What it answers with errors is no damage, but the storage's business.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import time
from collections.abc import Callable, Iterable

from vsctl.agents import silence
from vsctl.agents.damage import EXT
from vsctl.agents.mounts import Mount
from vsctl.agents.noded import heads, walk
from vsctl.agents.noded.loop import Loop
from vsctl.agents.noded.reading import become_reader
from vsctl.agents.noded.walk import Place, Step, Top

EVERY = 30.0
"""Seconds between two looks, each at another filesystem: what it costs does not depend on how many there are."""
WORK, WHILE = 0.01, 0.5
"""Seconds of processor time, and of time, after which a look ends."""
PAUSES = (0.2, 0.3)
"""Seconds after which what is wrong at a fixed place is read again: a write may be under way."""
GENTLE = 19
"""How nice it is. The kernel makes the weight of its reads of that, too."""

_FIEMAP, _HEADER, _EXTENT, _EXTENTS = 0xC020660B, struct.Struct("=QQIIII"), struct.Struct("=QQQ32x"), 32
"""The ioctl that tells where on the device something is (linux/fiemap.h)."""


class Rounds:
    """How far the looks at one mount are."""

    def __init__(self) -> None:
        self.place: Place = ()
        self.turn = 0
        self.is_out = False
        """Whether a look has not come back yet."""


class Inspecting:
    """Looks after what is mounted here, little by little; `suspect` is told what looks damaged, and why."""

    def __init__(
        self, loop: Loop, here: Callable[[], Iterable[Mount]], suspect: Callable[[Mount, str], None]
    ) -> None:
        self._loop = loop
        self._here = here
        self._suspect = suspect
        self._rounds: dict[str, Rounds] = {}
        """By mount; who was looked at last is the last."""

    def look(self) -> None:
        """Look at the next filesystem now, and every few seconds at another."""
        here = {each.id: each for each in self._here() if each.type in (*EXT, "xfs")}
        self._rounds = {id: each for id, each in self._rounds.items() if id in here}
        for id in here:
            self._rounds.setdefault(id, Rounds())
        hanging = silence.noted()
        free = (id for id in self._rounds if here[id].device not in hanging and not self._rounds[id].is_out)
        if due := next(free, None):
            self._rounds[due] = rounds = self._rounds.pop(due)
            self._begin(here[due], rounds)
        self._loop.after(EVERY, self.look)

    def _begin(self, mount: Mount, rounds: Rounds) -> None:
        said = os.memfd_create("vsctl-inspection")
        child = os.fork()
        if not child:
            _inspect(mount, rounds.place, rounds.turn, said)
        rounds.is_out = True
        rounds.turn += 1
        ended = os.pidfd_open(child)

        def finish() -> None:
            self._loop.unwatch(ended)
            os.close(ended)
            os.waitpid(child, 0)
            rounds.is_out = False
            words = os.pread(said, 1 << 20, 0).decode()
            os.close(said)
            if words:  # else it was killed, as by who wanted to unmount
                why, place = json.loads(words)
                rounds.place = tuple(Step(*each) for each in place)
                if why and mount.id in self._rounds:
                    self._suspect(mount, why)

        self._loop.watch(ended, finish)


def _inspect(mount: Mount, place: Place, turn: int, said: int) -> None:
    """Look, in a process that has nothing else of the daemon's, and end."""
    try:
        become_reader(said, said)
        os.nice(GENTLE)
        why = _heads(mount, turn)
        if not why:
            why, place = _walk(mount, place)
        os.write(1, json.dumps([why, [[each.name, each.mark] for each in place]]).encode())
    finally:
        os._exit(0)


def _heads(mount: Mount, turn: int) -> str:
    """Say what is wrong at the fixed places, if it is so again and again; nothing if they cannot be read."""
    wrong = ""
    try:
        read = heads.reader(mount.source)
        for pause in (0.0, *PAUSES):
            time.sleep(pause)
            if not (wrong := heads.wrong(mount.type, read, turn)):
                return ""
    except OSError:
        return ""
    return f"on its device {wrong}"


def _walk(mount: Mount, place: Place) -> tuple[str, Place]:
    """Go on through the directories; return what is wrong, nothing if all is well, and where to go on."""
    end, begun = time.monotonic() + WHILE, time.process_time()
    try:
        device = os.open(mount.source, os.O_RDONLY | os.O_CLOEXEC) if mount.type in EXT else None
    except OSError:
        return "", place

    def is_time_up() -> bool:
        return time.process_time() - begun > WORK or time.monotonic() > end

    def begin(directory: int) -> None:
        try:
            if device is not None:
                forget(device, directory)
        except OSError as problem:
            if problem.errno in walk.FOUND:
                raise  # else it is not told where the directory is, and that is read which is in memory

    try:
        return "", walk.on(Top(mount.point, mount.device), place, is_time_up, begin)
    except OSError as problem:
        return f"a directory or an inode of it cannot be used: {problem.strerror}", place


def forget(device: int, directory: int) -> None:
    """Drop from memory the blocks of a directory, as far as nobody uses or changes them just now.

    The next who reads it reads the storage, and ext4 checks what it gets.
    """
    at, last = 0, False
    while not last:
        asked = bytearray(_HEADER.pack(at, (1 << 64) - 1 - at, 0, 0, _EXTENTS, 0))
        asked += bytes(_EXTENTS * _EXTENT.size)
        fcntl.ioctl(directory, _FIEMAP, asked)
        found = _HEADER.unpack_from(asked)[3]
        last = found < _EXTENTS
        for number in range(found):
            at, place, length = _EXTENT.unpack_from(asked, _HEADER.size + number * _EXTENT.size)
            first = place - place % heads.PAGE
            size = -(-(place + length - first) // heads.PAGE) * heads.PAGE
            os.posix_fadvise(device, first, size, os.POSIX_FADV_DONTNEED)
            at += length
