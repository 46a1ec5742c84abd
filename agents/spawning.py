"""How does a process of vsctl's own come to live beside its agent, and how does it end?"""

from __future__ import annotations

import sys

from vsctl.agents import paths
from vsctl.agents import system as os


def start(module: str, log: str) -> None:
    """Start `main` of a module of this package, from the code that the agent is from; what it says goes to a log."""
    os.makedirs(paths.LOGS, mode=0o750, exist_ok=True)
    out = os.open(f"{paths.LOGS}/{log}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    nothing = os.open("/dev/null", os.O_RDONLY)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = f"import sys; sys.path.insert(0, {root!r})\nfrom vsctl.agents.{module} import main; main()"
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-IS", "-c", code],
        {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, nothing, 0),
            (os.POSIX_SPAWN_DUP2, out, 1),
            (os.POSIX_SPAWN_DUP2, out, 2),
        ],
        setsid=True,  # Pacemaker kills what an action leaves in its group
    )


def end(process: int, signal: int, patience: float) -> None:
    """Send a process a signal and wait for its end, for some seconds at most."""
    import select

    try:
        ended = os.pidfd_open(process)
        os.kill(process, signal)
    except ProcessLookupError:
        return
    select.select([ended], [], [], patience)
    os.close(ended)
