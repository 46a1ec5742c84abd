"""The world of the real scheduler: crm_simulate on a CIB in a file, no root, no time.

The world plays the part of everything around the scheduler: it puts node
attributes where the node daemon would publish them, and goes on with the CIB
that the simulation writes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lxml import etree

from tests.stories.world import CARRIES, USUAL, Seen
from vsctl.agents import quarantine
from vsctl.cib_templates import stored
from vsctl.cib_templates.merge import merge
from vsctl.cib_templates.render import render
from vsctl.cib_templates.timings import declared
from vsctl.cli import rebalancing
from vsctl.cli.situation import Situation
from vsctl.policy import naming
from vsctl.policy.balanced import Balanced
from vsctl.policy.demands import Demand, Supply
from vsctl.policy.hand import NO_HAND, Hand
from vsctl.policy.model import Cluster
from vsctl.policy.quarantine import within
from vsctl.policy.rules import configuration

DAY = "2026-11-22"


class Scheduler:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cib = bare(())
        self.cluster: Cluster | None = None
        self.hand = NO_HAND
        self.lost: set[tuple[str, str, str]] = set()
        self.events: list[str] = []
        self.stuck: list[str] = []
        self.where: dict[str, str] = {}
        self.clock = "12:00"

    def apply(self, cluster: Cluster, hand: Hand) -> None:
        before, self.cluster, self.hand = self.cluster, cluster, hand
        if before is None:
            self.cib = bare(each.name for each in cluster.nodes)
            # The schema is tested for itself; checked with every simulated action it takes half of the time.
            self.cib.set("validate-with", "none")
            for node in cluster.nodes:
                self._report(node.name)
        was_ours = frozenset() if before is None else frozenset(naming.of_cluster(before))
        self._write(stored.load(self.cib).settled.within(cluster), was_ours)

    def begin(self, load: Balanced) -> None:
        """Write what evening out the load writes for a wave, and no more: it may be killed there."""
        self._write(load, frozenset(naming.of_cluster(self._cluster)))

    def _write(self, load: Balanced, was_ours: frozenset[str]) -> None:
        known = within(stored.quarantines(self.cib), self._cluster)
        placed = stored.placed(self.cib)
        ours = configuration(
            self._cluster,
            self.hand,
            placed=placed,
            quarantines=known,
            load=load,
            running=stored.running(self.cib),
        )
        memory = stored.Stored("{}", (), self.hand, known, load)
        self.cib = merge(render(ours, memory), self.cib, was_ours).cib

    def rebalance(self, needs: Mapping[str, float]) -> None:
        """Carry out a plan as the command does, wave by wave."""
        cluster, load = self._cluster, stored.load(self.cib)
        was_ours = frozenset(naming.of_cluster(cluster))
        plan = rebalancing.plan(cluster, self._situation(needs), stored.preferences(self.cib))
        where: dict[str, str] = {}
        for wave in plan.waves:
            where.update({each.server: each.target for each in wave})
            ranks = rebalancing.ranks(cluster, plan.situation, stored.preferences(self.cib), where)
            moving = tuple((each.server, each.target) for each in wave)
            self._write(Balanced(tuple(ranks.items()), moving), was_ours)
            self.settle()
        if not plan.nothing_to_do:
            self._write(replace(load, ranked=tuple(plan.ranks.items())), was_ours)

    def _situation(self, needs: Mapping[str, float]) -> Situation:
        cluster = self._cluster
        up = {
            each.get("uname", "")
            for each in self._states()
            if each.get("crmd") == "online" and each.get("uname") not in self.hand.drained
        }
        demands = tuple(
            Demand(
                each.name,
                (needs.get(each.name, USUAL),),
                tuple(node for node in cluster.candidates(each) if node in up),
                self.where[naming.net(each.name)],
                priority=each.priority,
                pinned=each.pinned or each.home is not None,
                apart_from=each.apart_from,
            )
            for each in cluster.servers
            if naming.net(each.name) in self.where
        )
        return Situation(
            demands=demands,
            supplies=tuple(Supply(each.name, (CARRIES,)) for each in cluster.nodes if each.name in up),
            kinds=("cpu",),
            stays=(),
            waiting=frozenset(each.name for each in cluster.servers if each.pinned),
            candidates={each.server: each.nodes for each in demands},
        )

    def cold_start(self, first: str | None) -> None:
        for state in self._states():
            state.getparent().remove(state)
        switch_on(self.cib)
        for node in self._cluster.nodes:
            if first in (None, node.name):
                self._report(node.name)

    def fail_node(self, node: str) -> None:
        self.events.append(f"--node-fail={node}")

    def return_node(self, node: str) -> None:
        self.events.append(f"--node-up={node}")
        self._report(node)

    def lose(self, what: str, node: str, name: str) -> None:
        self.lost.add((what, node, name))
        self._report(node)

    def heal(self, what: str, node: str, name: str) -> None:
        self.lost.discard((what, node, name))
        self._report(node)
        for server in self._cluster.servers:
            if not any(("subnet", node, each.name) in self.lost for each in self._cluster.subnets_of(server)):
                self._admit(server.name, node)

    def evacuate(self, node: str) -> None:
        self._publish(node, {"evacuate": "1"})

    def stick(self, resource: str) -> None:
        self.stuck.append(f"--op-fail={resource}_stop_0@{self.where[resource]}=1")

    def quarantine(self, server: str, filesystem: str, stage: str) -> None:
        """Change the configuration by what an agent would send to the cluster."""
        there = frozenset(each.get("id", "") for each in self.cib.iter("rsc_location"))
        xml = quarantine.change(server, filesystem, {"stage": stage}, there)
        file = self.folder / "quarantine.xml"
        file.write_bytes(etree.tostring(self.cib))
        subprocess.run(
            ["cibadmin", "--modify", "--xml-text", xml], env={**os.environ, "CIB_file": str(file)}, check=True
        )
        self.cib = etree.parse(file, etree.XMLParser(remove_blank_text=True)).getroot()

    def evict(self, server: str, node: str) -> None:
        self._publish(node, {f"evict-{server}": "1"})

    def _admit(self, server: str, node: str) -> None:
        """Let a node no longer ask a server to stay away."""
        for each in self.cib.findall(f"status/node_state[@uname='{node}']//nvpair[@name='evict-{server}']"):
            each.getparent().remove(each)

    def fail_resource(self, resource: str) -> None:
        monitor = self.cib.find(
            f"configuration/resources//primitive[@id='{resource}']/operations/op[@name='monitor']"
        )
        every = int(monitor.get("interval").rstrip("s")) * 1000
        self.events.append(f"--op-inject={resource}_monitor_{every}@{self.where[resource]}=7")

    def time(self, clock: str) -> None:
        self.clock = clock

    def settle(self) -> Seen:
        """Let one transition happen. What it leaves undone happens next time, where nobody expects it."""
        events, self.events = self.events, []
        report = self._simulate([*self.stuck, *events])
        acted = _actions(report)
        fenced = tuple(each.get("target", "") for each in report.iterfind("transition/fencing_action"))
        waves = self._waves()
        self._take_over({resource for resource, what in acted if what == "delete"})
        for node in fenced:
            self._forget(node)
        self.where = dict(_running(report))
        return Seen(
            tuple((each.name, self.where.get(naming.net(each.name))) for each in self._cluster.servers),
            tuple(each for each in acted if each[1] not in ("monitor", "delete")),
            fenced,
            waves,
            tuple(sorted(each for each in self.where.items() if "-vip-" in each[0])),
        )

    @property
    def _cluster(self) -> Cluster:
        assert self.cluster is not None, "the story has no cluster yet"
        return self.cluster

    def _simulate(self, events: list[str]) -> etree._Element:
        """Run one transition, and leave the CIB after it in out.xml and its graph in graph.xml."""
        (self.folder / "in.xml").write_bytes(etree.tostring(self.cib))
        command = ["crm_simulate", "--simulate", "--output-as=xml", f"--set-datetime={DAY} {self.clock}:00Z"]
        files = ["--xml-file=in.xml", "--save-output=out.xml", "--save-graph=graph.xml"]
        run = subprocess.run(
            [*command, *files, *events],
            cwd=self.folder,
            env={**os.environ, "TZ": "UTC"},
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, f"crm_simulate said {run.stderr.decode() or run.stdout.decode()}"
        return etree.fromstring(run.stdout)

    def _take_over(self, deleted: set[str]) -> None:
        """Go on with the CIB after the transition. The simulation keeps the history of what it deletes."""
        self.cib = etree.parse(self.folder / "out.xml", etree.XMLParser(remove_blank_text=True)).getroot()
        for resource in self.cib.findall("status//lrm_resource[@provider='vsctl']"):
            if resource.get("id") in deleted:
                resource.getparent().remove(resource)
            for op in resource.iterfind("lrm_rsc_op[@operation='start']"):
                self._note_what_reloads(resource, op)

    def _note_what_reloads(self, resource: etree._Element, op: etree._Element) -> None:
        """Note with a start which parameters need a restart, as the executor does from the agent's meta-data.

        The digest is that of calculate_xml_digest_v1 in Pacemaker's lib/common/digest.c.
        """
        primitive = self.cib.find(f"configuration/resources//primitive[@id='{resource.get('id')}']")
        if primitive is None or op.get("op-restart-digest"):
            return
        fixed = {each.name for each in declared(resource.get("type", "")).params() if not each.reloadable}
        given = {
            each.get("name", ""): each.get("value", "")
            for each in primitive.iterfind("instance_attributes/nvpair")
            if each.get("name") in fixed
        }
        parameters = etree.Element("parameters", dict(sorted(given.items())))
        text = b" " + etree.tostring(parameters) + b"\n"
        op.set("op-force-restart", f" {' '.join(sorted(fixed))} ")
        op.set("op-restart-digest", hashlib.md5(text).hexdigest())

    def _states(self) -> list[etree._Element]:
        return self.cib.findall("status/node_state")

    def _report(self, node: str) -> None:
        """Publish what the daemon of a node sees of its ports, subnets and storage."""
        cluster = self._cluster
        good = [
            each
            for each in cluster.node(node).ports
            if ("port", node, each.interface) not in self.lost
            and ("subnet", node, each.subnet) not in self.lost
        ]
        subnets = {each.subnet for each in good}
        self._publish(
            node,
            {
                "node-ok": "1",
                "ports-good": str(len(good)),
                **{f"subnet-{each.name}": str(cluster.worth(each.name, subnets)) for each in cluster.subnets},
                **{
                    f"storage-{each.name}": str(int(("storage", node, each.name) not in self.lost))
                    for each in cluster.storage
                },
            },
        )

    def _publish(self, node: str, attributes: dict[str, str]) -> None:
        state = next(each for each in self._states() if each.get("uname") == node)
        holder = state.find("transient_attributes")
        if holder is None:
            holder = etree.SubElement(state, "transient_attributes", id=state.get("id", ""))
        pairs = holder.find("instance_attributes")
        if pairs is None:
            pairs = etree.SubElement(holder, "instance_attributes", id=f"status-{node}")
        for name, value in attributes.items():
            for old in pairs.findall(f"nvpair[@name='{name}']"):
                pairs.remove(old)
            etree.SubElement(pairs, "nvpair", id=f"status-{node}-{name}", name=name, value=value)

    def _forget(self, node: str) -> None:
        """A fenced node has nothing to say any more."""
        for state in self._states():
            if state.get("uname") == node:
                for each in state.findall("transient_attributes"):
                    state.remove(each)

    def _waves(self) -> tuple[tuple[str, ...], ...]:
        """Return the starts of servers in the order that the transition's graph forces."""
        before: dict[str, set[str]] = {}
        starts: dict[str, str] = {}
        for synapse in etree.parse(self.folder / "graph.xml").getroot().iterfind("synapse"):
            inputs = {each.get("id", "") for each in synapse.iterfind("inputs/trigger/*")}
            for action in synapse.iterfind("action_set/*"):
                before[action.get("id", "")] = inputs
                key = action.get("operation_key", "")
                if key.endswith("-net_start_0"):
                    starts[action.get("id", "")] = key.removesuffix("-net_start_0")
        depth: dict[str, int] = {}

        def deep(action: str) -> int:
            if action not in depth:
                depth[action] = max(map(deep, before.get(action, ())), default=0) + (action in starts)
            return depth[action]

        waves: dict[int, list[str]] = {}
        for action, server in starts.items():
            waves.setdefault(deep(action), []).append(server)
        return tuple(tuple(sorted(waves[each])) for each in sorted(waves))


