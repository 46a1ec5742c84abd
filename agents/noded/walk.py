"""What does a filesystem say of its own names and inodes, a few at a time?

A walk through all directories, that ends when its time is up and goes on from
there, later and in another process. Where it was is told by names and by the
kernel's own marks within directories, so that no file is kept open: a filesystem
that somebody has open cannot be unmounted. Clients rename and remove meanwhile: what
is gone is passed over.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

FOUND = (errno.EUCLEAN, errno.EBADMSG)
"""What a filesystem answers that has found damage. EIO is no such answer: storage gives it, too."""
DEEPEST = 100
"""Directories within directories; what is deeper is not walked through."""
_SOME = 4096
"""Bytes of names asked for at once."""
_HEAD = struct.Struct("=8xqHx")
"""The head of each: an inode, the mark behind it, the length of it all, and the type; then comes the name."""


@dataclass(frozen=True)
class Step:
    """A directory by its name in the one before, and the kernel's mark of how much of it was read."""

    name: str
    mark: int = 0


@dataclass(frozen=True)
class Top:
    """Where a filesystem is mounted, and the number of its device."""

    point: str
    device: int


Place = tuple[Step, ...]
"""The directories from the top to where a walk is; none before it begins."""


def on(top: Top, place: Place, is_time_up: Callable[[], bool], begin: Callable[[int], None]) -> Place:
    """Look at every name and inode from a place on until time is up; return the next place, none at the end.

    `begin` gets each directory before it is read. Raises the OSError of a filesystem that has found damage.
    """
    steps = list(place) or [Step(top.point)]
    while steps and not is_time_up():
        try:
            directory = _open(steps)
            try:
                if not steps[-1].mark:
                    begin(directory)
                _go_on(directory, steps, top.device)
            finally:
                os.close(directory)
        except OSError as problem:
            if problem.errno in FOUND:
                raise
            steps.pop()  # it is gone, or its storage fails
    return tuple(steps)


def _go_on(directory: int, steps: list[Step], device: int) -> None:
    """Look at the next names of the last directory, up to one that is itself a directory: that is next."""
    if os.fstat(directory).st_dev != device:  # something else is mounted there by now, or nothing
        steps.pop()
        return
    os.lseek(directory, steps[-1].mark, os.SEEK_SET)
    at_end = True
    for name, mark in _names(directory):
        at_end = False
        steps[-1] = replace(steps[-1], mark=mark)
        if name not in (".", "..") and _is_directory(name, directory) and len(steps) < DEEPEST:
            steps.append(Step(name))
            return
    if at_end:
        steps.pop()


def _is_directory(name: str, directory: int) -> bool:
    """Have an inode read, and say whether it is a directory."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except OSError as problem:
        if problem.errno in FOUND:
            raise
        return False


def _open(steps: list[Step]) -> int:
    """Open the last directory, by way of all before it: no link that a client puts in the way leads elsewhere."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NOATIME | os.O_CLOEXEC
    directory = os.open(steps[0].name, flags)
    for each in steps[1:]:
        try:
            deeper = os.open(each.name, flags, dir_fd=directory)
        finally:
            os.close(directory)
        directory = deeper
    return directory


def _names(directory: int) -> Iterator[tuple[str, int]]:
    """Yield the next names of a directory, each with the mark behind it: os.scandir has no marks (getdents64(2))."""
    got = _libc.getdents64(directory, _buffer, _SOME)
    if got < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    said, at = _buffer.raw[:got], 0
    while at < got:
        mark, length = _HEAD.unpack_from(said, at)
        yield os.fsdecode(said[at + 19 : at + length].partition(b"\0")[0]), mark
        at += length


_libc = ctypes.CDLL(None, use_errno=True)
_libc.getdents64.restype = ctypes.c_ssize_t
_libc.getdents64.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_buffer = ctypes.create_string_buffer(_SOME)
