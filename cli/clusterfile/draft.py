"""What does the file say so far, complete or not?

The rules look at a file through this view, so that every problem is found at
once. What could not be read is absent, and `incomplete` where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from vsctl.cli.clusterfile.shapes import Entry
from vsctl.policy.model import Address, Interface, Network


@dataclass(frozen=True)
class Directory:
    """One directory that a server gives to clients: an NFS export or an SMB share."""

    server: str
    filesystem: str
    entry: Entry

    @property
    def path(self) -> str | None:
        path: str | None = self.entry.plain("path")
        return path

    @property
    def of(self) -> str:
        return f"{self.server}/{self.filesystem}"


class Draft:
    """The tables of a cluster file by name."""

    def __init__(self, file: Entry) -> None:
        self.file = file
        self.subnets = dict(file.each("subnets"))
        self.units = dict(file.each("storage"))
        self.nodes = dict(file.each("nodes"))
        self.fencing = dict(file.each("fencing"))
        self.servers = dict(file.each("virtual_servers"))

    @cached_property
    def networks(self) -> tuple[tuple[str, Network], ...]:
        """Every network with the name of its subnet."""
        return tuple(
            (name, network.value)
            for name, subnet in self.subnets.items()
            for network in subnet.all("networks")
        )

    @property
    def knows_all_networks(self) -> bool:
        """Whether an address outside `networks` is outside every subnet for sure."""
        subnets = self.file.get("subnets")
        return (
            subnets is not None
            and not subnets.incomplete
            and not any(
                (networks := each.get("networks")) is None or networks.incomplete
                for each in self.subnets.values()
            )
        )

    def subnet_of(self, address: Interface) -> str | None:
        return next((name for name, network in self.networks if address.ip in network), None)

    def addresses_on(self, subnet: str) -> Iterator[tuple[str, Interface]]:
        """Yield every virtual server's addresses on a subnet."""
        for server, entry in self.servers.items():
            for each in entry.all("addresses"):
                if self.subnet_of(each.value) == subnet:
                    yield server, each.value

    def peers(self, subnet: str) -> tuple[tuple[Address, Entry], ...]:
        """Return the routers of a subnet that speak BGP: the names of this table are addresses."""
        routers = self.subnets[subnet].get("routers")
        bgp = routers.get("bgp") if routers else None
        return tuple(bgp.value["peers"].value.items()) if bgp and bgp.get("peers") else ()

    def told(self, subnet: str) -> set[int]:
        """Return the IP versions in which the routers of a subnet are told of addresses."""
        routers = self.subnets[subnet].get("routers")
        if routers and routers.get("ospf"):
            return {each.value.version for each in self.subnets[subnet].all("gateways")}
        return {address.version for address, _ in self.peers(subnet)}

    def beside(self, subnet: str) -> tuple[str, ...]:
        """Return the other subnets that nodes with a port on this one are on."""
        on = [{each.value for _, each in entry.each("ports")} for entry in self.nodes.values()]
        shared = set().union(*(each for each in on if subnet in each))
        return tuple(each for each in self.subnets if each in shared and each != subnet)

    def may_have_port_on(self, node: str, subnet: str) -> bool:
        """Say whether a node has a port on a subnet, or what could not be understood may be one."""
        ports = self.nodes[node].get("ports")
        return (
            ports is None
            or ports.incomplete
            or any(where.value == subnet or where.value not in self.subnets for where in ports.value.values())
        )

    def reaches(self, node: str, unit: str) -> bool:
        """Say whether a node reaches a storage unit, or what could not be understood may say so."""
        nodes = self.units[unit].get("nodes")
        return (
            nodes is None
            or nodes.incomplete
            or any(each.value == node or each.value not in self.nodes for each in nodes.value)
        )

    def allowed(self, server: str) -> tuple[str, ...]:
        """Return the known nodes a server may run on by its own `nodes`, or by what could not be understood of it."""
        nodes = self.servers[server].get("nodes")
        if nodes is None or nodes.incomplete:
            return tuple(self.nodes)
        named = {each.value for each in nodes.value}
        return tuple(each for each in self.nodes if each in named)

    def subnets_of(self, server: str) -> tuple[str, ...]:
        """Return the subnets a server has addresses on, in the order of the file."""
        has = {self.subnet_of(each.value) for each in self.servers[server].all("addresses")}
        return tuple(each for each in self.subnets if each in has)

    def units_of(self, server: str) -> tuple[str, ...]:
        """Return the known storage units a server's filesystems are on, in the order of the file."""
        has = {each.plain("storage") for _, each in self.servers[server].each("filesystems")}
        return tuple(each for each in self.units if each in has)

    def lacks(self, node: str, server: str) -> tuple[str, ...]:
        """Return what a node lacks of what a server needs, as ends of the sentence "n3 ..."."""
        return (
            *(
                f"has no port on {each}"
                for each in self.subnets_of(server)
                if not self.may_have_port_on(node, each)
            ),
            *(f"does not reach {each}" for each in self.units_of(server) if not self.reaches(node, each)),
        )

    def candidates(self, server: str) -> tuple[str, ...]:
        return tuple(each for each in self.allowed(server) if not self.lacks(each, server))

    def refuges(self, server: str) -> tuple[str, ...]:
        """Return the nodes that are listed for a server, and where it can run only if peers route to it."""
        entry = self.servers[server]
        if entry.get("nodes") is None or entry.plain("on_subnet_loss") == "move":
            return ()
        return tuple(
            each
            for each in self.allowed(server)
            if self.lacks(each, server)
            and all(self.reaches(each, unit) for unit in self.units_of(server))
            and self.nodes[each].plain("ports")
        )

    def exports(self, server: str) -> tuple[Directory, ...]:
        return tuple(self._directories(server, "nfs"))

    def shares(self, server: str) -> tuple[Directory, ...]:
        return tuple(self._directories(server, "smb"))

    def _directories(self, server: str, kind: str) -> Iterator[Directory]:
        for filesystem, entry in self.servers[server].each("filesystems"):
            for each in entry.all("exports"):
                found = each.get(kind)
                if found is not None:
                    yield Directory(server, filesystem, found)
