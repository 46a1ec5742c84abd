"""Which system calls does Python 3.11 not offer?

Each raises OSError as the functions of `os` do. ctypes costs a process as much
as half an interpreter: only what starts and stops pay for it. Monitors enter
namespaces, so `setns` goes to `_ctypes`, the part of it that is written in C.
"""

from __future__ import annotations

import os

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000

MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20

MNT_DETACH = 2


def setns(descriptor: int, kind: int) -> None:
    """Move this process into the namespace behind an open file, setns(2)."""
    if hasattr(os, "setns"):  # from Python 3.12 on
        os.setns(descriptor, kind)
        return
    import _ctypes

    function = _ctypes.dlsym(_ctypes.dlopen("", os.RTLD_NOW), "setns")
    if _ctypes.call_function(function, (descriptor, kind)) < 0:
        _call("setns", descriptor, kind)  # again, the way that can say what is wrong


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
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    if (
        function(*(ctypes.c_ulong(each) if isinstance(each, int) else each.encode() for each in arguments))
        < 0
    ):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), about or name)
