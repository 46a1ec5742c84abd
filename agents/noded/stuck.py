"""What does a node do about a server that it cannot stop?

Pacemaker leaves a stop that failed blocked where it is, so that one server's
disk does not cost the others their node. But the blocked server is down, and only
the end of the node sets it free. So the node lets its other servers go, and
then has itself fenced: they pause for a move, and not for a crash.

It gives itself up only for a gain, and never the cluster: storage of the stuck
server is lost here, a node that may run the server reaches it, the nodes that
are left are enough to go on, and no other is doing the same.

Pure: what is stuck, what the nodes say and the clock in, a verdict out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from vsctl.agents.noded.leaving import Guest

PATIENCE = 30.0
"""Seconds that the other servers get to leave: no longer than the stops of one, and its starts elsewhere."""

NOTHING, EMPTY, FENCE = "nothing", "empty", "fence"

_STOP = re.compile(r'operation_key="([^"]+)_stop_0"')

Said = Mapping[str, Mapping[str, str]]
"""By attribute, what every node that is up says of it."""


@dataclass(frozen=True)
class View:
    """What the node sees: servers of which a stop has failed, all servers that are here, whom its end would free."""

    stuck: frozenset[str] = frozenset()
    here: frozenset[str] = frozenset()
    freed: frozenset[str] = frozenset()


def verdict(view: View, since: float, now: float, *, may_end: bool) -> str:
    """Say what the node should do.

    `since` is when it could first do something, `may_end` whether the others go on without it.
    """
    if not view.freed or not may_end:
        return NOTHING
    return FENCE if view.here <= view.stuck or now - since >= PATIENCE else EMPTY


def query(node: str) -> list[str]:
    """Return the command that asks for stops that have failed on a node; one under way is none."""
    history = f"//node_state[@uname='{node}']//lrm_resource[@provider='vsctl']/lrm_rsc_op"
    failed = "[@operation='stop' and @rc-code!='0' and @rc-code!='193']"
    return ["cibadmin", "--query", "--xpath", history + failed]


def servers(said: str, known: Collection[str], here: Collection[str]) -> frozenset[str]:
    """Return the servers here of which a stop has failed, from the answer to `query`; `known` are others there are."""
    found = set()
    for resource in _STOP.findall(said):
        fitting = [server for server in {*known, *here} if resource.startswith(f"{server}-")]
        if fitting:
            found.add(max(fitting, key=len))  # vs1 and vs1-old both fit vs1-old-nfs
    return frozenset(found.intersection(here))


def freed(
    stuck: Collection[str], guests: Mapping[str, Guest], lost: Collection[str], said: Said, node: str
) -> frozenset[str]:
    """Return the stuck servers that could start elsewhere if this node ended.

    `lost` are the units that this node has lost. A stop that fails while the
    server has lost none is somebody's to look at; a pinned server is no guest.
    """

    def reaches(peer: str, units: Collection[str]) -> bool:
        return all(said.get(f"storage-{unit}", {}).get(peer) == "1" for unit in units)

    found = set()
    for server in set(stuck) & set(guests):
        guest = guests[server]
        units = [unit for unit in guest.units if unit in lost]
        if units and any(reaches(peer, units) for peer in guest.nodes if peer != node):
            found.add(server)
    return frozenset(found)


def may_end(node: str, nodes: Collection[str], said: Said) -> bool:
    """Say whether the cluster goes on without this node, and no other one is about to end.

    The others that are up must be a majority; of two nodes one is enough. Where
    several are to end, the first by name does, then the next.
    """
    up = [each for each in nodes if each != node and said.get("node-ok", {}).get(each) == "1"]
    enough = 1 if len(nodes) == 2 else len(nodes) // 2 + 1
    before = [each for each in up if said.get("evacuate", {}).get(each) == "1" and each < node]
    return len(up) >= enough and not before
