"""Who is in the cluster now, by Corosync's own word, and when has somebody dropped out?

Corosync's quorum library (quorum_initialize(3) and its kin) by ctypes: it says
so at the same moment as Pacemaker hears it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection

from vsctl.agents.noded.loop import Loop

QUORUM, CONFIGURATION = "libquorum.so.5", "libcfg.so.7"
AGAIN = 5.0
"""Seconds until Corosync is followed again when it has ended, or does not answer."""
_OK = 1
_CHANGES = 2
_EVERYTHING = 2
_Notify = ctypes.CFUNCTYPE(
    None,
    ctypes.c_uint64,
    ctypes.c_uint32,
    ctypes.c_uint64,
    ctypes.c_uint32,
    ctypes.POINTER(ctypes.c_uint32),
)


class _Callbacks(ctypes.Structure):
    _fields_ = [("notify", _Notify)]


class MembershipError(Exception):
    """Corosync, or its library, is not to be had here."""


class Membership:
    """Follows the membership. `lost` is called with its number when nodes have left it, on its lowest node alone.

    While Corosync cannot be followed it is tried again and again; `log` is told why, once.
    """

    def __init__(self, loop: Loop, lost: Callable[[int], None], log: Callable[[str], None]) -> None:
        self._loop = loop
        self._lost = lost
        self._log = log
        self._problem = ""
        self._members: frozenset[int] = frozenset()
        self._callbacks = _Callbacks(_Notify(self._hear))
        self._follow()

    def _follow(self) -> None:
        try:
            self._begin()
            self._problem = ""
        except MembershipError as problem:
            if f"{problem}" != self._problem:
                self._problem = f"{problem}"
                self._log(f"the membership cannot be followed: {problem}")
            self._loop.after(AGAIN, self._follow)

    def _begin(self) -> None:
        try:
            self._library = ctypes.CDLL(QUORUM)
            self._node = _own_id()
        except OSError as problem:
            raise MembershipError(f"{problem}") from None
        self._members = frozenset()
        self._handle, kind, descriptor = ctypes.c_uint64(), ctypes.c_uint32(), ctypes.c_int()
        self._call(
            "quorum_initialize", ctypes.byref(self._handle), ctypes.byref(self._callbacks), ctypes.byref(kind)
        )
        try:
            self._call("quorum_fd_get", self._handle, ctypes.byref(descriptor))
            self._call("quorum_trackstart", self._handle, ctypes.c_uint(_CHANGES | 1))
        except MembershipError:
            self._library.quorum_finalize(self._handle)
            raise
        self._descriptor = descriptor.value
        self._loop.watch(self._descriptor, self._read)

    def _read(self) -> None:
        if self._library.quorum_dispatch(self._handle, _EVERYTHING) != _OK:  # Corosync has ended
            self._loop.unwatch(self._descriptor)
            self._library.quorum_finalize(self._handle)
            self._loop.after(AGAIN, self._follow)

    def _hear(
        self, _: int, __: int, number: int, count: int, nodes: ctypes._Pointer[ctypes.c_uint32]
    ) -> None:
        before, self._members = self._members, frozenset(nodes[:count])
        if has_lost(before, self._members, self._node):
            self._lost(number)

    def _call(self, name: str, *arguments: object) -> None:
        if (status := getattr(self._library, name)(*arguments)) != _OK:
            raise MembershipError(f"{name} says {status}")


def has_lost(before: Collection[int], after: Collection[int], node: int) -> bool:
    """Return whether somebody is missing, and it is this node's part to say so."""
    return bool(set(before) - set(after)) and min(after, default=node) == node


def _own_id() -> int:
    library, handle, node = ctypes.CDLL(CONFIGURATION), ctypes.c_uint64(), ctypes.c_uint32()
    if library.corosync_cfg_initialize(ctypes.byref(handle), None) != _OK:
        raise MembershipError("Corosync does not answer")
    status = library.corosync_cfg_local_get(handle, ctypes.byref(node))
    library.corosync_cfg_finalize(handle)
    if status != _OK:
        raise MembershipError(f"corosync_cfg_local_get says {status}")
    return node.value
