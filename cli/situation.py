"""What does every server need just now, where may it go, and what would its clients pay for that?

Between what Pacemaker and the node daemons say and the policy, which sees
numbers and names alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lxml import etree

from vsctl.cli import weighing
from vsctl.cli.configuration import Applied
from vsctl.cli.facts import Facts
from vsctl.cli.hand import Stay
from vsctl.cli.programs import Refused
from vsctl.cli.ready import missing_of
from vsctl.policy import naming
from vsctl.policy.balanced import MOST_MOVES
from vsctl.policy.demands import Demand, Supply, Vector
from vsctl.policy.load import Load, Measured, Size, sizes
from vsctl.policy.model import Cluster, Node, VirtualServer
from vsctl.policy.model import Load as Expected

KINDS = ("cpu", "memory", "network", "disk")
SECONDS = 2.0
"""What moving a server is taken to last as long as Pacemaker has no start or stop of it on record."""
CLIENTS, LOCKS = 100, 50
"""So many connections, or locks, make a second of outage count twice."""


class Unknown(Refused):
    """Nobody says how it is, maybe not yet. Exit status 75, as EX_TEMPFAIL of sysexits.h: the balancer tries again."""

    exit_code = 75


@dataclass(frozen=True)
class Situation:
    """`demands` are the servers that run, `pinned` in them those that are not to move now, `stays` says why.

    `waiting` are those of which nothing would start elsewhere if their node were lost;
    `candidates` the nodes that each may be on when one is.
    """

    demands: tuple[Demand, ...]
    supplies: tuple[Supply, ...]
    kinds: tuple[str, ...]
    stays: tuple[Stay, ...]
    waiting: frozenset[str]
    candidates: Mapping[str, tuple[str, ...]]

    def after(self, where: Mapping[str, str]) -> tuple[Demand, ...]:
        """Return the demands with some servers elsewhere."""
        return tuple(replace(each, here=where.get(each.server, each.here)) for each in self.demands)

    def in_a_failure(self, where: Mapping[str, str]) -> tuple[Demand, ...]:
        """Return what has to find a place when a node is lost, with some servers elsewhere."""
        return tuple(
            replace(each, nodes=self.candidates[each.server], pinned=each.server in self.waiting)
            for each in self.after(where)
        )


def of(
    applied: Applied,
    cluster: Cluster,
    facts: Facts,
    measured: Measured,
    *,
    often: Mapping[str, int] | None = None,
    coming: Sequence[VirtualServer] = (),
) -> Situation:
    """Return what is so now. `often` is how often each server was moved lately, where that is to be limited.

    `coming` are servers that may not be in the CIB yet: they count, too, and run nowhere.
    """
    tree = etree.fromstring(applied.cib)
    up = nodes_up(cluster, facts)
    room = sizes(cluster, measured)
    where = {
        each.name: node
        for each in cluster.servers
        if (node := facts.placement.node_of(naming.net(each.name))) in up
    }
    running = [each for each in cluster.servers if each.name in where]
    absent = [each for each in coming if each.name not in where]
    unknown = [node for node in up if node not in room]
    expected = any(each.load != Expected() for each in cluster.servers)
    if unknown or ((running or absent) and not (measured.servers or expected)):
        what = f"{' and '.join(unknown)} could carry" if unknown else "the virtual servers need"
        raise Unknown(
            f"nobody says what {what}: `vsctl status` says what is wrong with the daemons that measure it, and "
            "`capacity` and `load` in the cluster file what is expected until they do"
        )
    kinds = tuple(each for each in KINDS if all(getattr(room[node], each) for node in up))
    loads = _loads(cluster, measured, kinds, [*running, *absent])
    seconds = _seconds(tree)
    banned = _banned(cluster, tree, facts, up)
    demands, stays = [], []
    for server in running:
        here = where[server.name]
        against = banned.get(server.name, {})
        allowed = tuple(node for node in cluster.candidates(server) if node in up and node not in against)
        why = _fixed(applied, cluster, server, facts, here, against, often or {})
        home = server.home
        if why is None and home is not None:
            allowed = (home,) if home in allowed and home != here else ()
            why = None if allowed else f"{home} is its home"
        if why is not None:
            stays.append(Stay(server.name, here, why))
        demands.append(
            Demand(
                server.name,
                loads[server.name],
                (here,) if why is not None else tuple(dict.fromkeys((here, *allowed))),
                here,
                _cost(_lasts(cluster, server, seconds), measured.servers.get(server.name)),
                server.priority,
                why is not None,
                server.apart_from,
            )
        )
    candidates = {
        each.name: tuple(
            node for node in cluster.candidates(each) if node in up and node not in applied.hand.drained
        )
        for each in cluster.servers
    }
    for server in absent:
        nodes = tuple(each for each in candidates[server.name] if each not in banned.get(server.name, {}))
        nodes = (server.home,) if server.home in nodes else nodes
        demands.append(
            Demand(
                server.name,
                loads[server.name],
                nodes,
                priority=server.priority,
                apart_from=server.apart_from,
            )
        )
    return Situation(
        demands=tuple(demands),
        supplies=tuple(_supply(cluster.node(node), room[node], kinds) for node in up),
        kinds=kinds,
        stays=tuple(stays),
        waiting=frozenset(each.name for each in cluster.servers if each.pinned),
        candidates=candidates,
    )


def refuse_guesses(cluster: Cluster, facts: Facts, measured: Measured) -> None:
    """Refuse to go by what is only expected of a node: who moves servers unasked waits until its daemon has told.

    A daemon tells nothing for the first 20 s; one that is dead or hangs is not believed.
    """
    untold = [each for each in nodes_up(cluster, facts) if each not in measured.nodes]
    if untold:
        raise Unknown(
            f"nobody says what {' and '.join(untold)} {'carries' if len(untold) == 1 else 'carry'} just now, and "
            "nothing is moved by itself until it is known everywhere: see `vsctl status` if that lasts"
        )


def nodes_up(cluster: Cluster, facts: Facts) -> tuple[str, ...]:
    """Return the nodes of the cluster file that can run servers just now."""
    fine = {
        each.name
        for each in facts.placement.nodes
        if each.online and not (each.standby or each.maintenance or each.unclean)
    }
    return tuple(each.name for each in cluster.nodes if each.name in fine)


def _loads(
    cluster: Cluster, measured: Measured, kinds: tuple[str, ...], running: list[VirtualServer]
) -> dict[str, Vector]:
    """Return what each server needs: as measured, else as declared, else as much as an average one.

    Where a capacity is hard Pacemaker counts what is declared, so that is the least.
    """
    hard = {
        kind
        for node in cluster.nodes
        for kind in kinds
        if node.capacity.hard and getattr(node.capacity, kind, None)
    }
    known: dict[str, Vector] = {}
    for server in running:
        seen, said = measured.servers.get(server.name), server.load
        if seen is not None:
            known[server.name] = tuple(
                max(float(getattr(seen, kind)), float(getattr(said, kind) or 0) if kind in hard else 0.0)
                for kind in kinds
            )
        elif said != Expected():
            known[server.name] = tuple(float(getattr(said, kind) or 0) for kind in kinds)
    average = tuple(sum(column) / len(known) for column in zip(*known.values(), strict=True)) if known else ()
    return {each.name: known.get(each.name, average or (0.0,) * len(kinds)) for each in running}


def _supply(node: Node, size: Size, kinds: tuple[str, ...]) -> Supply:
    soft = frozenset(
        number
        for number, kind in enumerate(kinds)
        if not (node.capacity.hard and getattr(node.capacity, kind, None))
    )
    return Supply(node.name, tuple(float(getattr(size, kind)) for kind in kinds), node.capacity.hard, soft)


def _fixed(
    applied: Applied,
    cluster: Cluster,
    server: VirtualServer,
    facts: Facts,
    here: str,
    against: Mapping[str, str],
    often: Mapping[str, int],
) -> str | None:
    """Say why a server is not to be moved now, None if it may be."""
    if server.pinned:
        return "it is pinned"
    if moved := applied.hand.moved_to(server.name):
        return f"an operator moved it to {moved}"
    if here in against:
        return f"Pacemaker has found no better node for it yet: {against[here]}"
    if missing := missing_of(cluster, server, facts):
        return missing.partition(": ")[2]
    if often.get(server.name, 0) >= MOST_MOVES:
        return f"it was moved {often[server.name]} times in 24 hours"
    return None


def _banned(
    cluster: Cluster, tree: etree._Element, facts: Facts, up: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """Return for each server the nodes it should not be on now, and why.

    What is lost there says more than what a rule makes of it.
    """
    against = weighing.against(tree, up)
    lost = {(each.node, each.name) for each in facts.attributes if each.value == "0"}
    found: dict[str, dict[str, str]] = {}
    for server in cluster.servers:
        reasons = found.setdefault(server.name, {})
        for node in up:
            for unit in dict.fromkeys(each.storage for each in server.filesystems):
                if (node, f"storage-{unit}") in lost:
                    reasons.setdefault(node, f"{unit} is lost there")
            for subnet in cluster.subnets_of(server):
                if (node, f"subnet-{subnet.name}") in lost:
                    reasons.setdefault(node, f"{subnet.name} is lost there")
        for node, reason in against.get(naming.group(server.name), {}).items():
            reasons.setdefault(node, reason)
        parts = set(naming.primitives_of(cluster, server))
        for part in parts & against.keys():
            if not part.startswith(naming.announcer(server.name, "")):
                reasons.update(against[part])
        for tries in facts.tries:
            if tries.resource in parts and tries.banned:
                reasons[tries.node] = f"{tries.resource} has failed on {tries.node}"
    return found


def _seconds(tree: etree._Element) -> dict[tuple[str, str], float]:
    """Return how long the last start and stop of each resource took, where they are on record."""
    found: dict[tuple[str, str], float] = {}
    for resource in tree.iterfind("status/node_state/lrm/lrm_resources/lrm_resource"):
        for op in resource.iterfind("lrm_rsc_op[@rc-code='0']"):
            key = resource.get("id", ""), op.get("operation", "")
            if key[1] in ("start", "stop"):
                found[key] = max(found.get(key, 0.0), int(op.get("exec-time", "0")) / 1000)
    return found


def _lasts(cluster: Cluster, server: VirtualServer, seconds: Mapping[tuple[str, str], float]) -> float:
    """Return how long a move of a server takes: namespace and root filesystem in turn, then the rest side by side."""
    core = (naming.net(server.name), naming.filesystem(server.name, server.root.name))
    rest = [
        each
        for each in naming.primitives_of(cluster, server)
        if each not in core and not each.startswith(naming.announcer(server.name, ""))
    ]

    def way(operation: str) -> float | None:
        if (core[0], operation) not in seconds:
            return None
        return sum(seconds.get((each, operation), 0.0) for each in core) + max(
            (seconds.get((each, operation), 0.0) for each in rest), default=0.0
        )

    known = [each for each in (way("start"), way("stop")) if each is not None]
    lasts = 2 * sum(known) / len(known) if known else 0.0
    return lasts or SECONDS


def _cost(seconds: float, load: Load | None) -> float:
    """Return what a move costs, in seconds of outage: the more, the more clients wait and the more they hold locked."""
    if load is None:
        return seconds
    return seconds * (1.0 + load.clients / CLIENTS + load.locks / LOCKS)
