"""How does an agent say something again after it has answered Pacemaker?"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def repeat(pauses: Iterable[float], act: Callable[[], bool]) -> None:
    """Call `act` after each pause (seconds) from a process of its own, until it says False.

    The process belongs to nobody and holds nothing that anybody waits for:
    Pacemaker reads an agent's output to its end. It dies of the first error.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    if os.fork():  # twice, so that a resident caller is left no child to wait for
        os._exit(0)
    try:
        os.setsid()
        nothing = os.open("/dev/null", os.O_RDWR)
        for each in (0, 1, 2):
            os.dup2(nothing, each)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for pause in pauses:
            time.sleep(pause)
            if not act():
                break
    finally:
        os._exit(0)
