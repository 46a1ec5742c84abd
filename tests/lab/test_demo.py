"""The README's first command, as a person runs it: on a terminal of 80 columns, and until they have seen enough."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import termios
import time
from pathlib import Path
from types import TracebackType

import pytest

from tests.lab.place import CHECKOUT, Place
from tests.lab.waiting import wait

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

COLUMNS = 80
CTRL_C = b"\x03"
PATIENCE = 300.0

ACTS = (
    "A cluster",
    "Clients write",
    "The power of n1 fails",
    "n1 is switched on again",
    "What was written is there",
    "Look around",
)
CLIENTS = 7
IN_ORDER = ["vs1", "vs2"]
"""Whose home is n1, by priority; where vs5 and vs6 were is the cluster's choice."""


class Terminal:
    """A terminal with a command in its foreground. What it has shown is `text`."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.screen, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (24, COLUMNS))
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=CHECKOUT,
            env=environment,
        )
        os.close(theirs)
        self.text = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.end()
        os.close(self.screen)

    def wait_for(self, sentence: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while sentence not in self.text:
            assert self._more(deadline), f"it ends without {sentence!r}:\n{self.text}"

    def press(self, key: bytes) -> None:
        os.write(self.screen, key)

    def end(self) -> int:
        """Wait for the end of the command and return how it ended, as subprocess does."""
        deadline = time.monotonic() + PATIENCE
        while self._more(deadline):
            pass
        return self.process.wait()

    def lines(self) -> list[str]:
        return self.text.replace("\r\n", "\n").split("\n")

    def _more(self, deadline: float) -> bool:
        """Read what is shown next; say whether there was anything before the terminal was left."""
        ready, _, _ = select.select([self.screen], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more is shown within {PATIENCE:g} s:\n{self.text}"
        try:
            shown = os.read(self.screen, 65536)
        except OSError:  # nobody has it open any more
            return False
        self.text += shown.decode()
        return True


def demo(lab_name: str) -> Terminal:
    """Start the demo, with the packages and vsctl as they are: other tests use them meanwhile."""
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment |= {"VSCTL_LAB": f"{lab_name}-demo", "TERM": "xterm"}
    return Terminal(["./run", "--old-file=.venv/installed", "demo"], environment)


def test_it_tells_its_story_on_eighty_columns_and_leaves_nothing(lab_name: str) -> None:
    with demo(lab_name) as terminal:
        assert terminal.end() == 0, terminal.text
    lines = terminal.lines()
    assert [each for each in lines if len(each) > COLUMNS] == []
    assert [each for each in lines if each in ACTS] == list(ACTS)
    verdicts = [
        each for each in lines if re.search(r" [1-9]\d* records acknowledged, 0 lost, 0 errors$", each)
    ]
    assert len(verdicts) == CLIENTS, terminal.text
    starts = re.findall(r"after +[\d.]+ s  (vs\d) starts on n[23]", terminal.text)
    assert [each for each in starts if each in IN_ORDER] == IN_ORDER, terminal.text
    assert "vs3" not in starts, "it is pinned to n1"
    assert sum("waits for n1" in each for each in lines) == 1, terminal.text
    place = Place(f"{lab_name}-demo")
    assert place.remains() == []
    assert mounts(place) == [], "nothing is mounted on the host any more"


def test_it_leaves_nothing_when_it_is_interrupted(lab_name: str) -> None:
    """By somebody who is impatient, and presses ctrl-C twice while servers start."""
    place = Place(f"{lab_name}-demo")
    groups = control_groups()
    with demo(lab_name) as terminal:
        terminal.wait_for("waiting until all of them serve")
        wait(lambda: "smbd" in names(inhabited(place)), "a server has begun to start", 60, 0.1)
        namespaces = inhabited(place)
        disks = {each for each in attached() if each[0] in place.loops()}
        assert disks, "they are attached by now"
        terminal.press(CTRL_C)
        terminal.press(CTRL_C)
        assert terminal.end() == -signal.SIGINT, terminal.text
    lines = terminal.lines()
    assert "Interrupted; everything the demo started is gone." in lines
    assert "Traceback" not in terminal.text, terminal.text
    assert [each for each in lines if len(each) > COLUMNS] == []
    assert place.remains() == []
    assert names(namespaces) == [], "nobody is left in its machines"
    assert attached() & disks == set()
    assert mounts(place) == []
    assert control_groups() <= groups


def mounts(place: Place) -> list[str]:
    """Return what is mounted for a lab on the host."""
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    return [each for each in table if f"{place.path}/" in each]


def inhabited(place: Place) -> set[str]:
    """Return the namespaces in which a lab has processes, but for the host's."""
    return {name for process in place.marked() for name in _namespaces(process)} - _namespaces(os.getpid())


def names(namespaces: set[str]) -> list[str]:
    """Return what the processes are called that are in any of these namespaces."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        if _namespaces(int(each.name)) & namespaces:
            with contextlib.suppress(OSError):  # it has ended
                found.append((each / "comm").read_text().strip())
    return found


def _namespaces(process: int) -> set[str]:
    """Return the namespaces of a process, none for one that has ended."""
    with contextlib.suppress(OSError):
        kinds = ("ipc", "mnt", "net", "pid", "uts")
        return {str(Path(f"/proc/{process}/ns/{kind}").readlink()) for kind in kinds}
    return set()


def attached() -> set[tuple[str, ...]]:
    """Return all loop devices that have a file, with what makes that unique."""
    listing = ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-MAJ:MIN,BACK-INO"]
    found = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    return {tuple(each.split()) for each in found.splitlines()}


def control_groups() -> set[Path]:
    return {each.parent for each in Path("/sys/fs/cgroup").rglob("cgroup.procs")}
