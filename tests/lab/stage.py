"""How do virtual servers come onto a lab, and when has the cluster answered?"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import yaml
from lxml import etree

from tests.lab import history
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.problem import LabProblem

FILE = "/etc/vsctl.yaml"
SUBNETS = {
    "lan-a": {
        "networks": ["192.0.2.0/24", "2001:db8:a::/64"],
        "gateways": ["192.0.2.1", "2001:db8:a::1"],
    },
    "lan-b": {
        "networks": ["198.51.100.0/24", "2001:db8:b::/64"],
        "gateways": ["198.51.100.1", "2001:db8:b::1"],
    },
}
PORTS = {"e0a": "lan-a", "e0b": "lan-a", "e1a": "lan-b"}
CHANGES = ("start", "stop", "reload", "reload-agent")
"""What an agent is asked to do to a resource; the rest only asks how it is."""


class Stage:
    """A lab on which virtual servers come and go."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.bare = {node.name: traces(node) for node in lab.nodes}
        self.document: Mapping[str, Any] | None = None
        self.at_home: tuple[str, ...] | None = None
        """The version of the CIB when all were at home."""

    def vsctl(
        self, *words: str, check: bool = True, input: str | None = None, node: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a vsctl command on a node, any if none is named."""
        where = self.lab.node(node) if node else self.lab.any_node()
        return where.run(["vsctl", *words], check=check, input=input, timeout=240)

    def status(self) -> dict[str, Any]:
        """Return what `vsctl status --json` says, its servers by name."""
        found = json.loads(self.vsctl("status", "--json", check=False).stdout)
        return {**found, "servers": {each["name"]: each for each in found["servers"]}}

    def write(self, document: Mapping[str, Any]) -> None:
        """Put the cluster file on every node that is on."""
        text = yaml.safe_dump(dict(document), sort_keys=False)
        for node in self.lab.nodes_on:
            node.write(FILE, text)

    def apply(self, document: Mapping[str, Any], *options: str) -> str:
        """Apply a cluster file, wait until everything serves, and return what vsctl said."""
        self.make_disks(document)
        self.write(document)
        self.document = document
        return self.vsctl("apply", "--wait", FILE, *options).stdout

    def become(self, document: Mapping[str, Any]) -> None:
        """Make these the virtual servers on the stage, all at home; quick if they are there already."""
        if self.document != document:
            self.clear()
            self.apply(document)
        elif self.at_home != self.version():
            self.vsctl("apply", "--yes", "--wait", FILE)
            self.vsctl("failback")
        self.at_home = self.version()

    def version(self) -> tuple[str, ...]:
        """Return the version of the CIB: while it is the same, nothing was changed and nothing has happened."""
        cib = self.lab.cib()
        return tuple(cib.get(each, "") for each in ("admin_epoch", "epoch", "num_updates"))

    def add_user(self, server: str, name: str, password: str) -> None:
        """Give an SMB server an account, where it runs."""
        self.vsctl("smb-user", server, "add", name, input=f"{password}\n", node=self.node_of(server))

    def node_of(self, server: str) -> str:
        node = self.lab.where(f"{server}-net")
        if node is None:
            raise LabProblem(f"{server} runs nowhere")
        return node

    def clear(self, document: Mapping[str, Any] | None = None) -> None:
        """Take every virtual server off the stage; LabProblem if one leaves anything on a node."""
        frame = document or self.document or cluster_file(self.lab, "{}")
        self.write({**frame, "virtual_servers": {}})
        self.vsctl("apply", "--yes", FILE)
        self.document = None
        self.settle()
        for node in self.lab.nodes_on:
            found = traces(node)
            if left := found - self.bare[node.name] - KEPT:
                raise LabProblem(
                    f"after the last virtual server {node.name} still has: {'; '.join(sorted(left))}"
                )
            if gone := self.bare[node.name] - found:
                raise LabProblem(
                    f"after the last virtual server {node.name} lacks: {'; '.join(sorted(gone))}"
                )

    def make_disks(self, document: Mapping[str, Any]) -> None:
        there = {each.device for each in self.lab.disks.all()}
        for server in document["virtual_servers"].values():
            for filesystem in server["filesystems"].values():
                if filesystem["device"] not in there:
                    name = filesystem["device"].rpartition("vsctl-lab-")[2]
                    self.lab.disk(name, filesystem["type"])

    def settle(self, limit: float = 120) -> None:
        """Wait until the cluster does nothing, and finds nothing to do."""
        self.lab.wait(self._rests, "the cluster rests", limit)

    def serving(self, server: str, node: str | None = None) -> bool:
        """Whether all of a server runs, on `node` if one is named."""
        found = self.status()["servers"][server]
        return found["state"] == "serving" and node in (None, found["node"])

    def acts_since(self, moment: float) -> tuple[history.Act, ...]:
        """Return what was done to resources since a moment (of the epoch)."""
        return tuple(each for each in history.acts(self.lab, moment) if each.operation in CHANGES)

    def touched_since(self, moment: float) -> dict[str, set[str]]:
        """Return the resources to which anything was done since a moment, and what."""
        touched: dict[str, set[str]] = {}
        for act in self.acts_since(moment):
            touched.setdefault(act.resource, set()).add(act.operation)
        return touched

    def _rests(self) -> bool:
        try:
            node = self.lab.any_node()
        except LabProblem:
            return False
        leader = node.run(["crmadmin", "--dc_lookup", "--quiet"], check=False).stdout.strip()
        if not leader or "S_IDLE" not in node.run(["crmadmin", "--status", leader], check=False).stdout:
            return False
        asked = node.run(["crm_simulate", "--live-check", "--simulate", "--output-as=xml"], check=False)
        # Where a capacity is hard there is always a pseudo action for each node, and nothing comes of it; and a
        # fencing device would rather be where the fewest resources are, and goes there in the next transition.
        acts = "//transition/*[not(self::pseudo_action) and not(starts-with(@resource, 'fence-'))]"
        return asked.returncode == 0 and not etree.fromstring(asked.stdout.encode()).xpath(acts)


def cluster_file(lab: Lab, servers: str, **more: Any) -> dict[str, Any]:
    """Return the cluster file of all nodes of a lab with these servers (YAML).

    A filesystem that names no device, type or storage gets a disk of the
    lab's, ext4 and san1.
    """
    document: dict[str, Any] = {
        "name": "nas1",
        "subnets": SUBNETS,
        "storage": {"san1": {}},
        "nodes": {node.name: {"ports": PORTS} for node in lab.nodes},
        "fencing": fencing(node.name for node in lab.nodes),
        "virtual_servers": yaml.safe_load(servers),
        **more,
    }
    for server, words in document["virtual_servers"].items():
        for filesystem, given in words["filesystems"].items():
            usual = {"device": device(server, filesystem), "type": "ext4", "storage": "san1"}
            words["filesystems"][filesystem] = {**usual, **(given or {})}
    return document


def device(server: str, filesystem: str) -> str:
    return f"/dev/disk/by-id/vsctl-lab-{server}-{filesystem}"


def fencing(nodes: Any) -> dict[str, Any]:
    return {name: {"agent": "fence_lab", "options": {"plug": name}} for name in nodes}


def traces(node: Machine) -> frozenset[str]:
    """Return everything on a node that a virtual server could have left there, in words."""
    found = node.run(["sh", "-c", TRACES]).stdout.splitlines()
    return frozenset(line.strip() for line in found if line.strip())


KEPT = {
    "mount /run/netns",
    "mount /srv/vsctl",
    "directory /run/vsctl/_node",
    "file /run/vsctl/_node/lock",
    "directory /run/vsctl/_daemon",
    "directory /run/vsctl/_balancer",
}
"""What a node that has had virtual servers keeps until it restarts, by docs/contracts.md, and the daemons' places."""

TRACES = """
ip -o link show | sed -E 's/^[0-9]+: ([^:@]+).*/interface \\1/'
ip -o addr show | awk '$4 !~ /^fe80/ { print "address", $2, $4 }'
ip rule show | sed 's/^/rule /'
ip -6 rule show | sed 's/^/IPv6 rule /'
for family in -4 -6; do
    ip $family route show table all | grep -vE '^(local|multicast|anycast|broadcast) |fe80' |
        sed -E 's/ (expires [^ ]*|hoplimit [0-9]*|pref [a-z]+)//g; s/^/route /'
    ip $family neigh show proxy | sed 's/^/proxy neighbour /'
done
nft list tables | sed 's/^/packet filter /'
ip netns list | sed 's/ .*//; s/^/namespace /'
awk '$5 ~ "^/srv|^/run/netns|^/run/vsctl" { print "mount", $5 }' /proc/self/mountinfo
find /run/vsctl -type f -not -path '/run/vsctl/_daemon/*' -not -path '/run/vsctl/_balancer/*' 2>/dev/null | sed 's/^/file /'
find /run/vsctl/* -maxdepth 0 -type d 2>/dev/null | sed 's/^/directory /'
sysctl -a 2>/dev/null | grep -E \
    'forwarding|rp_filter|proxy_(arp|ndp|delay)|accept_ra |arp_(ignore|announce)|disable_ipv6' | sed 's/^/setting /'
for each in ganesha.nfsd smbd rpcbind rpc.statd sm-notify samba-dcerpcd; do
    pgrep -x "$each" >/dev/null && echo "process $each"
done
true
"""


def now() -> float:
    """Return this moment as logs know it."""
    return time.time()
