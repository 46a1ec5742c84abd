"""What is a machine?

A set of namespaces with a root of its own. Its first process is `boot`; it
lives as long as that does.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lab.place import CHECKOUT, Place
from tests.lab.problem import LabProblem
from tests.lab.topology import Spec


class Machine:
    """One machine of a lab, on or off."""

    def __init__(self, place: Place, spec: Spec) -> None:
        self.place = place
        self.spec = spec
        self.name = spec.name

    @property
    def pid(self) -> int | None:
        """The machine's first process, as this host numbers it; None when the machine is off."""
        return self.place.pid(self.name)

    @property
    def is_on(self) -> bool:
        return self.pid is not None

    def power_on(self) -> None:
        """Start the machine, without ports. One that is on stays as it is."""
        if self.is_on:
            return
        store = self.place.store / self.name
        script = CHECKOUT / "tests/lab/boot"
        process = subprocess.Popen(
            [
                *self.place.enter("--mount"),
                *("unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "--"),
                *("sh", str(script), self.name, str(store), str(self.place.shared), str(CHECKOUT)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.place.environment(),
            start_new_session=True,
        )
        assert process.stdout
        with process.stdout as said:
            first = said.readline()
            if first.strip().isdigit():
                self.place.record(self.name, int(first))
            rest = said.readline()
            if rest != "up\n":
                self.place.kill(self.name)
                raise LabProblem(f"{self.name} does not boot: {(first + rest + said.read()).strip()}")
        _Reaper.adopt(process)

    def power_off(self) -> None:
        """End every process of the machine at once."""
        self.place.kill(self.name)

    def run(
        self,
        command: Sequence[str | Path],
        *,
        check: bool = True,
        input: str | None = None,
        timeout: float | None = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine and return what it said; with `check`, LabProblem if it fails."""
        try:
            done = subprocess.run(
                [*self.enter(), *map(str, command)],
                env=self.place.environment(),
                cwd="/",
                text=True,
                errors="replace",
                capture_output=True,
                timeout=timeout,
                **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}),
            )
        except subprocess.TimeoutExpired:
            words = " ".join(map(str, command))
            raise LabProblem(f"{self.name}: {words} did not end in {timeout:g} s") from None
        if check and done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise LabProblem(f"{self.name}: {' '.join(map(str, command))} exits {done.returncode}: {said}")
        return done

    def ask(self, module: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of the lab's own programs, in the machine; whether it succeeds is for the caller to see."""
        place = ["env", f"--chdir={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1"]
        return self.run([*place, sys.executable, "-m", module, *words], check=False)

    def popen(self, command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """Start a command in the machine; options are those of subprocess.Popen.

        The process outside is nsenter; the command itself ends with the machine.
        """
        return subprocess.Popen(
            [*self.enter(), *map(str, command)], **{"env": self.place.environment(), "cwd": "/", **options}
        )

    def spawn(self, command: Sequence[str | Path]) -> None:
        """Start a daemon that does not put itself into the background."""
        self.run(["setsid", "--fork", "sh", "-c", 'exec "$@" >/dev/null 2>&1 </dev/null', "sh", *command])

    def path(self, inside: str) -> Path:
        """Return where a file of the machine is seen from here; the machine must be on."""
        return Path(f"/proc/{self._require()}/root") / inside.lstrip("/")

    def saved(self, inside: str) -> Path:
        """Return where a file that the machine wrote to its own disk is seen from here, on or off."""
        store = Path(f"/proc/{self.place.pid('holder')}/root{self.place.store}")
        return store / self.name / "upper" / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        file = self.path(inside)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def enter(self) -> list[str]:
        """Return the words before a command that is to run in the machine."""
        return [*f"nsenter --target {self._require()} --mount --uts --ipc --net --pid --".split()]

    def _require(self) -> int:
        if (pid := self.pid) is None:
            raise LabProblem(f"{self.name} is off: boot it first")
        return pid


class _Reaper:
    """Keeps the `unshare` around each machine until it has ended, so that none becomes a zombie."""

    adopted: list[subprocess.Popen[str]] = []

    @classmethod
    def adopt(cls, process: subprocess.Popen[str]) -> None:
        cls.adopted = [each for each in (*cls.adopted, process) if each.poll() is None]
