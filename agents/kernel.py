"""Which system calls does Python 3.11 not offer?

Each raises OSError as the functions of `os` do. They go through `_ctypes`, the
part of ctypes that is written in C: the rest costs as much again as all that a
monitor asks the kernel, which only what went wrong is worth.
"""

from __future__ import annotations

import sys

from vsctl.agents import system as os

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000

MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

MNT_DETACH = 2


def setns(descriptor: int, kind: int) -> None:
    """Move this process into the namespace behind an open file, setns(2)."""
    if sys.version_info >= (3, 12):
        os.setns(descriptor, kind)
    else:
        _call("setns", descriptor, kind)


def unshare(kinds: int) -> None:
    """Give this process namespaces of its own, unshare(2)."""
    _call("unshare", kinds)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Attach a filesystem, or change how one is attached, mount(2)."""
    _call("mount", source, target, kind, flags, data, about=f"mount {source} on {target}")


def umount(target: str, flags: int = 0) -> None:
    """Detach a filesystem, umount2(2)."""
    _call("umount2", target, flags, about=f"umount {target}")


def _call(name: str, *arguments: int | str, about: str = "") -> None:
    """Call a function of the C library that returns -1 and sets errno when it cannot."""
    import _ctypes

    values = tuple(each if isinstance(each, int) else each.encode() for each in arguments)
    function = _ctypes.dlsym(_ctypes.dlopen("", os.RTLD_NOW), name)
    if _ctypes.call_function(function, values) < 0:
        _explain(name, values, about or name)


def _explain(name: str, values: tuple[int | bytes, ...], about: str) -> None:
    """Call it again, now the way that can say what is wrong."""
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*(ctypes.c_ulong(each) if isinstance(each, int) else each for each in values)) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), about)
