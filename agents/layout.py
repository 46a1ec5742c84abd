"""What comes before a server's daemons, and what after them, where storage may hang?"""

from __future__ import annotations

from vsctl.agents import system as os
from vsctl.agents.ocf import Failure, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def prepare(server: str, state: str, limit: float, act: Callable[[], str]) -> str:
    """Return what an act says that works below the directory `state`, which has to be there.

    Failure if it is not, or if the act does not end within `limit` seconds.
    """

    from vsctl.agents import background

    def on_root() -> str:
        os.listdir(state)
        return act()

    try:
        return background.within(limit, on_root)
    except FileNotFoundError:
        raise Failure(f"{state} is not there: the root filesystem of {server} is not mounted") from None
    except OSError as problem:
        raise Failure(f"{state} cannot be prepared: {words(problem)}") from None


def clear_away(server: str, daemons: Sequence[str], directory: str, told: str, limit: float) -> None:
    """Kill the daemons of these names that are left, and forget what they were to serve.

    That is the fragments in `told` below their directory.
    Failure if they have not ended after `limit` seconds, or sooner where the storage of the root filesystem
    is known to hang.
    """
    from vsctl.agents import fragments, processes, silence

    if silence.of_server(server, "root"):
        limit = min(limit, silence.PATIENCE)
    if left := processes.kill(lambda: processes.named(server, *daemons), processes.SIGKILL, limit):
        raise Failure(f"{processes.describe(left)} did not end after SIGKILL: it waits for a device")
    if os.path.isdir(directory):
        fragments.begin(f"{directory}/{told}")
