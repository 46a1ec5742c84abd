"""Which of a checker's questions are answered, and for what is it ended?"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vsctl.agents import answering, progress, repairing
from vsctl.agents.answering import (
    Ear,
    Pipe,
    Terminal,
    asks_about_device,
    is_question,
    says_failure,
    tells_failure,
    unfinished,
)


@pytest.mark.parametrize(
    ("said", "failure", "question"),
    [
        (b"Pass 2: Checking directory structure\n", False, False),
        (b"Entry 'x' in / (2) has deleted inode 12.  Clear<y>? ", False, True),
        (b"Unconnected directory inode 12 (was in /)\n\nConnect to /lost+found ('a' enables 'yes' to all) <y>? ", False, True),
        (b"Pass 1\nError reading block 5 (Input/output error) while doing inode scan.  Ignore error<y>? ", True, True),
        (b"Error writing block 5 (Input/output error).  Ignore error<y>? ", True, True),
        (b"Entry 'Error reading block 5 (Input/output error)' in / (2) has deleted inode 12.  Clear<y>? ", False, True),
        (b"Entry 'e2fsck: Input/output error while x' in / (2) has deleted inode 12.  Clear<y>? ", False, True),
        (b"Multiply-claimed block(s) in inode 12: 25 26Error reading block 99 (Input/output error).  Ignore error<y>? ", True, True),
        (b"25 26Error writing block 99 (Input/output error).  Force rewrite ('a' enables 'yes' to all) <y>? ", True, True),
        (b"25 26Error reading block 99 (Input/output error).  Ignore error (y/n)? ", True, True),
        (b"25 26Error writing block 99 (Input/output error).  Force rewrite<n>? ", True, True),
        (b"Entry 'Ignore error<y>? ' in / (2) has deleted inode 12.  Clear<y>? ", False, True),
        (b"\nDo you really want to continue<n>? ", True, True),
        (b"e2fsck: Input/output error while trying to open /dev/sdz\n", True, False),
        (b"e2image: Input/output error while trying to open /dev/sdz\n", True, False),
        (b"e2fsck: No such device or address while trying to open /dev/sdz\n", True, False),
        (b"e2fsck: Bad magic number in super-block while trying to open /dev/sdz\n", False, False),
        (b"Error flushing writes to storage device: Input/output error\n", True, False),
    ],
)  # fmt: skip
def test_what_is_made_of_what_e2fsck_says(said: bytes, failure: bool, question: bool) -> None:
    assert (says_failure(said) or asks_about_device(said), is_question(said)) == (failure, question)


@pytest.mark.parametrize(
    ("sentence", "failure"),
    [
        (b"xfs_repair: read failed: Input/output error\n", True),
        (b"xfs_repair: pwrite failed: Input/output error\n", True),
        (b"xfs_repair: write failed on xfs_inode bno 0x40/0x20, err=5\n", True),
        (b"superblock read failed, offset 0, size 524288, ag 0, rval -1\n", True),
        (b"superblock read failed, offset 9999, size 524288, ag 9, rval 0\n", False),
        (b"xfs_metadump: read failed: Input/output error\n", True),
        (b'entry "x\nxfs_repair: read failed: Input/output error\n" in directory inode 131 ...\n', False),
        (b"Phase 3 - for each AG...\n", False),
    ],
)
def test_what_is_made_of_what_others_say(sentence: bytes, failure: bool) -> None:
    assert tells_failure(sentence) is failure


def test_the_middle_of_a_line_is_never_taken_for_its_beginning() -> None:
    words = b"Error reading block 7"
    assert not says_failure(unfinished(b"25 " * 2000 + words + bytes(4096 - len(words))))
    assert unfinished(b"Pass 1\nPass 2\nEnt") == b"Ent"


CHECKER = """
import os, sys, termios

def ask(question):
    before, how = termios.tcgetattr(0), termios.tcgetattr(0)
    how[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(0, termios.TCSANOW, how)
    os.write(1, question + b"<y>? ")
    if waits: await_go()
    answer = os.read(0, 1)
    os.write(1, b"yes\\n\\n")
    termios.tcsetattr(0, termios.TCSANOW, before)
    return answer

def await_go():
    os.read(int(sys.argv[1]), 1)

waits = False
"""
"""What asks as e2fsck does (ask_yn(), e2fsck/util.c), and goes on where the test lets it."""


class Checker:
    """A process that speaks to an ear."""

    def __init__(self, ear: Ear, code: str) -> None:
        self.ear = ear
        self._go, tell = os.pipe()
        os.set_inheritable(self._go, True)
        self._tell = tell
        command = [sys.executable, "-IS", "-c", CHECKER + code, str(self._go)]
        self.process = os.posix_spawn(sys.executable, command, os.environ, file_actions=ear.files)

    def go(self) -> None:
        os.write(self._tell, b"g")

    def end(self) -> int:
        """Hear it to its end, and return its exit status."""
        return repairing._await(self.process, self.ear, lambda: None)

    def leave(self) -> None:
        self.ear.end()
        os.close(self._go)
        os.close(self._tell)


@pytest.fixture
def checker() -> Iterator[type]:
    begun: list[Checker] = []

    def begin(ear: Ear, code: str) -> Checker:
        begun.append(Checker(ear, code))
        return begun[-1]

    yield begin
    for each in begun:
        each.leave()


def heard(checker: Checker, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Hear a checker until it has said so much."""
    said = ""
    while text not in said:
        checker.ear.hear(checker.process)
        said += capfd.readouterr().out


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("error", "fails"), [("Input/output error", True), ("Permission denied", False)])
def test_a_sentence_in_pieces_is_one_sentence(checker, error: str, fails: bool) -> None:
    """As com_err(3) writes them."""
    code = f"for each in (b'e2image', b': ', b'{error}', b' while reading inode table'): os.write(2, each)\nawait_go()"
    spoken = checker(answering.ear("e2image"), code)
    if not fails:
        spoken.go()
    assert (spoken.end() != 0) is spoken.ear.has_failed is fails


