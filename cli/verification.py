"""Would the Pacemaker that is installed here accept a configuration?"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from vsctl.cli.programs import Failed, Refused, run


def verify(old: bytes, new: bytes) -> None:
    """Refuse a CIB of which crm_verify says something that it does not say of the one before."""
    complaints = _complaints(new)
    if complaints:
        fresh = [each for each in complaints if each not in _complaints(old)]
        if fresh:
            raise Refused(f"nothing was changed, because Pacemaker would not accept it: {'; '.join(fresh)}")


def _complaints(cib: bytes) -> tuple[str, ...]:
    with TemporaryDirectory(prefix="vsctl-") as directory:
        file = Path(directory, "cib.xml")
        file.write_bytes(cib)
        try:
            run("crm_verify", "-V", "--xml-file", os.fspath(file))
        except Failed as problem:
            return tuple(problem.reason.split("; "))
    return ()
