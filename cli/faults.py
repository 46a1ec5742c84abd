"""What does a fault look like to Pacemaker?

A fault is typed as KIND:WHERE, such as node:n1 or storage:n1/san1. It becomes
a node that dies, a monitor that fails, or what a node reports of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lxml import etree

from vsctl.cib_templates import stored
from vsctl.cli import changes, scheduler
from vsctl.cli.changes import Move
from vsctl.cli.configuration import known
from vsctl.cli.evictions import Sight
from vsctl.cli.programs import Refused
from vsctl.cli.scheduler import Outcome
from vsctl.policy import candidates, naming
from vsctl.policy.model import Cluster, VirtualServer

FORMS = ("node:NODE", "port:NODE/PORT", "subnet:NODE/SUBNET", "storage:NODE/UNIT", "filesystem:VS/FILESYSTEM")
_KINDS = tuple(each.partition(":")[0] for each in FORMS)


@dataclass(frozen=True)
class Fault:
    """`where` is a node, or the virtual server of a filesystem."""

    kind: str
    where: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.where}" + (f"/{self.part}" if self.part else "")


@dataclass(frozen=True)
class Route:
    """A subnet on which a server is reached through another node than its own; None: not at all.

    Or by host route, from a port of that node, or of its own, on another subnet.
    """

    server: str
    subnet: str
    through: str | None
    by_host_route: bool = False

    def __str__(self) -> str:
        if self.through is None:
            return f"{self.server} cannot be reached on {self.subnet}"
        if self.by_host_route:
            return (
                f"the addresses of {self.server} on {self.subnet} are reached by host route to {self.through}"
            )
        return f"{self.server} is reached on {self.subnet} through {self.through}"


@dataclass(frozen=True)
class Step:
    """What one fault did; `routes` and `down` are how things are since, not only what changed.

    `later` is what moves when the `bridge` of a server is over and the subnet still lost.
    """

    fault: Fault
    moves: tuple[Move, ...]
    restarts: tuple[str, ...]
    routes: tuple[Route, ...]
    down: tuple[str, ...]
    later: tuple[Move, ...] = ()


def parse(text: str, cluster: Cluster) -> Fault:
    """Return the fault somebody typed, or raise Refused with what can be typed."""
    kind, _, rest = text.partition(":")
    where, _, part = rest.partition("/")
    if kind not in _KINDS or not where or bool(part) == (kind == "node"):
        raise Refused(f"{text} is no failure that can be simulated: write {', '.join(FORMS)}")
    if kind == "filesystem":
        known(where, (each.name for each in cluster.servers), "virtual server")
        filesystems = (each.name for each in cluster.server(where).filesystems)
        return Fault(kind, where, known(part, filesystems, f"filesystem of {where}"))
    known(where, (each.name for each in cluster.nodes), "node")
    if kind == "port":
        known(part, (each.interface for each in cluster.node(where).ports), f"port of {where}")
    if kind == "subnet":
        ports = cluster.node(where).ports
        known(part, dict.fromkeys(each.subnet for each in ports), f"subnet of {where}")
    if kind == "storage":
        units = (each.name for each in cluster.storage if where in each.nodes)
        known(part, units, f"storage unit of {where}")
    return Fault(kind, where, part)


@dataclass(frozen=True)
class Rehearsal:
    """A cluster in which faults happen one after the other; nothing is left to do in `now`."""

    cluster: Cluster
    now: Outcome
    happened: frozenset[Fault] = frozenset()

    def fail(self, fault: Fault) -> tuple[Rehearsal, Step]:
        """Return the cluster after a fault and all that the scheduler does about it, and what that was."""
        now, cib = self.now, self.now.cib
        happened = self.happened | {fault}
        if fault.kind == "filesystem":
            now = scheduler.settle(cib, events=self._broken(fault))
        elif fault.where not in now.after.online:
            raise Refused(f"{fault}: {fault.where} is down already, nothing more of it can fail")
        elif fault.kind == "node":
            now = scheduler.settle(cib, events=("--node-fail", fault.where))
        else:
            now = scheduler.settle(with_attributes(cib, fault.where, self._reported(fault.where, happened)))
        then = replace(self, now=now, happened=happened)._asked()
        return then, self._step(fault, then)

    def _asked(self) -> Rehearsal:
        """Return the cluster when nodes have asked servers to leave to which nobody routes."""
        now = self.now
        failed: set[tuple[str, str]] = set()
        asked: set[tuple[VirtualServer, str]] = set()
        while True:
            sight, cib = self._sight(now), now.cib
            failing = set(sight.unreached()) - failed
            leaving = set() if failing else set(sight.unrouted()) - asked
            if not failing and not leaving:
                return replace(self, now=now)
            failed |= failing
            asked |= leaving
            for announcer, node in failing:
                cib = with_attributes(cib, node, {_failures(announcer): "INFINITY"})
            then = self._without(cib, leaving)
            now = replace(then, actions=(*now.actions, *then.actions))

    def _without(self, cib: bytes, leaving: Iterable[tuple[VirtualServer, str]]) -> Outcome:
        """Return what becomes of a CIB when nodes ask servers to leave; their announcers' failures are forgotten."""
        for server, node in leaving:
            cib = with_attributes(cib, node, {f"evict-{server.name}": "1"})
            for subnet in self.cluster.subnets_of(server):
                cib = without_attribute(cib, _failures(naming.announcer(server.name, subnet.name)))
        return scheduler.settle(cib)

    def _sight(self, now: Outcome) -> Sight:
        reported = {node: self._reported(node, self.happened) for node in now.after.online}
        worths = {
            node: {
                name.removeprefix("subnet-"): int(value)
                for name, value in said.items()
                if name.startswith("subnet-")
            }
            for node, said in reported.items()
        }
        return Sight(self._seen(now.cib), now.after, worths)

    def _seen(self, cib: bytes) -> Cluster:
        if self.cluster.policy.candidates is None:
            return self.cluster
        return candidates.narrowed(self.cluster, stored.candidates(etree.fromstring(cib)))

    def _later(self) -> tuple[Move, ...]:
        """Return what moves when every bridge is over."""
        leaving = set(self._sight(self.now).bridged())
        if not leaving:
            return ()
        then = self._without(self.now.cib, leaving)
        return tuple(changes.moved(self.now.after, then.after, self.cluster, self.cluster))

    def _broken(self, fault: Fault) -> tuple[str, ...]:
        resource = naming.filesystem(fault.where, fault.part)
        node = self.now.after.node_of(resource)
        if node is None:
            raise Refused(f"{fault}: it is not mounted anywhere, so it cannot fail")
        return ("--op-inject", f"{resource}_monitor_{_interval(self.now.cib, resource)}@{node}=1")

    def _worth(self, subnet: str, node: str) -> str | None:
        """Return how a node can announce on a subnet now: 2, 1 by host route, 0 not at all."""
        return self._reported(node, self.happened).get(f"subnet-{subnet}")

    def _reported(self, node: str, happened: frozenset[Fault]) -> dict[str, str]:
        """Return the attributes with which a node reports all that it has lost."""
        lost = {(each.kind, each.part) for each in happened if each.where == node}
        ports = self.cluster.node(node).ports
        good = [each for each in ports if not {("port", each.interface), ("subnet", each.subnet)} & lost]
        reached = {each.subnet for each in good}
        return {
            **{f"port-{each.interface}": str(int(each in good)) for each in ports},
            **{f"subnet-{each.subnet}": str(self.cluster.worth(each.subnet, reached)) for each in ports},
            "ports-good": str(len(good)),
            **{
                f"storage-{each.name}": str(int(("storage", each.name) not in lost))
                for each in self.cluster.storage
                if node in each.nodes
            },
        }

    def routes(self) -> tuple[Route, ...]:
        """Return the servers that are not reached directly just now, subnet by subnet."""
        return tuple(self._routes())

    def _routes(self) -> Iterator[Route]:
        cluster, after = self.cluster, self.now.after
        for server in cluster.servers:
            node = after.node_of(naming.net(server.name))
            for subnet in cluster.subnets_of(server):
                announcer = after.node_of(naming.announcer(server.name, subnet.name))
                worth = self._worth(subnet.name, announcer) if announcer else None
                if node is not None and worth == "0":
                    yield Route(server.name, subnet.name, None)
                elif node is not None and (announcer != node or worth == "1"):
                    yield Route(server.name, subnet.name, announcer, worth == "1")

    def _step(self, fault: Fault, then: Rehearsal) -> Step:
        cluster, after = self.cluster, then.now.after
        return Step(
            fault,
            tuple(changes.moved(self.now.after, after, cluster, cluster)),
            changes.restarted(then.now.actions, self.now.after, after),
            then.routes(),
            tuple(each.name for each in cluster.servers if after.node_of(naming.net(each.name)) is None),
            then._later(),
        )


