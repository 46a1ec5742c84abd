"""How does a process of vsctl's own come to live beside its agent, and how does it end?"""

from __future__ import annotations

import sys

from vsctl.agents import resident
from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TERM, KILL = 15, 9


def start(module: str, log: str, *arguments: str, environment: Mapping[str, str] | None = None) -> int:
    """Start `main` of a module of this package, from the code that the agent is from; return its process id.

    What it says goes to a log, in a directory that is made. It gets arguments,
    and nothing of the agent's environment but what is given.
    """
    os.makedirs(os.path.dirname(log), mode=0o750, exist_ok=True)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    nothing = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r})\nfrom vsctl.agents.{module} import main; main()"
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-IS", "-c", code, *arguments],
        {**(environment or {}), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, nothing, 0),
            (os.POSIX_SPAWN_DUP2, out, 1),
            (os.POSIX_SPAWN_DUP2, out, 2),
        ],
        setsid=True,  # Pacemaker kills what an action leaves in its group
    )


def checked(module: str, reader: str) -> Callable[[str], str]:
    """Return a parser that has the process's own reader, a function of a module, try a text, and keeps the text."""

    def check(text: str) -> str:
        found = __import__(f"vsctl.agents.{module}", fromlist=[reader])
        getattr(found, reader)(text)
        return text

    return check


def end(file: str, patience: float, last: float) -> bool:
    """End the process that a file names: so many seconds for it to do that itself, and then as many to be killed."""
    for signal, seconds in ((TERM, patience), (KILL, last)):
        if (process := resident.living(file)) is not None:
            _signal(process, signal, seconds)
    return resident.living(file) is None


def _signal(process: int, signal: int, patience: float) -> None:
    """Send a process a signal and wait for its end, for some seconds at most."""
    import select

    try:
        ended = os.pidfd_open(process)
        os.kill(process, signal)
    except ProcessLookupError:
        return
    select.select([ended], [], [], patience)
    os.close(ended)
