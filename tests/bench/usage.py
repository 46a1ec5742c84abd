"""What does a program need until it ends?"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile


def used(command: Sequence[str], folder: Path, most: int | None = None) -> tuple[bytes, float, float]:
    """Return what a program says in a folder, and the CPU seconds and mebibytes that it took.

    One that needs more than `most` CPU seconds is ended: TimeoutError.
    """
    with TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.DEVNULL)
        if most is not None:
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (most, most + 1))
        _, status, used = os.wait4(process.pid, 0)
        output.seek(0)
        said = output.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    if most is not None and process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TimeoutError(f"{command[0]} needs more than {most} s of CPU")
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return said, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
