"""Who uses a virtual server, and what do they see?

Real NFS and SMB clients, each a process in a client machine:

    with Client.nfs(lab.client("c1"), "192.0.2.11", "/data/projects") as writer:
        writer.wait_for_progress()
        lab.kill("n1")
        writer.wait_for_progress()
    assert writer.report().longest_gap < 5
    assert not writer.report().errors
    assert writer.missing() == []
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from types import TracebackType

from tests.lab.clients.journal import Event, Report, read
from tests.lab.machine import Machine
from tests.lab.place import CHECKOUT
from tests.lab.problem import LabProblem
from tests.lab.waiting import wait

__all__ = ["Client", "Event", "Report"]


class Client:
    """One client program. Starts with `start` or as a context manager, may be asked any time."""

    def __init__(self, machine: Machine, kind: str, host: str, path: str = "", *options: str) -> None:
        self.machine = machine
        self.run = secrets.token_hex(4)
        self.name = f"{machine.name}-{kind}-{host.replace(':', '_')}-{self.run}"
        self.journal = machine.place.shared / f"{self.name}.jsonl"
        self.log = self.journal.with_suffix(".log")
        self.what = f"{kind} client of {host}{path and ' ' + path} on {machine.name}"
        journal = ["--journal", f"/run/lab/{self.journal.name}", "--run", self.run]
        self.command = [kind, host, *([path] if path else []), *journal, *options]
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def nfs(cls, machine: Machine, host: str, path: str, file: str = "nfs-records") -> Client:
        """Return an NFSv3 writer of synced records into a file of an export."""
        return cls(machine, "nfs", host, path, "--file", file)

    @classmethod
    def nfs41(cls, machine: Machine, host: str, path: str, file: str = "nfs41-records") -> Client:
        """Return an NFSv4.1 writer of synced records into a file that it keeps open, and reclaims."""
        return cls(machine, "nfs41", host, path, "--file", file)

    @classmethod
    def smb(
        cls, machine: Machine, host: str, share: str, user: str, password: str, file: str = "smb-records"
    ) -> Client:
        """Return an SMB writer of flushed records into a file of a share."""
        return cls(machine, "smb", host, share, "--file", file, "--user", user, "--password", password)

    @classmethod
    def nlm(cls, machine: Machine, host: str, path: str, file: str = "locked") -> Client:
        """Return one who holds an NFSv3 lock and reclaims it; each grant is an acknowledgement. One a machine."""
        return cls(machine, "nlm", host, path, "--file", file)

    @classmethod
    def nfs4(cls, machine: Machine, host: str, path: str, file: str = "nfs4-file") -> Client:
        """Return one who makes and writes files by NFSv4; each that was closed is an acknowledgement."""
        return cls(machine, "nfs4", host, path, "--file", file)

    @classmethod
    def answers(cls, machine: Machine, host: str, protocol: str = "nfs") -> Client:
        """Return a prober, nfs or smb: a new connection and one question every 50 ms."""
        return cls(machine, f"answers-{protocol}", host)

    def start(self) -> Client:
        with self.log.open("wb") as log:
            self.process = self.machine.popen(
                self._python(), stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def stop(self) -> Report:
        """Tell the client to stop, and return its report."""
        if self.process is not None and self.process.poll() is None:
            assert self.process.stdin
            self.process.stdin.close()  # what the client waits for, besides its work
            self.process.wait()
        return self.report()

    def __enter__(self) -> Client:
        return self.start()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def report(self) -> Report:
        """Return what the client has lived through so far."""
        if not self.journal.exists():
            return Report((), time.monotonic())
        # At once, not line by line: a line that is half there would be met again as its other half.
        return read(self.journal.read_text().splitlines(keepends=True))

    def wait_for_progress(self, limit: float = 60, since: float | None = None) -> float:
        """Wait until something is acknowledged after `since` (monotonic; now); return when that was."""
        begin = time.monotonic() if since is None else since

        def progress() -> float | None:
            if self.process is not None and self.process.poll() is not None:
                raise LabProblem(f"{self.what} has ended: {self.log.read_text()[-2000:]}")
            return next((at for at in self.report().acks if at > begin), None)

        return float(wait(progress, f"{self.what} gets on", limit) or 0)

    def missing(self) -> list[int]:
        """Return the numbers of acknowledged records that cannot be read back."""
        done = self.machine.run([*self._python(), "--verify"], timeout=300)
        return [int(n) for n in json.loads(done.stdout)]

    def _python(self) -> list[str]:
        place = ["env", f"--chdir={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1"]
        return [*place, sys.executable, "-m", "tests.lab.clients", *self.command]
