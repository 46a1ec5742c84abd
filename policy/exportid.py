"""Which number has an NFS export, for ever?

Ganesha puts it into every file handle, so it must be the same on every node
and after every change of the file.
"""

from __future__ import annotations

from collections.abc import Collection
from zlib import crc32

FIRST, LAST = 1, 65535


def export_id(server: str, filesystem: str, path: str) -> int:
    """Return the CRC-32 (zlib) of `server/filesystem/path`, folded into 1 to 65535.

    A published formula: changing it makes every file handle stale.
    """
    return crc32(f"{server}/{filesystem}{path}".encode()) % LAST + FIRST


def next_free(wanted: int, taken: Collection[int]) -> int:
    """Return the first free number after `wanted`, in the ring of all numbers."""
    numbers: tuple[int, ...] = (*range(wanted, LAST + 1), *range(FIRST, wanted))
    return next(each for each in numbers if each not in taken)
