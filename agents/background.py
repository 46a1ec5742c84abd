"""How does an agent do what Pacemaker need not wait for?

In a process that belongs to nobody and holds nothing that anybody waits for:
Pacemaker reads an agent's output to its end.
"""

from __future__ import annotations

from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def repeat(pauses: Iterable[float], act: Callable[[], bool]) -> None:
    """Call `act` after each pause (seconds) from a process of its own, until it says False.

    The process dies of the first error.
    """
    import time

    if os.fork():  # an agent ends soon and leaves it to init; the node daemon repeats by itself
        return
    try:
        _detach()
        for pause in pauses:
            time.sleep(pause)
            if not act():
                break
    finally:
        os._exit(0)


def within(limit: float, act: Callable[[], object]) -> None:
    """Do what storage may delay for ever, but wait `limit` seconds at most.

    Raises TimeoutError when they are over (the process goes on until the
    storage lets it), and the OSError of the act.
    """
    import select

    child = os.fork()
    if child == 0:
        code = 255
        try:
            _detach()
            act()
            code = 0
        except OSError as problem:
            code = min(problem.errno or 255, 255)
        finally:
            os._exit(code)
    ended = os.pidfd_open(child)
    try:
        if not select.select([ended], [], [], limit)[0]:
            raise TimeoutError(f"it took more than {limit:g} s")
    finally:
        os.close(ended)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


def _detach() -> None:
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(nothing, each)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
