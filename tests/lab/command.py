"""How does the lab run a tool of this host?"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from tests.lab.problem import LabProblem


def call(command: Sequence[str], input: str | None = None) -> str:
    """Run a command and return what it printed; LabProblem, with its complaint, if it fails."""
    done = subprocess.run(
        command,
        text=True,
        capture_output=True,
        **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}),
    )
    if done.returncode != 0:
        complaint = (done.stderr or done.stdout).strip()
        raise LabProblem(f"{' '.join(command)} exits {done.returncode}: {complaint}")
    return done.stdout
