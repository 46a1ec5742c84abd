"""Where are a virtual server's addresses of one subnet announced?"""

from __future__ import annotations

from vsctl.agents import announce, hostroute, names, namespaces, resident, rtnetlink
from vsctl.agents.addresses import several, some
from vsctl.agents.netlink import Netlink
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vsctl.agents.hostroute import Via
    from vsctl.agents.rtnetlink import Link


MEETING = 8.0
"""How many seconds a router that has just been called may take to be told."""


def ports_by_node(text: str) -> dict[str, tuple[str, ...]]:
    """Read `n1=e0a,e0b n2=ens5`, of one node at least."""
    found = detours_by_node(text)
    if not found:
        raise ValueError("at least one node is needed")
    return found


def detours_by_node(text: str) -> dict[str, tuple[str, ...]]:
    """Read the same form, of any number of nodes."""
    found: dict[str, tuple[str, ...]] = {}
    for each in text.split():
        name, equals, ports = each.partition("=")
        if not (name and equals and all(ports.split(","))):
            raise ValueError(f"{each} is not of the form node=port,port")
        found[name] = tuple(ports.split(","))
    return found


class Vip(Agent):
    """Announce the addresses of a virtual server on one subnet

    The addresses are on no port: they live in the server's network namespace,
    and the first port of the subnet on this node that has a carrier answers
    for them. When it loses its carrier, or the node daemon finds that nobody
    is heard on it, the next one takes over, sessions continue. When none is
    left, a port of another subnet announces them by host route if routers are
    told by it; the first good port of the subnet takes them back. Where there
    is no such port the monitor fails, and the subnet's node attribute sends
    this resource to another node, which routes to the server over another
    subnet. Sessions continue there, too.
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
    detours = Param(
        detours_by_node,
        "For each node its ports on other subnets, by which it meets a server on another node: n1=e1a n2=e1a",
        default="",
        reloadable=True,
    )
    routed = Param(
        hostroute.by_node,
        "Of other subnets with routers their gateways and each node's ports, by which host routes are announced "
        "when no port of the subnet is good: lan-b 198.51.100.1 n1=e1a n2=e1a;lan-c 203.0.113.1 n1=e2a",
        default="",
        reloadable=True,
    )

    @action("start", timeout=20)
    def start(self) -> None:
        from vsctl.agents import reroute

        netlink = Netlink()
        good = self._good(netlink) or self._told(netlink, MEETING)  # BIRD may have started this moment
        if not good:
            raise Failure(self._no_port())
        reroute.end(self.server, self.subnet)
        if namespaces.exists(self.server):
            self._announce(good[0].name, ())
        else:
            self._announce(good[0].name, self._lead())

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self.start()

    @action("monitor", timeout=20, interval=20)
    def monitor(self) -> None:
        netlink = Netlink()
        detours = self.detours.get(names.this_node(), ())
        others = [link for link in rtnetlink.links(netlink) if link.name not in detours]
        here = announce.port_of(netlink, others, self.addresses)
        if not here and not announce.traces(netlink, self.server, self.subnet):
            raise NotRunning(f"no address of {self.server} on {self.subnet} is announced on this node")
        inward = announce.Record(self.server, self.subnet).inward
        if namespaces.exists(self.server) == bool(inward):
            raise Failure(
                f"{self.server} has come to this node, its addresses on {self.subnet} lead away from it"
                if inward
                else f"{self.server} has left this node, its addresses on {self.subnet} lead nowhere"
            )
        if len(here) > 1:
            raise Failure(f"{self.server} is announced on {' and '.join(here)} at once")
        via, patience = None, 0.0
        if self._vias() and (by := hostroute.port_of(netlink, self.server, self.subnet, self.addresses)):
            from vsctl.agents import bird

            if here:
                raise Failure(f"{self.server} is announced on {here[0]} and by host route on {by} at once")
            here = [by]
            via = next((each for each in self._vias() if each.port == by), None)
            patience = 0.0 if self.probing else bird.HELD
        good = self._good(netlink, patience)
        if not good:
            raise Failure(self._no_port())
        now = next((link for link in good if link.name in here), None)
        if now is not None:
            wrong = announce.problem(
                netlink, self.server, self.subnet, now, self.addresses, self.gateways, inward, via
            ) or (inward and self._misled(netlink, inward))
            if wrong:
                raise Failure(wrong)
        elif self.probing:
            raise Failure(f"{self.server} is not announced on a port of {self.subnet} that has a carrier")
        else:
            before = here[0] if here else "a lost port"
            log(f"announcing {self.server} on {good[0].name}, no longer on {before}")
            self._announce(good[0].name, inward)

    @action("stop", timeout=20)
    def stop(self) -> None:
        from vsctl.agents import reroute

        record = announce.Record(self.server, self.subnet)
        if record.inward and record.ready:
            reroute.linger(self.server, self.subnet)
            return
        announce.withdraw(self.server, self.subnet)
        if announce.Record(self.server, self.subnet, announce.LINGERING):
            reroute.fade(self.server, self.subnet)
        if record and namespaces.exists(self.server):
            reroute.seek(
                self.server,
                reroute.Detour(self.subnet, self.addresses, self.detours.get(names.this_node(), ())),
            )

    def _announce(self, port: str, inward: Sequence[str]) -> None:
        try:
            announce.announce(
                self.server,
                self.subnet,
                port,
                self._ports_here(),
                self.addresses,
                self.gateways,
                inward,
                self._vias(),
            )
        except OSError as problem:
            raise Failure(f"{self.server} cannot be announced on {port}: {problem.strerror}") from None

    def _lead(self) -> Sequence[str]:
        """Route to the server on its node; return the ports by which its replies come."""
        from vsctl.agents import reroute

        detours = self.detours.get(names.this_node(), ())
        try:
            outward = (*self._ports_here(), *(each.port for each in self._vias()))
            inward = reroute.lead(self.server, self.subnet, self.addresses, detours, outward)
        except OSError as problem:
            raise Failure(f"this node cannot route to {self.server}: {problem.strerror}") from None
        log(f"{self.server} is on another node: routing its addresses on {self.subnet} there")
        return inward

    def _misled(self, netlink: Netlink, inward: Sequence[str]) -> str | None:
        """Say what keeps packets from the server on its node; where only the way is lost, take another."""
        from vsctl.agents import reroute

        wrong = reroute.leads(netlink, self.server, self.subnet, self.addresses, inward)
        if wrong is None and not self.probing:
            reroute.follow(self.server, self.addresses, inward)
        return wrong

    def _ports_here(self) -> tuple[str, ...]:
        """The ports of this node on the subnet, best first."""
        return self.ports.get(names.this_node(), ())

    def _vias(self) -> tuple[Via, ...]:
        """The ports of this node on other subnets by which it can announce by host route, best first."""
        return self.routed.get(names.this_node(), ())

    def _links(self, netlink: Netlink, ports: Sequence[str]) -> list[Link]:
        found = (rtnetlink.link(netlink, port) for port in ports)
        return [link for link in found if link is not None]

    def _good(self, netlink: Netlink, patience: float = 0.0) -> list[Link]:
        """The ports that may announce now, best first.

        They are those of the subnet with a carrier, without those that the node
        daemon has found bad; where it says so of all, those of other subnets by
        which routers are told, or are within `patience` seconds; and where there
        are none, those that it has found bad.
        """
        working = [link for link in self._links(netlink, self._ports_here()) if link.carrier]
        bad = resident.unusable()
        good = [link for link in working if link.name not in bad]
        return good or self._told(netlink, patience) or working

    def _told(self, netlink: Netlink, patience: float) -> list[Link]:
        """The ports on other subnets that are good, and by which routers are told of host routes now, or soon."""
        vias = [each.port for each in self._vias()]
        if not vias:
            return []
        from vsctl.agents import bird, processes

        def told() -> list[Link]:
            by, bad = bird.told() or set(), resident.unusable()
            links = self._links(netlink, [each for each in vias if each in by and each not in bad])
            return [link for link in links if link.carrier]

        processes.until(lambda: bool(told()), patience)
        return told()

    def _no_port(self) -> str:
        ports = self._ports_here()
        if not ports:
            return f"this node has no port on {self.subnet} by parameter ports"
        none = f"no port of this node on {self.subnet} has a carrier: {', '.join(ports)}"
        vias = [each.port for each in self._vias()]
        return f"{none}; and no router is told of host routes on {', '.join(vias)}" if vias else none
