"""Where are a virtual server's addresses of one subnet announced?"""

from __future__ import annotations

import os

from vsctl.agents import announce, names, namespaces, resident, rtnetlink
from vsctl.agents.addresses import several, some
from vsctl.agents.netlink import Netlink
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vsctl.agents.rtnetlink import Link


def ports_by_node(text: str) -> dict[str, tuple[str, ...]]:
    """Read `n1=e0a,e0b n2=ens5`."""
    found = {}
    for each in text.split():
        name, equals, ports = each.partition("=")
        if not (name and equals and all(ports.split(","))):
            raise ValueError(f"{each} is not of the form node=port,port")
        found[name] = tuple(ports.split(","))
    if not found:
        raise ValueError("at least one node is needed")
    return found


class Vip(Agent):
    """Announce the addresses of a virtual server on one subnet

    The addresses are on no port: they live in the server's network namespace,
    and the first port of the subnet on this node that has a carrier answers
    for them. When it loses its carrier, or the node daemon finds that nobody
    is heard on it, the next one takes over, sessions continue. When none is
    left the monitor fails, and the subnet's node attribute sends this resource
    to another node.
    """

    server = Param(names.known, "Name of the virtual server")
    subnet = Param(names.known, "Name of the subnet")
    addresses = Param(
        some,
        "The server's addresses on the subnet with prefix length, such as 192.0.2.10/24, separated by spaces",
        reloadable=True,
    )
    ports = Param(
        ports_by_node,
        "For each node its ports on the subnet, best first: n1=e0a,e0b n2=ens5",
        reloadable=True,
    )
    gateways = Param(
        several, "The subnet's gateways, at most one of each family is used", default="", reloadable=True
    )

    @action("start", timeout=20)
    def start(self) -> None:
        if not namespaces.exists(self.server):
            raise Failure(f"{self.server} is not on this node, so its addresses cannot be announced here")
        good = self._good(Netlink())
        if not good:
            raise Failure(self._no_port())
        self._announce(good[0].name)

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self.start()

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        netlink = Netlink()
        here = announce.port_of(netlink, rtnetlink.links(netlink), self.addresses)
        if not here and not announce.traces(netlink, self.server, self.subnet):
            raise NotRunning(f"no address of {self.server} on {self.subnet} is announced on this node")
        if not namespaces.exists(self.server):
            raise Failure(f"{self.server} has left this node, its addresses on {self.subnet} lead nowhere")
        if len(here) > 1:
            raise Failure(f"{self.server} is announced on {' and '.join(here)} at once")
        good = self._good(netlink)
        if not good:
            raise Failure(self._no_port())
        now = next((link for link in good if link.name in here), None)
        if now is not None:
            wrong = announce.problem(netlink, self.server, self.subnet, now, self.addresses, self.gateways)
            if wrong:
                raise Failure(wrong)
        elif self.probing:
            raise Failure(f"{self.server} is not announced on a port of {self.subnet} that has a carrier")
        else:
            lost = here[0] if here else "the port where it was announced"
            log(f"{lost} is lost: announcing {self.server} on {good[0].name}")
            self._announce(good[0].name)

    @action("stop", timeout=20)
    def stop(self) -> None:
        announce.withdraw(self.server, self.subnet)

    def _announce(self, port: str) -> None:
        try:
            announce.announce(
                self.server, self.subnet, port, self._ports_here(), self.addresses, self.gateways
            )
        except OSError as problem:
            raise Failure(f"{self.server} cannot be announced on {port}: {problem.strerror}") from None

    def _ports_here(self) -> tuple[str, ...]:
        """The ports of this node on the subnet, best first."""
        name = os.environ.get("OCF_RESKEY_CRM_meta_on_node") or os.uname().nodename
        return self.ports.get(name, ())

    def _links(self, netlink: Netlink) -> list[Link]:
        found = (rtnetlink.link(netlink, port) for port in self._ports_here())
        return [link for link in found if link is not None]

    def _good(self, netlink: Netlink) -> list[Link]:
        """The ports with a carrier, without those that the node daemon has found bad, unless it says so of all."""
        working = [link for link in self._links(netlink) if link.carrier]
        bad = resident.unusable()
        return [link for link in working if link.name not in bad] or working

    def _no_port(self) -> str:
        ports = self._ports_here()
        if not ports:
            return f"this node has no port on {self.subnet} by parameter ports"
        return f"no port of this node on {self.subnet} has a carrier: {', '.join(ports)}"
