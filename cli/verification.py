"""Would the Pacemaker that is installed here accept a configuration?"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from vsctl.cli.programs import Failed, Refused, run


def verify(old: bytes, new: bytes) -> None:
    """Refuse a CIB in which crm_verify finds an error that was not in the one before; warnings stop nothing."""
    complaints = _complaints(new)
    if complaints:
        fresh = [each for each in complaints if each not in _complaints(old)]
        if fresh:
            raise Refused(f"nothing was changed, because Pacemaker would not accept it: {'; '.join(fresh)}")


def _complaints(cib: bytes) -> tuple[str, ...]:
    tree = etree.fromstring(cib)
    for status in tree.iterfind("status"):
        del status[:]  # what happened once is no fault of the configuration
    with TemporaryDirectory(prefix="vsctl-") as directory:
        file = Path(directory, "cib.xml")
        file.write_bytes(etree.tostring(tree))
        try:
            run("crm_verify", "-V", "--xml-file", os.fspath(file))
        except Failed as problem:
            if any("Errors found" in each for each in problem.said):
                return tuple(each for each in problem.said if not each.startswith(("crm_verify: ", "-V ")))
    return ()
