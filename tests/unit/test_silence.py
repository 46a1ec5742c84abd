"""When does an agent, or the node daemon, say that storage hangs? With pipes that nobody writes to as devices."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsctl.agents import resident, silence
from vsctl.agents.noded import storage
from vsctl.agents.noded.judge import Record
from vsctl.agents.noded.loop import Loop
from vsctl.agents.noded.reading import Storage, Unit

ME = f"{os.getpid()} {resident.born(os.getpid())}"


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[str]:
    """A device whose reads do not come back before the test is over."""
    device = tmp_path / "device"
    os.mkfifo(device)
    yield str(device)
    os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK))  # lets who waits go on


@pytest.fixture
def note(hanging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The note of a daemon that lives; the path of its process file."""
    for name, text in {"PROCESS": ME, "SILENT": hanging}.items():
        (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.setattr(resident, name, str(tmp_path / name))
    return tmp_path / "PROCESS"


def test_what_does_not_answer_is_silent(hanging: str) -> None:
    assert silence.answer(hanging) == "its storage does not answer"
    assert silence.answer(f"{hanging}2") == "its storage answers: No such file or directory"


def test_who_waits_for_a_processor_proves_nothing(hanging: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            assert silence.answer(hanging) == ""
        finally:
            busy.kill()


@pytest.mark.parametrize(("works", "silent"), [(False, ["/dev/null"]), (True, []), (None, [])])
def test_a_unit_whose_reader_waits_for_a_processor_is_not_noted(
    works: bool | None, silent: list[str]
) -> None:
    watched = Storage(Loop(), lambda _: None, lambda: None)
    unit = watched.units["san1"] = Unit(("/dev/null",), Record(works=works, good=works))
    unit.state = storage.HUNG
    assert watched.silent == silent
    unit.end()
    os.waitpid(unit.process, 0)


def test_a_note_is_believed_while_its_writer_lives(hanging: str, note: Path) -> None:
    assert "does not now" in silence.of_device(hanging)
    note.write_text(f"{os.getpid()} 1\n")
    assert silence.of_device(hanging) == ""
