"""The servers of subnets.yaml, all at home on n1, and who uses them."""

from __future__ import annotations

from pathlib import Path

from tests.lab.announcers import addresses_in
from tests.lab.at_work import assert_served, go_on
from tests.lab.clients import Client
from tests.lab.lab import Lab
from tests.lab.sessions import Session, serve

CLUSTER_FILE = Path(__file__).with_name("subnets.yaml")
SERVERS = {
    "vs1": ("192.0.2.11", "2001:db8:a::11", "projects"),
    "vs2": ("192.0.2.12", "2001:db8:a::12", "scratch"),
    "vs3": ("192.0.2.13", "2001:db8:a::13", "media"),
}
"""The addresses of each, and its export and share."""


def serving(lab: Lab) -> Lab:
    """Bring them all up, and watch who announces them."""
    for server in SERVERS:
        lab.disk(f"{server}-root")
    lab.node("n1").run(["vsctl", "apply", "--wait", CLUSTER_FILE], timeout=180)
    for server in SERVERS:
        lab.node("n1").run(["vsctl", "smb-user", server, "add", "alice"], input="wonderland\n")
    lab.watch_announcers(addresses_in(CLUSTER_FILE))
    return lab


def clients_of(lab: Lab, server: str) -> list[Client]:
    """Return an NFS writer by IPv4 and an SMB writer by IPv6."""
    c1, (four, six, name) = lab.client("c1"), SERVERS[server]
    return [Client.nfs(c1, four, f"/root/{name}"), Client.smb(c1, six, name, "alice", "wonderland")]


class Users:
    """All who use a server that stays on n1: a session by IPv4 and one by IPv6 held open, NFS and SMB writers."""

    def __init__(self, lab: Lab, server: str = "vs1") -> None:
        self.server = serve(lab.node("n1"), server)
        self.sessions = [Session(lab.client("c1"), each) for each in SERVERS[server][:2]]
        self.clients = clients_of(lab, server)

    def __enter__(self) -> Users:
        for each in self.clients:
            each.start().wait_for_progress()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.clients:
            each.stop()
        for session in self.sessions:
            session.close()
        self.server.communicate()

    def go_on(self) -> None:
        """Both sessions answer, both writers get on."""
        assert all(session.answers() for session in self.sessions), "a session is lost"
        go_on(self.clients)

    def lost_nothing(self) -> None:
        """Nothing of what was written, and no connection."""
        assert_served(self.clients, stays=True)
