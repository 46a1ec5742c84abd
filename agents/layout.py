"""How is a server's state on its root filesystem prepared, where storage may hang?"""

from __future__ import annotations

from vsctl.agents import background
from vsctl.agents import system as os
from vsctl.agents.ocf import Failure, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def prepare(server: str, state: str, limit: float, act: Callable[[], str]) -> str:
    """Return what an act says that works below the directory `state`, which has to be there.

    Failure if it is not, or if the act does not end within `limit` seconds.
    """

    def on_root() -> str:
        os.listdir(state)
        return act()

    try:
        return background.within(limit, on_root)
    except FileNotFoundError:
        raise Failure(f"{state} is not there: the root filesystem of {server} is not mounted") from None
    except OSError as problem:
        raise Failure(f"{state} cannot be prepared: {words(problem)}") from None