@pytest.mark.timeout(30)
def test_a_name_that_looks_like_a_question_answers_none(checker, capfd) -> None:
    """What is typed ahead would be the answer to the next one, whatever that is."""
    code = """
os.write(1, b"Entry 'x<y>? ")
await_go()
os.write(1, b"' in / (2) has deleted inode 12.  25 Error reading block 7 (Input/output error)")
ask(b".  Ignore error")
"""
    it = checker(Terminal(), code)
    heard(it, "x<y>? ", capfd)
    it.go()
    assert it.end() == -signal.SIGKILL
    assert it.ear.has_failed
    assert "yes" not in capfd.readouterr().out, "it was told to ignore an error"


@pytest.mark.timeout(30)
def test_nothing_but_the_answer_answers(checker, capfd) -> None:
    it = checker(Terminal(), "waits = True\nsys.exit(0 if ask(b'Clear') == b'y' else 1)")
    os.write(it.ear.line, b"n")
    heard(it, "Clear<y>? ", capfd)
    it.go()
    assert it.end() == 0
    assert not it.ear.has_failed


@pytest.mark.timeout(30)
def test_a_name_with_a_newline_in_it_ends_nobody(checker, capfd) -> None:
    name = 'entry \\"x\\nxfs_repair: read failed: Input/output error\\n\\" in directory inode 131\\n'
    it = checker(Pipe(), f'os.write(2, b"{name}")')
    assert it.end() == 0
    assert not it.ear.has_failed
    assert "in directory inode 131" in capfd.readouterr().out


@pytest.mark.timeout(30)
def test_who_reads_in_vain_is_ended(checker) -> None:
    it = checker(Pipe(), 'os.write(2, b"xfs_repair: read failed: Input/output error\\n"); await_go()')
    assert it.end() == -signal.SIGKILL
    assert it.ear.has_failed


def test_each_sentence_begins_where_it_was_written(checker) -> None:
    """However late it is read."""
    it = checker(Pipe(), 'os.write(2, b"- agno = 1, "); os.write(2, b"xfs_repair: read failed: x\\n")')
    os.waitid(os.P_PID, it.process, os.WEXITED | os.WNOWAIT)
    it.end()
    assert it.ear.has_failed


@pytest.mark.timeout(30)
def test_what_a_checker_counts_is_taken_as_it_comes(monkeypatch) -> None:
    """A pipe that is full would hold it up."""
    monkeypatch.setattr(repairing, "LOOK_EVERY", 3600.0)
    monkeypatch.setattr(repairing, "GENTLY", ["env"])
    ear, counter = Pipe(), progress.Counter()
    code = (
        "import os\nfor n in range(1000): os.write(9, b'2 %d 1000 /dev/sdz\\n' % n + bytes(1 << 12) + b'\\n')"
    )
    try:
        child = repairing._spawn([sys.executable, "-IS", "-c", code], ear, counter.theirs)
        looks: list[float] = []
        assert repairing._await(child, ear, lambda: looks.append(0), counter) == 0
        assert looks == [], "nobody has to look at it"
    finally:
        ear.end()
        counter.end()


@pytest.mark.timeout(30)
def test_nobody_waits_for_a_cluster_that_takes_no_news(tmp_path: Path, monkeypatch) -> None:
    """A checker is not heard meanwhile."""
    told, gate = tmp_path / "told", tmp_path / "gate"
    os.mkfifo(gate)
    updater = tmp_path / "attrd_updater"
    updater.write_text(f'#!/bin/sh\necho "$@" >> {told}.new; read _ < {gate}; mv {told}.new {told}\n')
    updater.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    teller = progress.Teller("repair-vs1.data", 1.0)
    teller.tell("checking", 10)
    teller.tell("repairing", 20)
    assert not told.exists()
    with gate.open("w"):  # it has begun, and is let go
        pass
    while not told.exists():
        teller.tell("repairing", 20)
    assert told.read_text() == "--private --name repair-vs1.data --update 1 10 checking\n"
    monkeypatch.setattr(progress, "LIMIT", 0.0)
    (tmp_path / "gate").unlink()
    gate.write_text("")
    told.unlink()
    teller.end()
    assert told.read_text().endswith("--private --name repair-vs1.data --delete\n")
