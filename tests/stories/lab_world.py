"""The world of a real cluster: the same stories, played with nodes, disks and servers.

The world is an operator at a keyboard: it writes a cluster file and says
`vsctl apply`, and what is done by hand it does with vsctl's commands. What
happened it reads from the nodes' own logs.

Ports and subnets lose their cables, and the node daemons find that out.
Storage fails in the scheduler's world alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.lab import stage
from tests.lab.stage import FILE, Stage
from tests.lab.topology import ROUTER
from tests.stories.world import CARRIES, USUAL, Seen
from vsctl.policy import naming
from vsctl.policy.hand import NO_HAND, Hand
from vsctl.policy.model import Capacity, Cluster, Filesystem, Load, Subnet, VirtualServer

LOADS = "/etc/loads.json"
SPEAKS, SOCKET = "/etc/bird-story.conf", "/run/bird-story.ctl"
LISTENS = """
router id {address};
protocol device {{ }}
protocol bgp {{ local {address} as {number}; neighbor range {network} as {theirs}; passive; dynamic name "node"; \
               ipv4 {{ import all; export none; }}; }}
"""
"""What a router of the lab is told that is declared as a peer."""
STATES = {"0": "lost", "1": "routed", "2": "good"}
"""What `vsctl events` calls the worth of a subnet."""


class LabWorld:
    def __init__(self, on: Stage) -> None:
        self.stage = on
        self.lab = on.lab
        self.cluster: Cluster | None = None
        self.hand = NO_HAND
        self.lost: set[tuple[str, str, str]] = set()
        self.listens = False
        self.since = stage.now()

    def apply(self, cluster: Cluster, hand: Hand) -> None:
        wanted = file_of(cluster)
        if hand == self.hand:
            self._listen(cluster)
            self.stage.make_disks(wanted)
            self.stage.write(wanted)
            self.stage.vsctl("apply", "--yes", FILE)
        for command in commands(self.hand, hand):
            self.stage.vsctl(*command)
        self.cluster, self.hand = cluster, hand

    def rebalance(self, needs: Mapping[str, float]) -> None:
        assert self.cluster is not None, "the story has no cluster yet"
        load = {"memory": 0, "network": 0, "disk": 0, "operations": 0, "clients": 0, "locks": 0}
        size = {"cpu": CARRIES, "memory": 2**40, "network": 10**12}
        told = {
            "nodes": [{"name": each.name, "capacity": size} for each in self.cluster.nodes],
            "servers": [
                {"name": each.name, "load": {**load, "cpu": needs.get(each.name, USUAL)}}
                for each in self.cluster.servers
            ],
        }
        for node in self.lab.nodes_on:
            node.write(LOADS, json.dumps(told))
        self.stage.vsctl("rebalance", "--apply", "--loads", LOADS)

    def fail_node(self, node: str) -> None:
        self.lab.kill(node)
        self.lab.wait_until_fenced(node, 60)

    def return_node(self, node: str) -> None:
        self.lab.boot(node)
        self.lab.wait_for_nodes()

    def fail_resource(self, resource: str) -> None:
        node = self.lab.where(resource)
        assert node, f"{resource} runs nowhere"
        self.lab.node(node).run(["crm_resource", "--fail", "--resource", resource, "--node", node])
        self.lab.wait(
            lambda: self.stage.touched_since(self.since).get(resource), f"{resource} is recovered", 60
        )

    def lose(self, what: str, node: str, name: str) -> None:
        self.lab.cut(f"{node}/{name}")
        self.lost.add((what, node, name))
        self.lab.wait(lambda: self._sees_it_all(node), f"{node} has lost {what} {name}", 30)
        state = "lost" if what == "port" else STATES[self._worth(node)[f"subnet-{name}"]]
        self._told(node, what, name, state)

    def heal(self, what: str, node: str, name: str) -> None:
        """Put cables back; an operator says that they are all right, so that nobody waits for proof of it."""
        self.lab.mend(f"{node}/{name}")
        self.lost.discard((what, node, name))
        for port in self.lab.topology.ports_of(f"{node}/{name}"):
            self.lab.wait(
                lambda it=port.name: self.stage.vsctl("release", it, check=False).returncode == 0,
                f"{port.name} is good",
                60,
            )
        self.lab.wait(
            lambda: self._sees_it_all(node) and not self._evicted(node),
            f"{what} {name} is good on {node}, and nobody is asked to leave",
            30,
        )

    def _sees_it_all(self, node: str) -> bool:
        """Whether a node says of its ports and subnets what is so."""
        assert self.cluster is not None, "the story has no cluster yet"
        said = self._said(node)
        bad = {f"port-{name}" for what, where, name in self.lost if (what, where) == ("port", node)}
        return self._worth(node).items() <= said.items() and all(said.get(each) == "0" for each in bad)

    def _worth(self, node: str) -> dict[str, str]:
        """Return what each subnet must be worth on a node."""
        assert self.cluster is not None, "the story has no cluster yet"
        good = {
            each.subnet
            for each in self.cluster.node(node).ports
            if not {("port", node, each.interface), ("subnet", node, each.subnet)} & self.lost
        }
        return {
            f"subnet-{each.name}": str(self.cluster.worth(each.name, good)) for each in self.cluster.subnets
        }

    def _listen(self, cluster: Cluster) -> None:
        """Let the lab's router listen to nodes where a subnet of the story has one that does."""
        for subnet in cluster.subnets:
            if subnet.bgp and not self.listens:
                (peer,) = subnet.bgp.peers
                router = self.lab.machine(ROUTER)
                told = LISTENS.format(
                    address=peer.address,
                    number=peer.number,
                    network=subnet.networks[0],
                    theirs=subnet.bgp.number,
                )
                router.write(SPEAKS, told)
                router.run(["bird", "-c", SPEAKS, "-s", SOCKET])
                self.listens = True

    def evict(self, server: str, node: str) -> None:
        """Wait until the server's bridge is over; one that is pinned is never asked."""
        assert self.cluster is not None
        assert not self.cluster.server(server).pinned, f"{server} is never asked to leave"
        self.lab.wait(lambda: server in self._evicted(node), f"{node} asks {server} to leave", 90)
        self._told(node, "server", server, "leave")

    def _told(self, node: str, kind: str, about: str, state: str) -> None:
        """Wait until `vsctl events` has told an operator of what the cluster is about to heed."""
        wanted = {"node": node, "kind": kind, "about": about, "state": state}

        def told() -> bool:
            found = json.loads(self.stage.vsctl("events", "--all", "--json", node).stdout)["events"]
            return any(each["at"] >= self.since and wanted.items() <= each.items() for each in found)

        self.lab.wait(told, f"`vsctl events` tells that {kind} {about} of {node} is {state}", 30)

    def _said(self, node: str) -> dict[str, str]:
        """Return the attributes of a node."""
        now = self.lab.status()
        found = [] if now is None else now.xpath("//node_attributes/node[@name=$node]/attribute", node=node)
        return {each.get("name"): each.get("value") for each in found}

    def _evicted(self, node: str) -> set[str]:
        return {name.removeprefix("evict-") for name in self._said(node) if name.startswith("evict-")}

    def settle(self) -> Seen:
        self.stage.settle()
        end = stage.now()
        assert self.cluster is not None, "the story has no cluster yet"
        servers = tuple((each.name, self.lab.where(naming.net(each.name))) for each in self.cluster.servers)
        acts = [each for each in self.stage.acts_since(self.since) if each.at < end]
        fenced = [
            each.machine
            for each in self.lab.journal("off")
            if self.since < each.wall < end and "reboot" in each.why
        ]
        begun = tuple((each.resource, each.operation) for each in acts if each.result is None)
        self.since = end
        announcers = (
            naming.announcer(each.name, subnet.name)
            for each in self.cluster.servers
            for subnet in self.cluster.subnets_of(each)
        )
        placed = ((each, self.lab.where(each)) for each in announcers)
        return Seen(
            servers,
            begun,
            tuple(dict.fromkeys(fenced)),
            tuple(self._waves(acts)),
            tuple(sorted((each, node) for each, node in placed if node)),
        )

    def leave(self) -> None:
        """Take everything back: the nodes are on, nothing is drained, and there is no virtual server."""
        self.lab.heal()
        self.stage.settle()
        for command in commands(Hand((), self.hand.drained), NO_HAND):
            self.stage.vsctl(*command)
        self.hand = NO_HAND
        self.stage.clear(file_of(self.cluster) if self.cluster else None)
        if self.listens:
            self.lab.machine(ROUTER).run(["birdc", "-s", SOCKET, "down"])

    def _waves(self, acts: Iterable[Any]) -> Iterable[tuple[str, ...]]:
        """Yield the servers that started, by priority, those together that did not wait for each other."""
        assert self.cluster is not None
        by_net = {naming.net(each.name): each for each in self.cluster.servers}
        begun: dict[VirtualServer, float] = {}
        ended: dict[VirtualServer, float] = {}
        for act in acts:
            if act.operation == "start" and act.resource in by_net:
                moments = begun if act.result is None else ended
                moments.setdefault(by_net[act.resource], act.at)
        wave: list[VirtualServer] = []
        for server in sorted(begun, key=lambda each: begun[each]):
            waited = all(ended.get(each, begun[server] + 1) <= begun[server] for each in wave)
            if wave and (not waited or wave[-1].priority == server.priority):
                wave.append(server)
                continue
            if wave:
                yield tuple(sorted(each.name for each in wave))
            wave = [server]
        if wave:
            yield tuple(sorted(each.name for each in wave))


