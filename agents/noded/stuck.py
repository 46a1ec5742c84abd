"""What is done about a server that its node cannot stop?

Pacemaker leaves a stop that failed blocked where it is, so that one server's
disk does not cost the others their node. But the blocked server is down, and only
the end of the node sets it free. So the node lets its other servers go, and
then has itself fenced: they pause for a move, and not for a crash. Where storage
hangs, the stop of who has mounted it is not waited for: they go at once. Where its
daemon does not do that, another node's does (`deputy`).

A node is given up only for a gain, and never the cluster: storage of the stuck
server is lost there, a node that may run the server reaches it, and the nodes that
are left are enough to go on. One node ends at a time: each says first that it
is to be empty, and is fenced only when all others can see that and none
of them has said so too.

Pure: what is stuck, what the nodes say and the clock in, a verdict out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from vsctl.agents.noded.leaving import Guest

PATIENCE = 30.0
"""Seconds that the other servers get to leave: no longer than the stops of one, and its starts elsewhere."""
ARRIVAL = 5.0
"""Seconds that the last of them gets, once it has left, to serve elsewhere: a fencing interrupts its start."""

NOTHING, EMPTY, FENCE = "nothing", "empty", "fence"
EMPTYING, ENDING = "evacuate", "terminate"
"""The node attributes by which a node says so."""
STANDBY = "standby"
"""That by which an operator, or Pacemaker, keeps servers off a node; permanent ones come with the nodes."""
_YES = ("on", "true", "yes", "y", "1")  # crm_is_true() of Pacemaker

_ELEMENT = re.compile(r"<(node|nvpair|lrm_rsc_op) ([^>]*)>")
_PAIR = re.compile(r'([\w-]+)="([^"]*)"')

Said = Mapping[str, Mapping[str, str]]
"""By attribute, what every node that is up says of it."""


@dataclass(frozen=True)
class Heard:
    """What the cluster answers: by node the resources whose stop has failed there, and what the nodes say.

    `serving` are the servers whose gate has opened on a node, by the node.
    """

    stops: Mapping[str, frozenset[str]] = field(default_factory=dict)
    serving: Mapping[str, frozenset[str]] = field(default_factory=dict)
    said: Said = field(default_factory=dict)

    def lost(self, node: str) -> list[str]:
        """Return the storage units that a node says it has lost."""
        storage = (
            (name.removeprefix("storage-"), by) for name, by in self.said.items() if "storage-" in name
        )
        return [unit for unit, by in storage if by.get(node) == "0"]


@dataclass(frozen=True)
class View:
    """What the node sees: servers of which a stop has failed, all servers that are here, whom its end would free.

    `hopeless` are those of which no stop can succeed, since what they have mounted hangs, and which
    the node's end would free then; `moving` those that have left it and do not serve elsewhere yet.
    """

    stuck: frozenset[str] = frozenset()
    here: frozenset[str] = frozenset()
    freed: frozenset[str] = frozenset()
    hopeless: frozenset[str] = frozenset()
    moving: frozenset[str] = frozenset()


def verdict(view: View, since: float, left: float, now: float, most: str) -> str:
    """Say what the node should do.

    Where no stop fails of what hangs, nobody wants it stopped: it has no place elsewhere, and the others may stay.
    `since` is when it could first do something, `left` when a server was last
    seen to leave, and `most` what it may do (`turn`).
    """
    patient = now - since < PATIENCE
    if most == NOTHING or not (view.freed or (view.hopeless and patient)):
        return NOTHING
    alone = view.here <= view.stuck | view.hopeless and (not view.moving or now - left >= ARRIVAL)
    ends = view.freed and (alone or not patient)
    return FENCE if ends and most == FENCE else EMPTY


def query() -> list[str]:
    """Return the command that asks which stops have failed (one under way is none), who serves, and what nodes say."""
    failed = "[@operation='stop' and @rc-code!='0' and @rc-code!='193']"
    names = " or ".join(f"@name='{each}'" for each in ("node-ok", STANDBY, EMPTYING, ENDING))
    wanted = (
        f"//lrm_resource[@provider='vsctl']/lrm_rsc_op{failed}",
        "//lrm_rsc_op[@operation='start' and @rc-code='0' and contains(@id, '-gate_last_0')]",
        f"//transient_attributes//nvpair[{names} or starts-with(@name, 'storage-')]",
        "//configuration/nodes/node",
    )
    return ["cibadmin", "--query", "--xpath", "|".join(wanted)]


def read(words: str) -> Heard:
    """Read the answer to `query`.

    A node's attribute has the id `status-<id of the node>-<its name>`, a permanent one `nodes-` in place of `status-`.
    """
    found = [(kind, dict(_PAIR.findall(rest))) for kind, rest in _ELEMENT.findall(words)]
    nodes = {each["id"]: each["uname"] for kind, each in found if kind == "node" and "uname" in each}
    stops: dict[str, set[str]] = {}
    serving: dict[str, set[str]] = {}
    said: dict[str, dict[str, str]] = {}
    for kind, each in found:
        if kind == "lrm_rsc_op":
            resource, _, operation = each["operation_key"].removesuffix("_0").rpartition("_")
            known, name = (
                (stops, resource) if operation == "stop" else (serving, resource.removesuffix("-gate"))
            )
            known.setdefault(each.get("on_node", ""), set()).add(name)
        elif kind == "nvpair":
            section, _, rest = each["id"].partition("-")
            node = nodes.get(rest.removesuffix(f"-{each['name']}"))
            if node and (section == "status" or (section, each["name"]) == ("nodes", STANDBY)):
                said.setdefault(each["name"], {})[node] = each.get("value", "")
    return Heard(_frozen(stops), _frozen(serving), said)


def _frozen(sets: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(each) for name, each in sets.items()}


def servers(resources: Collection[str], known: Collection[str], here: Collection[str]) -> frozenset[str]:
    """Return the servers here that these resources are of; `known` are others there are.

    A repair is none of the server's: that may serve all else, and on another node.
    """
    owners = ((each, _owner(each, {*known, *here})) for each in resources)
    return frozenset(owner for each, owner in owners if owner in here and not _is_repair(each, owner))


def _owner(resource: str, known: Collection[str]) -> str:
    """Return the server that a resource is of, nothing if it is nobody's: vs1 and vs1-old both fit vs1-old-nfs."""
    return max((each for each in known if resource.startswith(f"{each}-")), key=len, default="")


