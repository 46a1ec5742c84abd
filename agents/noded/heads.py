"""Is what a filesystem keeps at fixed places of its device still whole there?

A kernel reads superblocks, group descriptors and the headers of allocation
groups once, when it mounts, and has them in memory from then on: whatever
happens to them on the device is news to the next node that mounts it. So they
are read here, from the storage itself, and their checksums computed.

The formats are those of fs/ext4/ext4.h and fs/xfs/libxfs/xfs_format.h.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable

from vsctl.agents.damage import EXT

Read = Callable[[int, int], bytes]
"""Reads so many bytes from a place on."""

PAGE = 4096
"""What is read is aligned to this, and a multiple of it: that suits every disk."""


def wrong(type: str, read: Read, turn: int) -> str:
    """Say what is wrong with the superblock, or with those others whose turn it is; nothing if all is well."""
    if type in EXT:
        return _ext4(read, turn)
    if type == "xfs":
        return _xfs(read, turn)
    return ""


def reader(device: str) -> Read:
    """Return what reads a device past all memory; whoever calls it may wait for ever."""
    descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)

    def read(at: int, size: int) -> bytes:
        first = at - at % PAGE
        whole = -(-(at + size - first) // PAGE) * PAGE
        page = mmap.mmap(-1, whole)
        got = os.preadv(descriptor, [page], first)
        return page[at - first : min(got, at - first + size)]

    return read


_SUPERBLOCK, _SIZE = 1024, 1024
"""Where that of ext4 is, and as much as is looked at of any."""
_SEED = 0xFFFFFFFF
_SUMS, _WIDE, _SEEDED, _SPREAD = 0x400, 0x80, 0x2000, 0x10
"""Features: checksums; descriptors of 64 bytes, a seed that is kept, and descriptors that are not all in one place."""


def _ext4(read: Read, turn: int) -> str:
    head = read(_SUPERBLOCK, _SIZE)
    if head[0x38:0x3A] != b"\x53\xef":
        return "there is no superblock any more"
    incompatible, tolerable = _little(head, 0x60, 4), _little(head, 0x64, 4)
    if not tolerable & _SUMS:
        return ""
    if _little(head, 0x3FC, 4) != crc32c(_SEED, head[:0x3FC]):
        return "the checksum of the superblock is wrong"
    if incompatible & _SPREAD:
        return ""
    seed = _little(head, 0x270, 4) if incompatible & _SEEDED else crc32c(_SEED, head[0x68:0x78])
    width = _little(head, 0xFE, 2) if incompatible & _WIDE else 32
    block = 1024 << _little(head, 0x18, 4)
    blocks = _little(head, 0x04, 4) + (_little(head, 0x150, 4) << 32 if incompatible & _WIDE else 0)
    first = _little(head, 0x14, 4)
    groups = -(-(blocks - first) // _little(head, 0x20, 4))
    each = block // width
    begin = turn % -(-groups // each) * each
    table = read((_SUPERBLOCK // block + 1) * block + begin * width, min(each, groups - begin) * width)
    for group in range(begin, min(begin + each, groups)):
        one = table[(group - begin) * width :][:width]
        sum = crc32c(crc32c(seed, group.to_bytes(4, "little")), one[:0x1E] + b"\0\0" + one[0x20:])
        if _little(one, 0x1E, 2) != sum & 0xFFFF:
            return f"the checksum of the descriptor of group {group} is wrong"
    return ""


_CHECKED = 5
"""The version of XFS that has checksums."""
_HEADERS = (("free space", b"XAGF", 216), ("inodes", b"XAGI", 312), ("list of free blocks", b"XAFL", 32))
"""The sectors after the (copy of the) superblock in every allocation group: magic, and where the checksum is."""


def _xfs(read: Read, turn: int) -> str:
    head = read(0, _SIZE)
    if head[:4] != b"XFSB":
        return "there is no superblock any more"
    if _big(head, 100, 2) & 0xF != _CHECKED:
        return ""
    sector = _big(head, 102, 2)
    if not _is_whole(read(0, sector), 224):
        return "the checksum of the superblock is wrong"
    group = turn % _big(head, 88, 4)
    at = group * _big(head, 84, 4) * _big(head, 4, 4) + sector
    headers = read(at, len(_HEADERS) * sector)
    for number, (what, magic, sum) in enumerate(_HEADERS):
        one = headers[number * sector :][:sector]
        if one[:4] != magic or not _is_whole(one, sum):
            return f"the header of allocation group {group} for its {what} is wrong"
    return ""


def _is_whole(sector: bytes, sum: int) -> bool:
    there = _little(sector, sum, 4)
    return there == crc32c(_SEED, sector[:sum] + bytes(4) + sector[sum + 4 :]) ^ _SEED


def crc32c(register: int, data: bytes) -> int:
    """Return the register of a Castagnoli checksum after more data; it begins with all ones."""
    for each in data:
        register = register >> 8 ^ _TABLE[(register ^ each) & 0xFF]
    return register


def _row(register: int) -> int:
    for _ in range(8):
        register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register


_TABLE = tuple(map(_row, range(256)))


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