def commands(before: Hand, after: Hand) -> Iterable[tuple[str, ...]]:
    """Yield the commands by which an operator gets from one hand to another."""
    for server, node in after.moves:
        if before.moved_to(server) != node:
            yield ("move", server, node)
    for server, _ in before.moves:
        if after.moved_to(server) is None:
            yield ("failback", server)
    yield from (("drain", node) for node in after.drained if node not in before.drained)
    yield from (("undrain", node) for node in before.drained if node not in after.drained)


def file_of(cluster: Cluster) -> dict[str, Any]:
    """Return the cluster file of a story's cluster, on the lab's disks, ports and power switches."""
    return {
        "name": cluster.name,
        "subnets": {each.name: _subnet(each) for each in cluster.subnets},
        "storage": {each.name: {"nodes": list(each.nodes)} for each in cluster.storage},
        "nodes": {
            each.name: {
                "ports": {port.interface: port.subnet for port in each.ports},
                "capacity": _given(each.capacity),
            }
            for each in cluster.nodes
        },
        "fencing": stage.fencing(each.name for each in cluster.nodes),
        "virtual_servers": {each.name: _server(each) for each in cluster.servers},
        "policy": {
            "failback": cluster.policy.failback.mode.value,
            "balance": {"mode": cluster.policy.balance.mode.value},
        },
    }


