"""How does an agent do what Pacemaker, or itself, need not wait for?

In a process that holds nothing that anybody waits for: Pacemaker reads an
agent's output to its end.
"""

from __future__ import annotations

from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeVar

    T = TypeVar("T")


def repeat(pauses: Iterable[float], act: Callable[[], bool], needs: int | None = None) -> None:
    """Call `act` after each pause (seconds) from a process of its own, until it says False.

    The process dies of the first error. It has none of the files that are open now but the one that `act` needs.
    """
    import time

    if os.fork():  # an agent ends soon and leaves it to init; the node daemon repeats by itself
        return
    try:
        os.setsid()  # Pacemaker kills what an action leaves in its group
        if needs is None:
            _let_go()
        else:
            os.closerange(3, needs)
            _let_go(needs + 1)
        for pause in pauses:
            time.sleep(pause)
            if not act():
                break
    finally:
        os._exit(0)


def leave(act: Callable[[], object]) -> None:
    """Do something in a process that is nobody's child: a resident caller has none to wait for."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        if os.fork() == 0:
            os.setsid()
            _let_go()
            act()
    finally:
        os._exit(0)


def within(limit: float, act: Callable[[], str | None]) -> str:
    """Do what storage may delay for ever, but wait `limit` seconds at most; return what it returned.

    Raises TimeoutError when they are over (the process goes on until the
    storage lets it), and the OSError of the act.
    """
    import time

    child, answer = _begin(lambda tell: tell((act() or "").encode()))
    end = time.monotonic() + limit
    said = b""
    try:
        while _wait(
            answer, end - time.monotonic()
        ):  # to the end of the process: a pipe holds no more than 64 KiB
            if not (part := os.read(answer, 1 << 16)):
                break
            said += part
        else:
            raise TimeoutError(f"it took more than {limit:g} s")
        # It closes its files one by one while it ends: storage may hold it in the next.
        if not _ends(child, end - time.monotonic()):
            raise TimeoutError(f"it took more than {limit:g} s")
    finally:
        os.close(answer)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))
    return said.decode()


def which(items: Sequence[T], holds: Callable[[T], bool], patience: float) -> list[T]:
    """Return the items for which a condition holds, and never wait more than `patience` seconds for one.

    What cannot be said of an item in that time is not said.
    """
    found: list[T] = []
    rest = list(items)
    while rest:
        answers = _answers(rest, holds, patience)
        found += [item for item, yes in zip(rest, answers, strict=False) if yes]
        rest = rest[len(answers) + 1 :]
    return found


def _answers(items: Sequence[T], holds: Callable[[T], bool], patience: float) -> list[bool]:
    """Ask for one item after the other, in one process; end with the first that takes too long."""

    def ask(tell: Callable[[bytes], object]) -> None:
        for item in items:
            tell(b"1" if holds(item) else b"0")

    child, answer = _begin(ask)
    said = b""
    while len(said) < len(items) and _wait(answer, patience) and (more := os.read(answer, 4096)):
        said += more
    os.close(answer)
    os.kill(child, 9)
    os.waitpid(child, 0 if len(said) == len(items) else os.WNOHANG)
    return [each == ord("1") for each in said]


def _begin(act: Callable[[Callable[[bytes], object]], object]) -> tuple[int, int]:
    """Start a process for an act; return its id and where what it tells can be read."""
    answer, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        return child, answer
    code = 255
    try:
        os.dup2(tell, 3)
        _let_go(4)
        act(lambda text: os.write(3, text))
        code = 0
    except OSError as problem:
        code = min(problem.errno or 255, 255)
    finally:
        os._exit(code)


def _wait(descriptor: int, limit: float) -> bool:
    import select

    return bool(select.select([descriptor], [], [], max(limit, 0))[0])


def _ends(child: int, limit: float) -> bool:
    """Wait for the end of a child, at most so many seconds."""
    ended = os.pidfd_open(child)
    try:
        return _wait(ended, limit)
    finally:
        os.close(ended)


def _let_go(first: int = 3) -> None:
    nothing = os.open("/dev/null", os.O_RDWR)
    for each in (0, 1, 2):
        os.dup2(nothing, each)
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
