"""How is a checker heard and answered, and ended as soon as its device fails it?

`e2fsck -y` says yes as well when it is asked whether to go on without what could
not be read, and whether to write that anew. So it is left to ask, on a
terminal, where it waits for every answer: where its device has failed it gets none. Every
checker is ended then, and what it found so far does not count.
"""

from __future__ import annotations

import os
import re
import signal
import tty

YES = b"y"
_QUESTION = re.compile(rb"(?:<y>|<n>| \(y/n\))\? $")
"""The end of what e2fsck says when it asks (ask_yn(), e2fsck/util.c)."""
_FAILED = re.compile(
    rb"^Error (?:reading|writing) block |^xfs_repair: p?(?:read|write) failed: |^Do you really want to continue",
    re.MULTILINE,
)
"""What a checker says of a device that fails it, or is in use: where a line begins, no client has chosen the words."""
_OF_DEVICE = re.compile(
    rb"(?:Ignore error|Force rewrite)(?: \('a' enables 'yes' to all\) )?(?:<y>|<n>| \(y/n\))\? $"
)
"""What e2fsck asks about a device that fails it, wherever the line began (e2fsck/ehandler.c).

It lists what it finds without ending the line, and its device may fail it between two words.
"""
_KEPT = 4096
"""So many bytes hold the line that has just begun, and its question."""


def is_failure(said: bytes) -> bool:
    """Say whether a checker should be ended for what it has just said."""
    return bool(_FAILED.search(said) or _OF_DEVICE.search(said))


def is_question(said: bytes) -> bool:
    return bool(_QUESTION.search(said))


class Terminal:
    """What a checker speaks to: all it says goes where this process says it."""

    def __init__(self) -> None:
        self.line, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self._said = b""
        self.has_failed = False
        """Whether the checker was ended for what it said of its device."""

    @property
    def files(self) -> list[tuple[int, int, int]]:
        """Return what makes it standard input, output and error of a process that is spawned."""
        return [(os.POSIX_SPAWN_DUP2, self._theirs, each) for each in (0, 1, 2)]

    def begun(self) -> None:
        """Leave the checker's side to the checker, so that its end is seen."""
        os.close(self._theirs)

    def hear(self, checker: int) -> bool:
        """Hear what has just been said, and answer it; False once nothing more will come."""
        try:
            words = os.read(self.line, 1 << 16)
        except OSError:  # EIO: nobody has the other side any more
            return False
        _say(words)
        self._said = (self._said + words)[-_KEPT - len(words) :]
        if not self.has_failed and is_failure(self._said):
            self.has_failed = True
            os.kill(checker, signal.SIGKILL)
        elif is_question(self._said) and not self.has_failed:
            os.write(self.line, YES)
            self._said = b""
        return True

    def end(self) -> None:
        os.close(self.line)


def _say(words: bytes) -> None:
    while words:
        words = words[os.write(1, words) :]
