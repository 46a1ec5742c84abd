"""How does vsctl run the programs of Pacemaker and the servers?"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence

import click

MOST_SAID = 300
_NOISE = re.compile(r"^(\(\w+\)\s+\w+:\s*|\S*/vsctl-\w+/\w+\.xml:\d+: |Entity: line \d+: )")


class Refused(click.ClickException):
    """The command cannot do what was asked; nothing was changed unless it says so. Exit status 1."""


class Failed(Refused):
    """A program ended badly. `said` are the lines it gave as a reason, without what is of no use to a person."""

    def __init__(self, program: str, status: int, said: tuple[str, ...]) -> None:
        self.status = status
        self.said = said
        super().__init__(f"{program} ended with status {status}: {self.reason}")

    @property
    def reason(self) -> str:
        """Return what it said as one line."""
        text = "; ".join(self.said) or "it does not say why"
        return text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]} …"


def run(
    *argv: str, input: bytes | None = None, env: Mapping[str, str] | None = None, ok: Sequence[int] = (0,)
) -> bytes:
    """Run a program to its end and return its standard output.

    `input` goes to its standard input, which is empty otherwise: nothing ever
    waits for a terminal. Raises Refused if the program cannot be started, and
    Failed if it ends with a status that is not in `ok`.
    """
    try:
        done = subprocess.run(
            argv, input=input or b"", capture_output=True, env={**os.environ, **(env or {})}, check=False
        )
    except FileNotFoundError:
        raise Refused(f"{argv[0]} is not installed on this machine; vsctl needs it here") from None
    except OSError as problem:
        raise Refused(f"{argv[0]} cannot be started: {problem.strerror}") from None
    if done.returncode not in ok:
        raise Failed(argv[0], done.returncode, _useful(done.stderr or done.stdout))
    return done.stdout


def _useful(said: bytes) -> tuple[str, ...]:
    """Return what a program said: Pacemaker's repeat whole CIBs, name functions of their own, and files of ours."""
    lines = [each.strip() for each in said.decode(errors="replace").splitlines() if each.strip()]
    lines = [
        each.removeprefix("<error>").removesuffix("</error>") for each in lines
    ]  # where the output is XML
    plain = (_NOISE.sub("", each) for each in lines if "Partial" not in each and not each.startswith("<"))
    return tuple(dict.fromkeys(plain))
