"""How do machines become a cluster?

Corosync over the heartbeat switch, Pacemaker with an empty CIB but for
`dc-deadtime` (an election otherwise waits 20 s for nodes that may exist).
"""

from __future__ import annotations

import secrets

from lxml import etree

from tests.lab.command import call
from tests.lab.machine import Machine
from tests.lab.place import CHECKOUT, Place
from tests.lab.problem import LabProblem
from tests.lab.topology import HEARTBEAT, Spec, Topology
from tests.lab.waiting import wait

CIB = "/var/lib/pacemaker/cib/cib.xml"


class Cluster:
    """The cluster software on the nodes of one lab. `venv` holds the vsctl that nodes get."""

    def __init__(self, place: Place, topology: Topology, venv: str) -> None:
        self.place = place
        self.topology = topology
        self.venv = venv

    def configure(self, node: Machine) -> None:
        """Write what an administrator writes once, when the node is set up."""
        with self.place.lock("authkey"):
            if (key := self.place.load("authkey")) is None:
                self.place.save("authkey", key := secrets.token_hex(64))
        node.write("/etc/corosync/authkey", key, 0o400)
        node.write("/etc/corosync/corosync.conf", corosync_conf(self.place.name, self.topology.nodes))
        node.write("/etc/hosts", hosts(self.topology.nodes))
        node.write("/usr/sbin/fence_lab", (CHECKOUT / "tests/lab/fence_lab").read_text(), 0o755)
        node.write(CIB, first_cib(), 0o600)
        node.run(["chown", "hacluster:haclient", CIB])
        node.run(["ln", "-sfn", self.vsctl, "/usr/local/bin/vsctl"])

    @property
    def vsctl(self) -> str:
        return f"{self.venv}/bin/vsctl"

    def start(self, node: Machine) -> None:
        """Install the agents and start Corosync and Pacemaker, as booting does; wait for nobody."""
        if list(CHECKOUT.joinpath(self.venv).glob("lib/python3*/site-packages/vsctl/cli/main.py")):
            node.run([self.vsctl, "install"])
        node.run(["corosync"])
        node.spawn(["env", "PCMK_logfacility=none", "pacemakerd"])

    def wait_until_up(self, nodes: list[Machine], limit: float = 60) -> None:
        """Wait for quorum, a DC, and every one of `nodes` online."""
        names = {each.name for each in nodes}
        asked = nodes[0]
        wait(
            lambda: names <= online(asked),
            f"{' '.join(sorted(names))} are online, with quorum and a DC (asked on {asked.name})",
            limit,
            every=0.2,
        )


def status(node: Machine) -> etree._Element | None:
    """Return what crm_mon says on a node, as XML; None while Pacemaker does not answer there."""
    done = node.run(["crm_mon", "-1", "--output-as=xml"], check=False, timeout=30)
    return etree.fromstring(done.stdout.encode()) if done.returncode == 0 else None


def has_quorum(status: etree._Element | None) -> bool:
    """Whether the status is that of a partition that decides: with quorum and a DC."""
    return status is not None and bool(status.xpath("//current_dc[@present='true' and @with_quorum='true']"))


def online(node: Machine) -> set[str]:
    """Return the nodes that are online as one of them sees it; none without quorum and a DC."""
    now = status(node)
    if now is None or not has_quorum(now):
        return set()
    return {str(name) for name in now.xpath("/*/nodes/node[@online='true' and @pending='false']/@name")}


def corosync_conf(name: str, nodes: tuple[Spec, ...]) -> str:
    """Return corosync.conf. Its parser wants `section {` alone on a line."""
    lines = [
        "totem {",
        "    version: 2",
        f"    cluster_name: {name}",
        "    transport: knet",
        "    crypto_cipher: aes256",
        "    crypto_hash: sha256",
        "    token: 1000",
        "    seqno_unchanged_const: 3",  # rotations without a message before the token rests: decision 0060
        "    token_coefficient: 0",  # or Corosync adds 650 ms for each node above two
        "}",
        "quorum {",
        "    provider: corosync_votequorum",
        f"    two_node: {int(len(nodes) == 2)}",
        "}",
        "logging {",
        "    to_stderr: no",
        "    to_syslog: no",
        "    to_logfile: yes",
        "    logfile: /var/log/corosync/corosync.log",
        "    timestamp: hires",
        "}",
        "nodelist {",
    ]
    for number, node in enumerate(nodes, 1):
        lines += [
            "    node {",
            f"        name: {node.name}",
            f"        nodeid: {number}",
            f"        ring0_addr: {_heartbeat(node)}",
            "    }",
        ]
    return "\n".join([*lines, "}", ""])


def hosts(nodes: tuple[Spec, ...]) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    return "\n".join([*lines, *(f"{_heartbeat(node)} {node.name}" for node in nodes), ""])


def first_cib() -> str:
    """Return an empty CIB of this Pacemaker's own schema and feature set, with a short `dc-deadtime`."""
    cib = etree.fromstring(call(["cibadmin", "--empty"]).encode())
    cib.set("epoch", "1")
    properties = etree.SubElement(cib.find("configuration/crm_config"), "cluster_property_set")
    properties.set("id", "cib-bootstrap-options")
    etree.SubElement(
        properties, "nvpair", id="cib-bootstrap-options-dc-deadtime", name="dc-deadtime", value="2s"
    )
    return etree.tostring(cib, encoding="unicode")


def _heartbeat(node: Spec) -> str:
    for port in node.ports:
        if port.subnet == HEARTBEAT:
            return port.addresses[0].partition("/")[0]
    raise LabProblem(f"{node.name} has no port on the heartbeat switch")