def _is_repair(resource: str, server: str) -> bool:
    return resource.startswith(f"{server}-repair-")


def waiting(
    resources: Collection[str], guests: Mapping[str, Guest], here: Collection[str], lost: Collection[str]
) -> frozenset[str]:
    """Return those of some resources whose stop has failed here, and may have because storage of theirs is lost."""
    found = {each: _owner(each, {*guests, *here}) for each in resources}
    return frozenset(
        each
        for each, owner in found.items()
        if (owner in here or _is_repair(each, owner))
        and owner in guests
        and any(unit in lost for unit in guests[owner].units)
    )


def freed(
    stuck: Collection[str], guests: Mapping[str, Guest], lost: Collection[str], said: Said, node: str
) -> frozenset[str]:
    """Return the stuck servers that could start elsewhere if this node ended.

    `lost` are the units that this node has lost. A stop that fails while the
    server has lost none is somebody's to look at; a pinned server is no guest. Elsewhere
    is a node that is up, takes servers and reaches all units of the server.
    """

    def reaches(peer: str, units: Collection[str]) -> bool:
        return all(said.get(f"storage-{unit}", {}).get(peer) == "1" for unit in units)

    standby = {each for each, value in said.get(STANDBY, {}).items() if value.lower() in _YES}
    found = set()
    for server in set(stuck) & set(guests):
        guest = guests[server]
        peers = [peer for peer in others(node, guest.nodes, said) if peer not in standby]
        if set(guest.units) & set(lost) and any(reaches(peer, guest.units) for peer in peers):
            found.add(server)
    return frozenset(found)


def others(node: str, nodes: Collection[str], said: Said) -> list[str]:
    """Return the other nodes that are up and have reported, by name."""
    return sorted(each for each in nodes if each != node and said.get("node-ok", {}).get(each) == "1")


def turn(node: str, nodes: Collection[str], said: Said) -> str:
    """Return the most that may be done to a node now.

    Nothing, unless the others that are up are a majority; of two nodes one is enough.
    Where several are to end, the first by name goes first: the others take back what they
    have said, and it waits until they have, since one may just have gone ahead. All
    see what the nodes say in the same order, so of two that begin at once one sees the other.
    """
    up = others(node, nodes, said)
    emptying = [each for each in up if said.get(EMPTYING, {}).get(each) == "1"]
    ending = [each for each in up if said.get(ENDING, {}).get(each) == "true"]
    if len(up) < (1 if len(nodes) == 2 else len(nodes) // 2 + 1) or any(each < node for each in emptying):
        return NOTHING
    seen = said.get(EMPTYING, {}).get(node) == "1"
    return FENCE if seen and not (emptying or ending) else EMPTY
