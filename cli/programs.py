"""How does vsctl run the programs of Pacemaker and the servers?"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

import click


class Refused(click.ClickException):
    """The command cannot do what was asked; nothing was changed unless it says so. Exit status 1."""


def run(
    *argv: str, input: bytes | None = None, env: Mapping[str, str] | None = None, ok: Sequence[int] = (0,)
) -> bytes:
    """Run a program to its end and return its standard output.

    `input` goes to its standard input, which is empty otherwise: nothing ever
    waits for a terminal. Raises Refused if the program is missing or ends with
    a status that is not in `ok`.
    """
    try:
        done = subprocess.run(
            argv, input=input or b"", capture_output=True, env={**os.environ, **(env or {})}, check=False
        )
    except FileNotFoundError:
        raise Refused(f"{argv[0]} is not installed on this machine; vsctl needs it here") from None
    if done.returncode not in ok:
        said = (done.stderr or done.stdout).decode(errors="replace").strip() or "it says nothing"
        raise Refused(f"{' '.join(argv[:3])} … ended with status {done.returncode}: {said}")
    return done.stdout
