"""When does a server go back to where it is liked better?

`manual`: what runs stays, its stickiness outweighs every preference. `auto`:
there is no stickiness. `window`: there is none inside the window.

Stickiness sits on the network namespace alone. A group's stickiness is the sum
over its running members: were it on all of them, a server with a blocked
filesystem would weigh less and go home just for that.
"""

from __future__ import annotations

from vsctl.policy import scores
from vsctl.policy.model import Cluster, FailbackMode
from vsctl.policy.resources import Pairs, Window

NAME = "resource-stickiness"
NONE: Pairs = ((NAME, "0"),)


def stickiness(cluster: Cluster) -> tuple[Pairs, Window | None]:
    """Return what a server's namespace always says, and the window in which it says NONE."""
    failback = cluster.policy.failback
    if failback.mode is FailbackMode.AUTO:
        return NONE, None
    always = ((NAME, str(scores.STICKINESS)),)
    if failback.mode is FailbackMode.WINDOW:
        return always, Window(failback.start, failback.end)
    return always, None
