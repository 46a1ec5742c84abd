"""How are the virtual servers?

Pure: what the cluster should be, what the operator did by hand, what
Pacemaker says and what it is about to start (`due`), in; one report for each virtual server and for the cluster
out. `vsctl status` prints it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

from vsctl.cli import balancing, quarantines
from vsctl.cli.balancing import BalancerReport
from vsctl.cli.facts import Facts, Failed
from vsctl.cli.quarantines import QuarantineReport
from vsctl.policy import capacity, naming, subnet_loss
from vsctl.policy.constraints import identity
from vsctl.policy.hand import Hand
from vsctl.policy.model import Cluster, Filesystem, Interface, Node, OnStorageLoss, VirtualServer
from vsctl.policy.quarantine import Quarantines


class State(Enum):
    """What clients notice: all of it, some of it, nothing yet, nothing."""

    SERVING = "serving"
    PARTLY = "partly"
    STUCK = "stuck"
    STARTING = "starting"
    WAITING = "waiting"
    STOPPED = "stopped"


STATES = "ports-states"
ANNOUNCED = "ports-announced"
UNITS = "units-states"
WAITED = "exports-waited"
"""The private node attributes by which the node daemons say how their ports are, what is announced on them,
how storage is, and which exports NFS clients wait for."""
OF_DAEMONS = (STATES, ANNOUNCED, UNITS, WAITED)

GOOD, UNKNOWN = "good", "unknown"
TROUBLE = {
    "lost": "has no carrier",
    "silent": "has a carrier, but nobody answers on it",
    "waiting": "is back, and is used again when it has worked for a while",
    "flapping": "comes and goes, and is used again when it has been quiet for a while",
}
OPEN_TO_RELEASE = ("waiting", "flapping")
"""The states of a port that works, and is not used yet."""
UNEASY = {
    "slow": "is slow: reads take more than a second",
    "failing": "does not answer every read: see to it, a device or a path of it may be dead",
    "hung": "hangs: reads do not come back",
    "waiting": "answers again, and is used when it has for a while",
}


@dataclass(frozen=True)
class AddressReport:
    """`announced_by` is the node that answers for the address, None while nobody does; `port` its port, if known.

    `routed` says that it is another node than the server's; `since` when it began, in seconds since the epoch.
    `by_host_route`: the port is on another subnet, and routers there are told of the address.
    """

    address: str
    subnet: str
    announced_by: str | None
    port: str | None
    routed: bool = False
    since: float | None = None
    by_host_route: bool = False


@dataclass(frozen=True)
class PortReport:
    """`state` is good, lost, silent, waiting or flapping, or unknown without news from the node's daemon."""

    name: str
    subnet: str
    state: str


SUBNETS = {"2": GOOD, "1": "routed", "0": "lost"}
"""What the values of `subnet-<subnet>` are called, here and in the diaries of nodes."""


@dataclass(frozen=True)
class SubnetReport:
    """What a node with ports on a subnet can do there.

    `state` is good, routed (its addresses can be announced by host route from a port on another subnet), lost, or
    unknown without news from the node's daemon.
    """

    name: str
    state: str


@dataclass(frozen=True)
class FilesystemReport:
    """`waited` are those of the exports that are away, and that NFS clients are made to wait for."""

    name: str
    type: str
    mounted: bool
    exports: tuple[str, ...]
    exported: bool
    waited: tuple[str, ...]
    shares: tuple[str, ...]
    shared: bool
    quarantine: QuarantineReport | None = None


@dataclass(frozen=True)
class ConstraintReport:
    """A constraint of ours, by its id in the CIB, and what put it in force."""

    id: str
    reason: str


