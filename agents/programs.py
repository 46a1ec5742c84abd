"""How does an agent run a program without the price of `import subprocess`?"""

from __future__ import annotations

from vsctl.agents import system as os
from vsctl.agents.ocf import Failure, NotInstalled


def run(command: list[str], text: str = "", limit: float = 10.0) -> str:
    """Run a program to its end and return what it said.

    `text` is its standard input. Raises NotInstalled if it is not there,
    Failure with its own words if it does not succeed within `limit` seconds.
    """
    import select

    given = _file(text)
    said = _file("")
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, given, 0),
                (os.POSIX_SPAWN_DUP2, said, 1),
                (os.POSIX_SPAWN_DUP2, said, 2),
            ],
        )
    except FileNotFoundError:
        os.close(given)
        os.close(said)
        raise NotInstalled(f"the program {command[0]} is not installed") from None
    ended = os.pidfd_open(child)
    try:
        in_time = bool(select.select([ended], [], [], limit)[0])
        if not in_time:
            os.kill(child, 9)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        words = os.pread(said, 1 << 20, 0).decode(errors="replace").strip()
    finally:
        for each in (ended, given, said):
            os.close(each)
    if not in_time:
        raise Failure(f"{command[0]} did not end within {limit:g} s")
    if status != 0:
        raise Failure(f"{command[0]} says: {words or f'exit status {status}'}")
    return words


def _file(text: str) -> int:
    """Return a file in memory that holds the text, at its beginning."""
    descriptor = os.memfd_create("vsctl")
    os.pwrite(descriptor, text.encode(), 0)
    return descriptor