def _subnet(subnet: Subnet) -> dict[str, Any]:
    words = {"networks": list(map(str, subnet.networks)), "gateways": list(map(str, subnet.gateways))}
    if subnet.bgp:
        peers = {str(each.address): each.number for each in subnet.bgp.peers}
        return {**words, "routers": {"bgp": {"as": subnet.bgp.number, "peers": peers}}}
    return words


def _server(server: VirtualServer) -> dict[str, Any]:
    words: dict[str, Any] = {
        "priority": server.priority,
        "migrate": server.migrate,
        "on_subnet_loss": server.on_subnet_loss.value,
        "apart_from": list(server.apart_from),
        "load": _given(server.load),
        "addresses": list(map(str, server.addresses)),
        "filesystems": {each.name: _filesystem(server.name, each) for each in server.filesystems},
    }
    if server.listed:
        words["nodes"] = list(server.nodes)
    if server.home:
        words["home"] = server.home
    if server.bridge is not None:
        words["bridge"] = f"{server.bridge}s"
    return words


def _given(amounts: Capacity | Load) -> dict[str, Any]:
    """Return those amounts that the story states."""
    return {name: value for name, value in vars(amounts).items() if value}


def _filesystem(server: str, filesystem: Filesystem) -> dict[str, Any]:
    nfs: list[dict[str, Any]] = [
        {
            "nfs": {
                "path": each.path,
                "clients": {str(client.who): client.access.value for client in each.clients},
            }
        }
        for each in filesystem.exports
    ]
    smb: list[dict[str, Any]] = [
        {"smb": {"share": each.share, "path": each.path, "users": list(each.users)}}
        for each in filesystem.shares
    ]
    return {
        "device": stage.device(server, filesystem.name),
        "type": "ext4",
        "storage": filesystem.storage,
        "exports": nfs + smb,
    }
