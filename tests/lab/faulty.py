"""A disk that fails on demand: a program, run by root as `python3 faulty.py IMAGE CONTROL`.

It says the name of a loop device, whose blocks are those of the image, and goes on until it is killed; then
the device answers every request with an error. What the device does in between is written to the
named pipe CONTROL, a line each:

    good    it works, and answers what it has kept waiting
    eio     every request is an error
    hang    no request is answered
    slow S  every request is answered after S seconds
    bad B   it works, but the byte B cannot be read

Between the loop device and the image is a FUSE filesystem whose root is a file
(linux/fuse.h), in a mount namespace of the program's own: so this needs
no device mapper, and nobody else sees it.
"""

import ctypes
import enum
import errno
import os
import selectors
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path


class Op(enum.IntEnum):
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42


UNANSWERED = (Op.FORGET, Op.INTERRUPT, Op.BATCH_FORGET)
FAILING = (Op.READ, Op.WRITE, Op.FSYNC, Op.GETATTR)
IN, OUT = struct.Struct("=IIQQIIIHH"), struct.Struct("=IiQ")
LARGEST = 1 << 17
DIRECT_IO = 1
CLONE_NEWNS, MS_PRIVATE, MS_REC = 0x20000, 1 << 18, 0x4000


class Disk:
    def __init__(self, image: str, fuse: int) -> None:
        self.image = os.open(image, os.O_RDWR)
        self.fuse = fuse
        self.mode = "good"
        self.number = 0.0
        self.waiting: list[tuple[float, bytes]] = []

    def obey(self, line: str) -> None:
        self.mode, _, number = line.partition(" ")
        self.number = float(number or 0)
        waiting, self.waiting = self.waiting, []
        for _, request in waiting:
            self.take(request)

    def take(self, request: bytes) -> None:
        opcode = IN.unpack_from(request)[1]
        if opcode in FAILING and self.mode in ("hang", "slow"):
            self.waiting.append((time.monotonic() + self.number, request))
        else:
            self.answer(request)

    def due(self) -> float | None:
        """Return the seconds until the next late answer, None if none is to come."""
        if self.mode != "slow" or not self.waiting:
            return None
        return max(0.0, self.waiting[0][0] - time.monotonic())

    def answer_late(self) -> None:
        while self.mode == "slow" and self.waiting and self.waiting[0][0] <= time.monotonic():
            self.answer(self.waiting.pop(0)[1])

    def answer(self, request: bytes) -> None:
        _, opcode, unique, *_ = IN.unpack_from(request)
        if opcode in UNANSWERED:
            return
        try:
            if self.fails(opcode, request[IN.size :]):
                raise OSError(errno.EIO, "on demand")
            error, body = 0, self.do(opcode, request[IN.size :])
        except OSError as problem:
            error, body = -(problem.errno or errno.EIO), b""
        try:
            os.write(self.fuse, OUT.pack(OUT.size + len(body), error, unique) + body)
        except FileNotFoundError:
            return  # who asked has been killed

    def fails(self, opcode: int, body: bytes) -> bool:
        if self.mode == "bad" and opcode == Op.READ:
            _, offset, size = struct.unpack_from("=QQI", body)
            return bool(offset <= self.number < offset + size)
        return self.mode == "eio" and opcode in FAILING

    def do(self, opcode: int, body: bytes) -> bytes:
        match opcode:
            case Op.INIT:
                return struct.pack("=IIIIHHIIHHI28x", 7, 31, LARGEST, 0, 64, 48, LARGEST, 1, 0, 0, 0)
            case Op.GETATTR | Op.SETATTR:
                size = os.fstat(self.image).st_size
                mode = stat.S_IFREG | 0o600
                times, owners = (0,) * 6, (0,) * 3
                return struct.pack(
                    "=QII6Q10I", 0, 0, 0, 1, size, size // 512, *times, mode, 1, *owners, 4096, 0
                )
            case Op.OPEN:
                return struct.pack("=QII", 0, DIRECT_IO, 0)
            case Op.READ:
                _, offset, size = struct.unpack_from("=QQI", body)
                return os.pread(self.image, size, offset)
            case Op.WRITE:
                _, offset, size = struct.unpack_from("=QQI", body)
                return struct.pack("=II", os.pwrite(self.image, body[40 : 40 + size], offset), 0)
            case Op.STATFS:
                return struct.pack("=5Q4I24x", 1 << 20, 0, 0, 1, 0, 4096, 255, 4096, 0)
            case Op.FSYNC:
                os.fsync(self.image)
                return b""
            case Op.RELEASE | Op.FLUSH | Op.DESTROY:
                return b""
        raise OSError(errno.ENOSYS, "a disk has no need of it")


def mount(place: str) -> int:
    """Put a FUSE filesystem that is one file over a file, in a namespace of our own."""
    library = ctypes.CDLL(None, use_errno=True)
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_NONBLOCK)
    options = f"fd={fuse},rootmode=100600,user_id=0,group_id=0".encode()
    for call, arguments in (
        ("unshare", (CLONE_NEWNS,)),
        ("mount", (None, b"/", None, MS_PRIVATE | MS_REC, None)),
        ("mount", (b"faulty", place.encode(), b"fuse", 0, options)),
    ):
        if getattr(library, call)(*arguments):
            raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")
    return fuse


class Failing:
    """A disk that fails on demand, for as long as it is not ended."""

    def __init__(self, image: Path) -> None:
        self.control = image.with_suffix(".control")
        self.program = subprocess.Popen(
            ["/usr/bin/python3", __file__, image, self.control], stdout=subprocess.PIPE, text=True
        )
        assert self.program.stdout
        self.device = self.program.stdout.readline().strip()
        assert self.device, f"{image} does not become a disk"

    def become(self, how: str) -> None:
        obey(self.control, how)

    def end(self) -> None:
        """Answer every request with an error from now on; the device is left for `losetup --detach`."""
        self.program.kill()
        self.program.wait()


def obey(control: Path, how: str) -> None:
    """Make the disk behind a control pipe good, or fail in the way that the program's beginning describes."""
    with control.open("w") as pipe:
        pipe.write(f"{how}\n")
    end = time.monotonic() + 10
    while _mode(control).read_text() != how:
        assert time.monotonic() < end, f"the disk behind {control} does not become {how}"
        time.sleep(0.005)


def _mode(control: Path) -> Path:
    return control.with_suffix(".mode")


def main(image: str, control: str) -> None:
    place = f"{control}.disk"
    Path(place).touch()
    os.mkfifo(control)
    orders = os.open(control, os.O_RDWR | os.O_NONBLOCK)
    mode = _mode(Path(control))
    mode.write_text("good")
    disk = Disk(image, mount(place))
    # It asks for the size of the file: the disk has to answer before this has ended.
    subprocess.Popen(["losetup", "--find", "--show", "--direct-io=on", place])
    watch = selectors.DefaultSelector()
    watch.register(disk.fuse, selectors.EVENT_READ)
    watch.register(orders, selectors.EVENT_READ)
    while True:
        for key, _ in watch.select(disk.due()):
            if key.fd == orders:
                for line in os.read(orders, 4096).decode().splitlines():
                    disk.obey(line)
                    mode.write_text(line)
                continue
            try:
                disk.take(os.read(disk.fuse, LARGEST + 4096))
            except (BlockingIOError, FileNotFoundError):
                continue  # who asked has been killed
        disk.answer_late()


if __name__ == "__main__":
    main(*sys.argv[1:])