def _running(report: etree._Element) -> list[tuple[str, str]]:
    return [
        (resource.get("id", ""), node.get("name", ""))
        for resource in report.iterfind("revised_cluster_status/resources//resource")
        for node in resource.iterfind("node")
    ]


def _actions(report: etree._Element) -> list[tuple[str, str]]:
    return [
        (each.get("resource", ""), each.get("op", "")) for each in report.iterfind("transition/rsc_action")
    ]


def bare(nodes: Iterable[str]) -> etree._Element:
    """Return the CIB of a cluster with quorum and nothing configured, all of its nodes up."""
    run = subprocess.run(["cibadmin", "--empty"], capture_output=True, check=True)
    cib = etree.fromstring(run.stdout, etree.XMLParser(remove_blank_text=True))
    cib.set("have-quorum", "1")
    cib.set("dc-uuid", "1")
    for number, name in enumerate(nodes, 1):
        etree.SubElement(_part(cib, "configuration/nodes"), "node", id=str(number), uname=name)
    switch_on(cib)
    return cib


def switch_on(cib: etree._Element) -> None:
    """Say of every node that it is a member, and has done nothing yet."""
    up = {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"}
    for node in cib.iterfind("configuration/nodes/node"):
        who = {"id": node.get("id", ""), "uname": node.get("uname", "")}
        etree.SubElement(_part(cib, "status"), "node_state", {**who, **up})


def _part(cib: etree._Element, path: str) -> etree._Element:
    found = cib.find(path)
    assert found is not None
    return found