def with_attributes(cib: bytes, node: str, attributes: dict[str, str]) -> bytes:
    """Return a CIB in which a node has reported transient attributes."""
    tree = etree.fromstring(cib)
    state = next((each for each in tree.iterfind("status/node_state") if each.get("uname") == node), None)
    if state is None:
        raise Refused(f"{node} has not joined the cluster: nothing of it can fail")
    id = state.get("id", "")
    transient = state.find("transient_attributes")
    if transient is None:
        transient = etree.SubElement(state, "transient_attributes", id=id)
    pairs = transient.find("instance_attributes")
    if pairs is None:
        pairs = etree.SubElement(transient, "instance_attributes", id=f"status-{id}")
    for name, value in attributes.items():
        for old in [each for each in pairs if each.get("name") == name]:
            pairs.remove(old)
        etree.SubElement(pairs, "nvpair", id=f"status-{id}-{name}", name=name, value=value)
    return etree.tostring(tree)


def without_attribute(cib: bytes, name: str) -> bytes:
    """Return a CIB in which no node says anything of a transient attribute."""
    tree = etree.fromstring(cib)
    for pairs in tree.iterfind("status/node_state/transient_attributes/instance_attributes"):
        for each in [each for each in pairs if each.get("name") == name]:
            pairs.remove(each)
    return etree.tostring(tree)


def _failures(resource: str) -> str:
    """Return the attribute in which Pacemaker counts the starts of a resource that have failed on a node."""
    return f"fail-count-{resource}#start_0"


def _interval(cib: bytes, resource: str) -> int:
    """Return how often a resource is monitored, in the milliseconds of an operation's key."""
    path = f"configuration/resources//primitive[@id='{resource}']/operations/op[@name='monitor']"
    found = etree.fromstring(cib).find(path)
    return 0 if found is None else int(found.get("interval", "0").removesuffix("s")) * 1000
