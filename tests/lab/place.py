"""Where does a lab keep what outlives the command that made it?

Everything is below /run/vsctl-lab/NAME, so that any process can take hold of
a running lab, and a second `up` can clear what a crash has left. Disks and
machines' writable layers are on a tmpfs that only the lab's own processes see.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.lab.problem import LabProblem
from tests.lab.waiting import wait

ROOT = Path("/run/vsctl-lab")
CHECKOUT = Path(__file__).resolve().parents[2]
OWNER = "owner"
"""The one recorded process that is not the lab's: whoever it was started for."""
MARK = "VSCTL_LAB_PLACE"
"""In the environment of every process that a lab starts: its place."""


class Place:
    """The directory of one lab, and the processes recorded in it."""

    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
            raise LabProblem(f"{name!r} cannot name a lab: use small letters, digits and -")
        self.name = name
        self.path = ROOT / name
        self.store = self.path / "store"
        self.shared = self.path / "shared"

    @property
    def exists(self) -> bool:
        return (self.path / "lab.json").exists()

    def make(self) -> None:
        for each in (self.store, self.shared, self.path / "pids"):
            each.mkdir(parents=True)
        self.path.chmod(0o711)

    def load(self, noun: str, default: Any = None) -> Any:
        try:
            return json.loads((self.path / f"{noun}.json").read_text())
        except FileNotFoundError:
            return default

    def save(self, noun: str, value: Any) -> None:
        new = self.path / f".{noun}.{os.getpid()}"
        new.write_text(json.dumps(value, indent=1))
        new.rename(self.path / f"{noun}.json")

    @contextlib.contextmanager
    def lock(self, noun: str) -> Iterator[None]:
        with (self.path / f".{noun}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def environment(self) -> dict[str, str]:
        """Return what every process in the lab gets; nothing of the caller's but its terminal."""
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "TZ": "UTC",  # what `history` takes the nodes' logs for
            "TERM": os.environ.get("TERM", "dumb"),
            MARK: str(self.path),
        }

    def record(self, what: str, pid: int) -> None:
        (self.path / "pids" / what).write_text(f"{pid} {_started(pid)}")

    def pid(self, what: str) -> int | None:
        """Return the process recorded as `what`, None if it has ended, even if its number is used again."""
        try:
            pid, started = (self.path / "pids" / what).read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _started(int(pid)) == started else None

    def enter(self, *namespaces: str) -> list[str]:
        """Return the words before a command that is to run in the lab's own namespaces (--mount, --net)."""
        holder = self.pid("holder")
        if holder is None:
            raise LabProblem(f"lab {self.name} is not up: start it with python -m tests.lab up")
        return ["nsenter", "--target", str(holder), *namespaces, "--"]

    def kill(self, what: str) -> None:
        """End a recorded process, and with the first of a pid namespace all of it."""
        pid = self.pid(what)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait(lambda: self.pid(what) is None, f"process {pid} ({what} of lab {self.name}) ends", 30, 0.005)
        (self.path / "pids" / what).unlink(missing_ok=True)

    def clear(self) -> bool:
        """End everything of this lab and forget it; tell whether there was anything.

        Works on whatever a crash has left, from the records where there are
        some, and from the mark in the processes' environment.
        """
        found = self.path.exists()
        devices = self.loops()  # while the kernel still shows where their files are
        pids = self.path / "pids"
        recorded = [each.name for each in pids.iterdir() if each.name != OWNER] if pids.exists() else []
        for what in sorted(recorded, key=lambda what: what == "holder"):  # the holder last
            self.kill(what)
        for pid in self.marked():
            found = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait(lambda: not self.marked(), f"all processes of lab {self.name} end", 30)
        for device in {*devices, *self.loops()}:
            subprocess.run(["losetup", "--detach", device], check=False, capture_output=True)
        wait(lambda: not self.loops(), f"the loop devices of lab {self.name} are released", 30)
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            ROOT.rmdir()
        return found

    def remains(self) -> list[str]:
        """Return what there is of this lab on the host, nothing when it is gone."""
        found = [f"process {pid}" for pid in self.marked()] + self.loops()
        return [*found, *([str(self.path)] if self.path.exists() else [])]

    def loops(self) -> list[str]:
        """Return the loop devices whose files are this lab's.

        Of a file whose mount has ended the kernel shows the end of its path only: then what was recorded decides.
        """
        recorded = {
            (Path(device).name, f"/disks/{disk['name']}")
            for disk in self.load("disks", [])
            for device in disk["loops"].values()
        }
        found = []
        for each in Path("/sys/block").glob("loop*/loop/backing_file"):
            with contextlib.suppress(OSError):
                file = each.read_text().strip()
                if f"{self.store}/" in file or (each.parts[3], file) in recorded:
                    found.append(f"/dev/{each.parts[3]}")
        return found

    def marked(self) -> list[int]:
        """Return every process that carries the lab's mark, recorded or not."""
        mark = f"{MARK}={self.path}".encode()
        found = []
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(each.name) != os.getpid() and mark in (each / "environ").read_bytes().split(b"\0"):
                    found.append(int(each.name))
        return found


def names() -> list[str]:
    """Return every lab of which there is anything."""
    return sorted(each.name for each in ROOT.iterdir()) if ROOT.exists() else []


def _started(pid: int) -> str:
    """Return when a process began, in ticks; nothing for one that has ended or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]
