"""Who is in the cluster now, by Corosync's own word, and when has somebody dropped out?

Corosync's quorum library (quorum_initialize(3) and its kin) by ctypes: it says
so at the same moment as Pacemaker hears it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection

from vsctl.agents.noded.loop import Loop

QUORUM, CONFIGURATION = "libquorum.so.5", "libcfg.so.7"
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
    """Follows the membership. `lost` is called with its number when nodes have left it, on its lowest node alone."""

    def __init__(self, loop: Loop, lost: Callable[[int], None]) -> None:
        self._loop = loop
        self._lost = lost
        self._members: frozenset[int] = frozenset()
        self._callbacks = _Callbacks(_Notify(self._hear))
        try:
            self._library = ctypes.CDLL(QUORUM)
            self._node = _own_id()
        except OSError as problem:
            raise MembershipError(f"{problem}") from None
        self._handle, kind, descriptor = ctypes.c_uint64(), ctypes.c_uint32(), ctypes.c_int()
        self._call(
            "quorum_initialize", ctypes.byref(self._handle), ctypes.byref(self._callbacks), ctypes.byref(kind)
        )
        self._call("quorum_fd_get", self._handle, ctypes.byref(descriptor))
        self._call("quorum_trackstart", self._handle, ctypes.c_uint(_CHANGES | 1))
        self._descriptor = descriptor.value
        loop.watch(self._descriptor, self._read)

    def _read(self) -> None:
        if self._library.quorum_dispatch(self._handle, _EVERYTHING) != _OK:  # Corosync has ended
            self._loop.unwatch(self._descriptor)

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
    library.corosync_cfg_local_get(handle, ctypes.byref(node))
    library.corosync_cfg_finalize(handle)
    return node.value
