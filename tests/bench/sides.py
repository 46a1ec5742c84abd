"""Which two clusters are compared?

The same three nodes, six disks, servers and clients; on one side vsctl, on the
other stock agents, configured by hand (`stock/`). Each is a lab of its own,
and never are both up: they would share two cores.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.lab.clients import Client
from tests.lab.lab import Lab
from tests.lab.machine import Machine

HERE = Path(__file__).parent
SERVERS = ("vs1", "vs2", "vs3", "vs4", "vs5", "vs6")
USER, PASSWORD = "alice", "wonderland"


def address(server: str) -> str:
    return f"192.0.2.1{server[-1]}"


def protocol(server: str) -> str:
    """Return what a server serves: the odd ones NFS, the even ones SMB."""
    return "nfs" if int(server[-1]) % 2 else "smb"


@dataclass(frozen=True)
class Side(ABC):
    """One of the two, up and serving."""

    lab: Lab
    clients: ClassVar[Mapping[str, str]] = {}
    """Where they are, if not where a lab has them."""

    @abstractmethod
    def configure(self) -> None:
        """Do what an administrator does once the cluster is up."""

    @abstractmethod
    def node_of(self, server: str) -> str | None: ...

    @abstractmethod
    def move(self, server: str, node: str) -> None: ...

    @staticmethod
    @abstractmethod
    def name() -> str: ...

    @property
    def client(self) -> Machine:
        return self.lab.client("c1")

    def writer(self, server: str) -> Client:
        host = address(server)
        if protocol(server) == "nfs":
            return Client.nfs(self.client, host, "/root/data")
        return Client.smb(self.client, host, "data", USER, PASSWORD)

    def opener(self, server: str) -> Client:
        """Return one who writes by NFSv4, and has to wait while others could reclaim."""
        return Client.nfs4(self.client, address(server), "/root/data")

    def prober(self, server: str) -> Client:
        return Client.answers(self.client, address(server), protocol(server))

    def wait_until_idle(self) -> None:
        """Wait until everything runs that is one of its kind, and nothing is under way."""

        def idle() -> bool:
            now = self.lab.status()
            idle_by_nature = "ancestor::clone or @resource_agent='ocf:vsctl:repair'"
            if now is None or now.xpath(f"//resource[@active!='true' and not({idle_by_nature})]"):
                return False
            return not now.xpath("//resource[@pending]")

        self.lab.wait(idle, "all servers run", 120)

    def controller(self) -> str:
        """Return the node that decides (the DC)."""
        now = self.lab.status()
        return "" if now is None else str(now.xpath("string(//current_dc/@name)"))


class Ours(Side):
    @staticmethod
    def name() -> str:
        return "vsctl"

    def configure(self) -> None:
        for each in SERVERS:
            self.lab.disk(each)
        node = self.lab.node("n1")
        node.run(["vsctl", "apply", "--wait", HERE / "ours.yaml"], timeout=180)
        for server in SERVERS:
            if protocol(server) == "smb":
                there = self.lab.node(self.node_of(server) or "n1")
                there.run(["vsctl", "smb-user", server, "add", USER], input=f"{PASSWORD}\n")

    def node_of(self, server: str) -> str | None:
        return self.lab.where(f"{server}-net")

    def move(self, server: str, node: str) -> None:
        self.lab.any_node().run(["vsctl", "move", server, node])


class Stock(Side):
    @staticmethod
    def name() -> str:
        return "stock agents"

    def configure(self) -> None:
        for each in SERVERS:
            self.lab.disk(each)
        for node in self.lab.nodes:
            self._prepare(node)
        for server in SERVERS:
            self._fill(self.lab.node("n1"), server)
        self.lab.node("n1").run(["crm", "-F", "configure", "load", "update", HERE / "stock/cluster.crm"])

    def _prepare(self, node: Machine) -> None:
        """Write a node's part: users, the servers' configurations, what they need to find there."""
        node.run(["useradd", USER])
        node.run(["mkdir", "-p", "/run/stock", "/etc/stock", "/var/log/ganesha", "/var/log/samba"])
        node.run(["rpcbind", "-w"])
        for server in SERVERS:
            kind = {"nfs": "ganesha", "smb": "smb"}[protocol(server)]
            text = (HERE / f"stock/{kind}.conf").read_text()
            text = text.replace("@NAME@", server).replace("@ADDRESS@", address(server))
            node.write(f"/etc/stock/{server}.conf", text)
            node.run(["mkdir", "-p", f"/srv/stock/{server}", f"/run/stock/{server}/ncalrpc"])

    def _fill(self, node: Machine, server: str) -> None:
        """Make the directories and the account on a server's disk."""
        top = f"/srv/stock/{server}"
        node.run(["mount", f"/dev/disk/by-id/vsctl-lab-{server}", top])
        node.run(["mkdir", f"{top}/data", f"{top}/nfs", f"{top}/smb"])
        node.run(["chmod", "1777", f"{top}/data"])
        if protocol(server) == "smb":
            add = ["smbpasswd", "-c", f"/etc/stock/{server}.conf", "-a", "-s", USER]
            node.run(add, input=f"{PASSWORD}\n{PASSWORD}\n")
        node.run(["umount", top])

    def node_of(self, server: str) -> str | None:
        return self.lab.where(f"{server}-server")

    def move(self, server: str, node: str) -> None:
        self.lab.any_node().run(["crm_resource", "--move", "--resource", server, "--node", node])


BOTH: tuple[type[Side], ...] = (Ours, Stock)


def lab_name() -> str:
    return os.environ.get("VSCTL_LAB") or "bench"


@contextmanager
def up(side: type[Side]) -> Iterator[Side]:
    """Bring one side up, serving and idle."""
    with Lab(3, name=lab_name(), clients=side.clients) as lab:
        it = side(lab)
        it.configure()
        it.wait_until_idle()
        yield it
        lab.check()
