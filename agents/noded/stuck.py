"""What does a node do about a server that it cannot stop?

Pacemaker leaves a stop that failed blocked where it is, so that one server's
disk does not cost the others their node. But the blocked server is down, and only
the end of the node sets it free. So the node lets its other servers go, and
then has itself fenced: they pause for a move, and not for a crash.

Pure: what is stuck and the clock in, a verdict out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

PATIENCE = 30.0
"""Seconds that the other servers get to leave: no longer than the stops of one, and its starts elsewhere."""

NOTHING, EMPTY, FENCE = "nothing", "empty", "fence"

_STOP = re.compile(r'operation_key="([^"]+)_stop_0"')


@dataclass(frozen=True)
class View:
    """What the node sees: servers of which a stop has failed, all servers that are here, who could take them over."""

    stuck: frozenset[str] = frozenset()
    here: frozenset[str] = frozenset()
    elsewhere: bool = False


def verdict(view: View, since: float, now: float) -> str:
    """Say what the node should do; `since` is when the first server was stuck.

    Where nobody else reaches the storage, fencing would gain nothing.
    """
    if not view.stuck or not view.elsewhere:
        return NOTHING
    return FENCE if view.here <= view.stuck or now - since >= PATIENCE else EMPTY


def query(node: str) -> list[str]:
    """Return the command that asks for stops that have failed on a node; one under way is none."""
    history = f"//node_state[@uname='{node}']//lrm_resource[@provider='vsctl']/lrm_rsc_op"
    failed = "[@operation='stop' and @rc-code!='0' and @rc-code!='193']"
    return ["cibadmin", "--query", "--xpath", history + failed]


def servers(said: str, here: Collection[str]) -> frozenset[str]:
    """Return the servers here of which a stop has failed, from the answer to `query`."""
    found = set()
    for resource in _STOP.findall(said):
        fitting = [server for server in here if resource.startswith(f"{server}-")]
        if fitting:
            found.add(max(fitting, key=len))  # vs1 and vs1-old both fit vs1-old-nfs
    return frozenset(found)


def elsewhere(lost: Mapping[str, Mapping[str, str]], node: str, nodes: Collection[str]) -> bool:
    """Say whether another node could run what is stuck here.

    `lost` has for each unit that this node has lost what every node says of it.
    A stop that fails while no storage is lost is this node's own trouble.
    """
    if not lost:
        return len(nodes) > 1
    return any(value == "1" for said in lost.values() for peer, value in said.items() if peer != node)
