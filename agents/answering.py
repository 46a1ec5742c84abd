"""How is a checker heard and answered, and ended as soon as its device fails it?

`e2fsck -y` says yes as well when it is asked whether to go on without what could
not be read, and whether to write that anew. So it is left to ask, on a
terminal, where it waits for every answer: where its device has failed it gets none. Every
checker is ended then, and what it found so far does not count.

Checkers say names of files, which clients have chosen. None of them decides
anything: e2fsck shows a newline as ^J, so no name begins a line, and it is
believed to ask only while its terminal is as it makes it for an answer. XFS's write names as they are,
but each of their sentences at once, and only its beginning counts. e2image says no names.
"""

from __future__ import annotations

import os
import re
import select
import signal
import termios
import tty

YES = b"y"
_QUESTION = re.compile(rb"(?:<y>|<n>| \(y/n\))\? $")
"""The end of what e2fsck says when it asks (ask_yn(), e2fsck/util.c)."""
_OF_DEVICE = re.compile(
    rb"(?:(?:Ignore error|Force rewrite)(?: \('a' enables 'yes' to all\) )?|Do you really want to continue)"
    rb"(?:<y>|<n>| \(y/n\))\? $"
)
"""What e2fsck asks about a device that fails it (e2fsck/ehandler.c), or is in use, wherever the line began.

It lists what it finds without ending the line, and its device may fail it between two words.
"""
_OF_E2FSCK = re.compile(
    rb"^(?:Error (?:reading|writing) block "
    rb"|e2(?:fsck|image): (?:Input/output error|Device or resource busy|No such (?:file|device)[a-z ]*) while "
    rb"|Error (?:flushing writes to|writing file system info))",
    re.MULTILINE,
)
_OF_OTHERS = re.compile(
    rb"xfs_(?:repair|metadump|db): (?:(?:p?read|p?write) failed|flush of |Flushing the |cannot open )"
    rb"|superblock read failed, [^\n]* rval -1\b"
)
"""What checkers say of a device that fails them, is gone or in use: no client has chosen how they begin."""
_WITHIN = b"\0"
"""Stands for the beginning of a line that is not kept: what comes next does not begin one."""
_KEPT = 4096
"""So many bytes hold the line that has just begun, and its question."""


def asks_about_device(said: bytes) -> bool:
    """Say whether e2fsck asks what to do about a device that fails it."""
    return bool(_OF_DEVICE.search(said))


def is_question(said: bytes) -> bool:
    return bool(_QUESTION.search(said))


def says_failure(lines: bytes) -> bool:
    """Say whether e2fsck or e2image, by lines from their beginning, says that its device fails it."""
    return bool(_OF_E2FSCK.search(lines))


def tells_failure(sentence: bytes) -> bool:
    """Say whether another checker tells by a sentence that its device fails it."""
    return bool(_OF_OTHERS.match(sentence))


def unfinished(said: bytes) -> bytes:
    """Return the line that has begun and not ended, without its middle if it is long."""
    line = said[said.rfind(b"\n") + 1 :]
    return line if len(line) <= _KEPT else _WITHIN + line[-_KEPT:]


class Ear:
    """What a checker speaks to: all it says goes where this process says it."""

    line = -1
    """Where it is heard; to be waited for."""
    _theirs = -1

    def __init__(self) -> None:
        self.has_failed = False
        """Whether the checker was ended for what it said of its device."""

    @property
    def files(self) -> list[tuple[int, int, int]]:
        """Return what makes it standard output and error of a process that is spawned, and input if it is answered."""
        return [(os.POSIX_SPAWN_DUP2, self._theirs, each) for each in (1, 2)]

    def hear(self, checker: int) -> None:
        """Hear what has just been said, and act on it."""
        raise NotImplementedError

    def end(self) -> None:
        os.close(self.line)
        os.close(self._theirs)

    def _take(self) -> bytes:
        words = os.read(self.line, 1 << 16)
        say(words)
        return words

    def _fail(self, checker: int) -> None:
        self.has_failed = True
        os.kill(checker, signal.SIGKILL)


class Terminal(Ear):
    """What e2fsck speaks to, which asks; it is told yes."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self._be_patient()
        self._said = b""

    @property
    def files(self) -> list[tuple[int, int, int]]:
        return [(os.POSIX_SPAWN_DUP2, self._theirs, 0), *super().files]

    def hear(self, checker: int) -> None:
        self._said += self._take()
        if self.has_failed:
            return
        if says_failure(self._said):
            self._fail(checker)
        elif is_question(self._said) and self._is_asking:
            # Now it waits. All that it had said before is here when nothing more is: the kernel hands it over first.
            while select.select([self.line], [], [], 0)[0]:
                self._said += self._take()
            if is_question(self._said):
                self._answer(checker)
        self._said = unfinished(self._said)

    def _answer(self, checker: int) -> None:
        if asks_about_device(self._said):
            self._fail(checker)
            return
        termios.tcflush(self._theirs, termios.TCIFLUSH)  # nothing but this answers it
        os.write(self.line, YES)
        self._said = _WITHIN

    def _be_patient(self) -> None:
        """Make the terminal one that waits for whole lines: e2fsck has it not do so for as long as it asks."""
        how = termios.tcgetattr(self._theirs)
        how[_LOCAL] |= termios.ICANON
        termios.tcsetattr(self._theirs, termios.TCSANOW, how)

    @property
    def _is_asking(self) -> bool:
        return not termios.tcgetattr(self._theirs)[_LOCAL] & termios.ICANON


class Pipe(Ear):
    """What all other checkers speak to, which ask nothing; what they write at once is heard at once."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self._theirs = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)

    def hear(self, checker: int) -> None:
        words = self._take()
        if not self.has_failed and tells_failure(words):
            self._fail(checker)


class Lines(Pipe):
    """What e2image speaks to, which says each sentence in pieces (com_err(3))."""

    def __init__(self) -> None:
        super().__init__()
        self._said = b""

    def hear(self, checker: int) -> None:
        self._said += self._take()
        if not self.has_failed and says_failure(self._said):
            self._fail(checker)
        self._said = unfinished(self._said)


_LOCAL = 3
"""Where the local modes are in what tcgetattr() returns."""


def ear(program: str) -> Ear:
    """Return what a checker is to speak to."""
    return {"e2fsck": Terminal, "e2image": Lines}.get(program, Pipe)()


def say(words: bytes) -> None:
    """Write to the log of the repair. A log that takes no more costs the words, not the repair."""
    try:
        while words:
            words = words[os.write(1, words) :]
    except OSError:
        return