@dataclass(frozen=True)
class ServerReport:
    """`since` is in seconds since the epoch; `moved_to` is where an operator sent it.

    `constraints` are those in force by an operator's hand or a node's request, not by the cluster file alone.
    `notes` are what is worth knowing, `problems` what is not right.
    """

    name: str
    state: State
    node: str | None
    since: float | None
    home: str | None
    priority: int
    pinned: bool
    moved_to: str | None
    addresses: tuple[AddressReport, ...]
    filesystems: tuple[FilesystemReport, ...]
    constraints: tuple[ConstraintReport, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class NodeReport:
    name: str
    state: str
    servers: tuple[str, ...]
    ports: tuple[PortReport, ...]
    subnets: tuple[SubnetReport, ...]


@dataclass(frozen=True)
class ClusterReport:
    name: str
    nodes: tuple[NodeReport, ...]
    servers: tuple[ServerReport, ...]
    balancer: BalancerReport | None
    problems: tuple[str, ...]

    @property
    def all_well(self) -> bool:
        return not self.problems and not any(each.problems for each in self.servers)


def is_whole(cluster: Cluster, facts: Facts) -> bool:
    """Say whether all of every server runs."""
    return all(
        facts.placement.node_of(each)
        for server in cluster.servers
        for each in naming.primitives_of(cluster, server)
    )


def of(
    cluster: Cluster, hand: Hand, facts: Facts, due: Collection[str] = (), known: Quarantines = ()
) -> ClusterReport:
    """Report on a cluster that vsctl has applied; `known` is what is known of damaged filesystems."""
    servers = tuple(of_server(cluster, server, hand, facts, due, known) for server in cluster.servers)
    balancer = balancing.of(cluster, facts)
    return ClusterReport(
        name=cluster.name,
        nodes=tuple(
            NodeReport(
                node.name,
                node_state(node.name, hand, facts),
                tuple(s.name for s in servers if s.node == node.name),
                tuple(_ports(node, facts)),
                tuple(_subnets(node, facts)),
            )
            for node in cluster.nodes
        ),
        servers=servers,
        balancer=balancer,
        problems=(*_cluster_problems(cluster, facts), *balancing.problems(balancer)),
    )


def of_server(
    cluster: Cluster,
    server: VirtualServer,
    hand: Hand,
    facts: Facts,
    due: Collection[str] = (),
    known: Quarantines = (),
) -> ServerReport:
    node = facts.placement.node_of(naming.net(server.name))
    waited = _waited(server, node, facts)
    filesystems = tuple(_filesystem(server, each, facts, known, waited) for each in server.filesystems)
    addresses = tuple(_address(cluster, server, each, node, facts) for each in server.addresses)
    mine = naming.primitives_of(cluster, server)
    state = _state(server, node, mine, hand, facts, due)
    return ServerReport(
        name=server.name,
        state=state,
        node=node,
        since=facts.since(naming.net(server.name), node) if node else None,
        home=_home(server, hand) if server.pinned else server.home,
        priority=server.priority,
        pinned=server.pinned,
        moved_to=hand.moved_to(server.name),
        addresses=addresses,
        filesystems=filesystems,
        constraints=tuple(_constraints(cluster, server, hand, facts)),
        notes=(
            *_notes(cluster, server, hand, node, addresses, facts),
            *(_who_waits(server, each) for each in filesystems if each.waited),
        ),
        problems=(
            *of_quarantines(cluster, server, filesystems, facts),
            *_problems(
                cluster, server, state, node, mine, hand, facts, quarantines.blocked(cluster, server, known)
            ),
        ),
    )


def _address(
    cluster: Cluster, server: VirtualServer, address: Interface, node: str | None, facts: Facts
) -> AddressReport:
    subnet = cluster.subnet_of(address).name
    announcer = naming.announcer(server.name, subnet)
    by = facts.placement.node_of(announcer)
    if by is None:
        return AddressReport(str(address), subnet, None, None)
    port = said(facts, by, ANNOUNCED).get(f"{server.name}/{subnet}")
    return AddressReport(
        address=str(address),
        subnet=subnet,
        announced_by=by,
        port=port,
        routed=by != node,
        since=facts.since(announcer, by),
        by_host_route=port is not None and port not in cluster.node(by).ports_on(subnet),
    )


def _ports(node: Node, facts: Facts) -> Iterator[PortReport]:
    states = said(facts, node.name, STATES) if node.name in facts.placement.online else {}
    for port in node.ports:
        yield PortReport(port.interface, port.subnet, states.get(port.interface, UNKNOWN))


def _subnets(node: Node, facts: Facts) -> Iterator[SubnetReport]:
    up = node.name in facts.placement.online
    for subnet in dict.fromkeys(port.subnet for port in node.ports):
        value = facts.attribute(node.name, subnet_loss.attribute(subnet)) if up else None
        yield SubnetReport(subnet, SUBNETS.get(value or "", UNKNOWN))


def said(facts: Facts, node: str, attribute: str) -> dict[str, str]:
    """Return what a daemon says as `name=value name=value`."""
    words = (facts.attribute(node, attribute) or "").split()
    return dict(each.split("=", 1) for each in words if "=" in each)


def _state(
    server: VirtualServer,
    node: str | None,
    mine: Collection[str],
    hand: Hand,
    facts: Facts,
    due: Collection[str],
) -> State:
    begun = any(each.pending for each in facts.placement.resources if each.resource in mine)
    if (node is not None and begun) or not set(mine).isdisjoint(due):
        return State.STARTING
    if node is None:
        waits = server.pinned and _home(server, hand) not in facts.placement.online
        return State.WAITING if waits else State.STOPPED
    if all(map(facts.placement.node_of, mine)):
        return State.SERVING
    blocked = any(each.blocked for each in facts.placement.resources if each.resource in mine)
    closed = facts.placement.node_of(naming.gate(server.name)) is None
    return State.STUCK if blocked and closed else State.PARTLY


def _home(server: VirtualServer, hand: Hand) -> str | None:
    """Return where a pinned server belongs: a move by hand pins it elsewhere."""
    return hand.moved_to(server.name) or server.home


def of_quarantines(
    cluster: Cluster, server: VirtualServer, filesystems: Iterable[FilesystemReport], facts: Facts
) -> Iterator[str]:
    """Yield what is wrong with filesystems that are blocked, and with their repairs."""
    for filesystem, found in zip(server.filesystems, filesystems, strict=True):
        if found.quarantine and found.quarantine.blocks:
            yield quarantines.problem(cluster, server, filesystem, found.quarantine)
        part = naming.repair(server.name, filesystem.name)
        yield from (_what_failed(each) for each in facts.failed if each.resource == part)


def _waited(server: VirtualServer, node: str | None, facts: Facts) -> frozenset[str]:
    """Return the paths of exports that its node has clients wait for, by a daemon that works: others know no better."""
    if node is None or node not in facts.working(naming.DAEMON):
        return frozenset()
    words = (facts.attribute(node, WAITED) or "").split()
    return frozenset(
        unquote(path) for name, _, path in (each.partition("=") for each in words) if name == server.name
    )


def _who_waits(server: VirtualServer, filesystem: FilesystemReport) -> str:
    are, they_are = ("is", "it is") if len(filesystem.waited) == 1 else ("are", "they are")
    return (
        f"{' and '.join(filesystem.waited)} of {server.name} {are} waited for: NFS clients are told to try again "
        f"until {they_are} back"
    )


def _filesystem(
    server: VirtualServer, filesystem: Filesystem, facts: Facts, known: Quarantines, waited: Collection[str]
) -> FilesystemReport:
    running = facts.placement.node_of
    return FilesystemReport(
        name=filesystem.name,
        type=filesystem.type,
        mounted=running(naming.filesystem(server.name, filesystem.name)) is not None,
        exports=tuple(each.seen_as for each in filesystem.exports),
        exported=running(naming.exports(server.name, filesystem.name)) is not None,
        waited=tuple(each.seen_as for each in filesystem.exports if each.seen_as in waited),
        shares=tuple(each.share for each in filesystem.shares),
        shared=running(naming.shares(server.name, filesystem.name)) is not None,
        quarantine=quarantines.of(known, server.name, filesystem.name, facts),
    )


def _constraints(
    cluster: Cluster, server: VirtualServer, hand: Hand, facts: Facts
) -> Iterator[ConstraintReport]:
    if target := hand.moved_to(server.name):
        rule = "pin" if server.pinned else "move"
        yield ConstraintReport(identity(rule, server.name), f"an operator sent it to {target}")
    nodes = (*cluster.candidates(server), *cluster.refuges(server))
    emptied = [f"an operator drains {each}" for each in nodes if each in hand.drained]
    emptied += [f"{each} asks to be emptied" for each in nodes if facts.attribute(each, "evacuate") == "1"]
    if emptied:
        yield ConstraintReport(identity("evacuate", server.name), ", ".join(emptied))
    asking = [each for each in nodes if facts.attribute(each, f"evict-{server.name}") == "1"]
    if asking:
        yield ConstraintReport(
            identity("evict", server.name), ", ".join(f"{each} asks it to stay away" for each in asking)
        )


def _notes(
    cluster: Cluster,
    server: VirtualServer,
    hand: Hand,
    node: str | None,
    addresses: Iterable[AddressReport],
    facts: Facts,
) -> Iterator[str]:
    target = hand.moved_to(server.name)
    if target:
        yield (
            f"{server.name} was sent to {target} by hand; `vsctl failback {server.name}` lets it go where it would be "
            "otherwise"
        )
    if node is not None and node in hand.drained:
        others = set(cluster.candidates(server)).intersection(facts.placement.online).difference(hand.drained)
        if server.pinned:
            yield f"{server.name} stays on {node}, which is drained: it is pinned"
        elif others:
            yield f"{server.name} has yet to leave {node}, which is drained"
        else:
            yield f"{server.name} stays on {node}, which is drained: no other node can take it"
    if node is not None:
        for each in addresses:
            if each.by_host_route:
                yield (
                    f"clients reach {each.address} of {server.name} by host route to {each.port} of "
                    f"{each.announced_by}: no port there on {each.subnet} is good"
                )
            elif each.announced_by not in (None, node):
                yield f"clients reach {each.address} of {server.name} through {each.announced_by}"


def _problems(
    cluster: Cluster,
    server: VirtualServer,
    state: State,
    node: str | None,
    mine: tuple[str, ...],
    hand: Hand,
    facts: Facts,
    blocked: Collection[str],
) -> Iterator[str]:
    if node is None and state is not State.STARTING:
        yield _why_stopped(cluster, server, hand, facts)
    stuck = {each.resource for each in facts.placement.resources if each.blocked}
    for failed in facts.failed:
        if failed.resource in mine:
            until = f"; Pacemaker leaves it alone until `vsctl cleanup {server.name}`"
            yield _what_failed(failed) + (until if failed.resource in stuck else "")
    for tries in facts.tries:
        if tries.resource in mine and tries.banned:
            yield (
                f"{tries.resource} is not tried on {tries.node} for ten minutes after it failed there"
                f"{_times(tries.failures)}; `vsctl cleanup {server.name}` tries it now"
            )
    for running in facts.placement.resources:
        if running.resource in mine and len(running.nodes) > 1:
            yield f"{running.resource} is active on {' and '.join(running.nodes)} at once"
    missing = [each for each in mine if each not in facts.placement]
    if missing:
        yield f"the cluster's configuration has no {', '.join(missing)}; `vsctl apply` puts it there"
    resting = (each for each in mine if facts.placement.node_of(each) is None)
    idle = [each for each in resting if each in facts.placement and each not in blocked]
    if node is not None and idle and state is not State.STARTING:
        yield f"{', '.join(idle)} {'does' if len(idle) == 1 else 'do'} not run"


def _why_stopped(cluster: Cluster, server: VirtualServer, hand: Hand, facts: Facts) -> str:
    online = facts.placement.online
    if server.pinned:
        home = _home(server, hand)
        if home not in online:
            return (
                f"{server.name} is pinned to {home}, which is down; it starts when {home} is back, "
                "or `vsctl move` sends it elsewhere"
            )
    candidates = (*cluster.candidates(server), *cluster.refuges(server))
    if not any(each in online for each in candidates):
        kept = cluster.policy.candidates is not None
        more = f"; `vsctl move {server.name} NODE` lets it run on another node" if kept else ""
        return f"{server.name} can run on {', '.join(candidates)} only, and none of them is up{more}"
    full = {
        each: capacity.short_of(cluster, server, each, _beside(cluster, each, facts)) for each in candidates
    }
    if all(full[each] for each in candidates if each in online):
        lacking = [
            f"{each} has not enough {' and '.join(full[each])} left" for each in candidates if each in online
        ]
        return f"{server.name} runs nowhere, since what nodes can carry is hard: {'; '.join(lacking)}"
    if server.on_storage_loss is OnStorageLoss.STOP and all(
        any(facts.attribute(node, f"storage-{each.storage}") == "0" for each in server.filesystems)
        for node in candidates
        if node in online
    ):
        return f"{server.name} waits for its storage, which no node reaches (on_storage_loss: stop)"
    banned = any(
        each.banned for each in facts.tries if each.resource in naming.primitives_of(cluster, server)
    )
    return f"{server.name} runs nowhere" + (
        f"; mend what failed, then `vsctl cleanup {server.name}`" if banned else ""
    )


def _beside(cluster: Cluster, node: str, facts: Facts) -> Iterator[VirtualServer]:
    """Yield the servers on a node."""
    return (each for each in cluster.servers if facts.placement.node_of(naming.net(each.name)) == node)


def _what_failed(failed: Failed) -> str:
    verb = {
        "start": "did not start",
        "stop": "did not stop",
        "monitor": "was found broken",
        "probe": "could not be examined",
    }
    happened = verb.get(failed.action, f"failed to {failed.action}")
    return f"{failed.resource} {happened} on {failed.node}" + (f": {failed.reason}" if failed.reason else "")


def node_state(name: str, hand: Hand, facts: Facts) -> str:
    state = next((each for each in facts.placement.nodes if each.name == name), None)
    if state is None:
        return "unknown"
    if state.unclean:
        return "being fenced"
    if not state.online:
        return "down"
    if state.maintenance:
        return "in maintenance"
    if state.standby:
        return "standby"
    if facts.attribute(name, "evacuate") == "1":
        return "emptying"
    return "drained" if name in hand.drained else "up"


def _cluster_problems(cluster: Cluster, facts: Facts) -> Iterator[str]:
    if facts.dc is None:
        yield "no node leads the cluster: either it is starting, or Pacemaker runs nowhere"
    elif not facts.quorum:
        yield "the cluster has no quorum: Pacemaker starts nothing until more nodes are back"
    if not facts.stonith:
        yield "fencing is off: after a crash two nodes may write to one filesystem"
    for node in cluster.nodes:
        state = next((each for each in facts.placement.nodes if each.name == node.name), None)
        if state is None:
            yield f"the cluster has no node {node.name}; the cluster file does"
        elif not state.online:
            yield f"{node.name} is {'not known to be down: it waits for fencing' if state.unclean else 'down'}"
    for node in cluster.nodes:
        for port in _ports(node, facts):
            if port.state in TROUBLE:
                hint = (
                    f"; `vsctl release {node.name}/{port.name}` uses it now"
                    if port.state in OPEN_TO_RELEASE
                    else ""
                )
                yield f"port {port.name} of {node.name} ({port.subnet}) {TROUBLE[port.state]}{hint}"
        yield from _lost_subnets(node, facts)
    for failed in facts.failed:
        if failed.resource in (naming.DAEMON, naming.ROUTER):
            until = (
                "; Pacemaker leaves it alone there until `vsctl cleanup`" if failed.action == "stop" else ""
            )
            yield _what_failed(failed) + until
    yield from _lost_storage(cluster, facts)
    for event in facts.fenced:
        if event.status == "failed":
            yield f"fencing of {event.target} ({event.action}) failed at {event.when}"


def _lost_subnets(node: Node, facts: Facts) -> Iterator[str]:
    instead = {"lost": "announces nothing there", "routed": "announces by host route what is there"}
    for subnet in _subnets(node, facts):
        if subnet.state in instead:
            yield (
                f"{node.name} has lost subnet {subnet.name}: no port of its there is good, and it "
                f"{instead[subnet.state]}"
            )


def _lost_storage(cluster: Cluster, facts: Facts) -> Iterator[str]:
    for unit in cluster.storage:
        reach = {node: facts.attribute(node, f"storage-{unit.name}") for node in unit.nodes}
        lost = [node for node, value in reach.items() if value == "0"]
        if lost and len(lost) == len(reach):
            yield f"no node reaches storage {unit.name}: see to it, nothing that is on it can move to a better place"
        else:
            yield from (f"{node} has lost storage {unit.name}: see to it" for node in lost)
        for node in unit.nodes:
            state = said(facts, node, UNITS).get(unit.name, GOOD)
            if state in UNEASY:
                hint = f"; `vsctl release {node}/{unit.name}` uses it now" if state == "waiting" else ""
                yield f"storage {unit.name} {UNEASY[state]} on {node}{hint}"


def _times(count: int) -> str:
    return "" if count >= 1_000_000 or count == 1 else f" {count} times"
