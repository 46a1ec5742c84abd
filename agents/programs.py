"""How does an agent run a program without the price of `import subprocess`?"""

from __future__ import annotations

from vsctl.agents import system as os
from vsctl.agents.ocf import Failure, NotInstalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Files = tuple[int, int, int]
    """Standard input, output and error of a program."""


def run(command: list[str], text: str = "", limit: float = 10.0) -> str:
    """Run a program to its end and return what it said.

    `text` is its standard input. Raises NotInstalled if it is not there,
    Failure with its own words if it does not succeed within `limit` seconds.
    """
    try:
        status, words = ask(command, text, limit)
    except TimeoutError as problem:
        raise Failure(str(problem)) from None
    if status != 0:
        raise Failure(f"{command[0]} says: {words or f'exit status {status}'}")
    return words


def ask(command: list[str], text: str = "", limit: float | None = 10.0) -> tuple[int, str]:
    """Run a program to its end; return its exit status and what it said.

    Raises NotInstalled if it is not there, TimeoutError if it does not end
    within `limit` seconds; None waits for ever.
    """

    def begin(given: Files) -> int:
        actions = [(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(given)]
        try:
            return os.posix_spawnp(command[0], command, {**os.environ, "LC_ALL": "C"}, file_actions=actions)
        except FileNotFoundError:
            raise NotInstalled(f"the program {command[0]} is not installed") from None

    return finish(command[0], begin, text, limit)


def finish(name: str, begin: Callable[[Files], int], text: str, limit: float | None) -> tuple[int, str]:
    """Have `begin` start a child with these files, and see it end; as `ask` otherwise.

    A child that is late is killed, with all that it has begun (mount(8) has
    helpers), and not waited for: it may hang on storage.
    """
    import select

    given, said = _file(text), _file("")
    try:
        child = begin((given, said, said))
        ended = os.pidfd_open(child)
        try:
            if not select.select([ended], [], [], limit)[0]:
                _kill(child)
                raise TimeoutError(f"{name} did not end within {limit:g} s")
        finally:
            os.close(ended)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return status, os.pread(said, 1 << 20, 0).decode(errors="replace").strip()
    finally:
        os.close(given)
        os.close(said)


def _kill(process: int) -> None:
    tree = [process]
    for each in tree:
        try:
            with open(f"/proc/{each}/task/{each}/children") as children:
                tree += map(int, children.read().split())
        except OSError:  # it has ended
            continue
    for each in tree:
        try:
            os.kill(each, 9)
        except ProcessLookupError:
            continue


def _file(text: str) -> int:
    """Return a file in memory that holds the text, at its beginning."""
    descriptor = os.memfd_create("vsctl")
    os.pwrite(descriptor, text.encode(), 0)
    return descriptor
