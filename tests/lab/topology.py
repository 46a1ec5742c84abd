"""Which machines are there, and what is plugged into what?

Pure: the same wishes give the same names and addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from tests.lab.problem import LabProblem


@dataclass(frozen=True)
class Subnet:
    """A switch, and the networks on it. Clients never see a `private` one."""

    name: str
    networks: tuple[IPv4Network | IPv6Network, ...]
    private: bool = False

    def addresses(self, host: int) -> tuple[str, ...]:
        """Return address/length of host number `host` (decimal digits in both families: .101 and ::101)."""
        return tuple(
            f"{str(network.network_address)[:-1]}{host}/{network.prefixlen}"
            if network.version == 4
            else f"{network.network_address}{host}/{network.prefixlen}"
            for network in self.networks
        )

    @property
    def gateways(self) -> tuple[str, ...]:
        return tuple(each.partition("/")[0] for each in self.addresses(1))


LAN_A = Subnet("lan-a", (IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8:a::/64")))
LAN_B = Subnet("lan-b", (IPv4Network("198.51.100.0/24"), IPv6Network("2001:db8:b::/64")))
HEARTBEAT = Subnet("hb", (IPv4Network("10.77.0.0/24"),), private=True)
LAN_C = Subnet("lan-c", (IPv4Network("203.0.113.0/24"), IPv6Network("2001:db8:c::/64")))
SUBNETS = {each.name: each for each in (LAN_A, LAN_B, HEARTBEAT, LAN_C)}

ROUTER = "router"
USUAL_PORTS = {"e0a": "lan-a", "e0b": "lan-a", "e1a": "lan-b"}
USUAL_CLIENTS = {"c1": "lan-a", "c2": "lan-b"}
MOST_NODES = 8


@dataclass(frozen=True)
class Port:
    """One network port: `interface` on its machine, `cable` its other end in the switch."""

    machine: str
    interface: str
    subnet: Subnet
    host: int

    @property
    def name(self) -> str:
        return f"{self.machine}/{self.interface}"

    @property
    def cable(self) -> str:
        return f"{self.machine}-{self.interface}"

    @property
    def addresses(self) -> tuple[str, ...]:
        return self.subnet.addresses(self.host)

    @property
    def mac(self) -> str:
        """Burnt in: a machine that boots again has the same, and its neighbours need not learn."""
        return f"02:00:00:00:{list(SUBNETS).index(self.subnet.name):02x}:{self.host:02x}"


@dataclass(frozen=True)
class Spec:
    """One machine: a cluster node, a client or the router."""

    name: str
    kind: str
    ports: tuple[Port, ...]

    @property
    def gateway_port(self) -> Port | None:
        """The port its default routes leave by; the router knows every subnet itself."""
        if self.kind == "router":
            return None
        return next((port for port in self.ports if not port.subnet.private), None)


@dataclass(frozen=True)
class Topology:
    machines: tuple[Spec, ...]

    @property
    def nodes(self) -> tuple[Spec, ...]:
        return tuple(each for each in self.machines if each.kind == "node")

    @property
    def ports(self) -> tuple[Port, ...]:
        return tuple(port for machine in self.machines for port in machine.ports)

    def machine(self, name: str) -> Spec:
        for each in self.machines:
            if each.name == name:
                return each
        raise LabProblem(f"there is no machine {name} in this lab, only {_names(self.machines)}")

    def ports_of(self, target: str) -> tuple[Port, ...]:
        """Return what `n1/e0a`, `n1/lan-a`, `lan-a` or `n1` stands for."""
        machine, _, rest = target.rpartition("/")
        found = tuple(
            port
            for port in self.ports
            if (port.machine == machine and rest in (port.interface, port.subnet.name))
            or (not machine and rest in (port.machine, port.subnet.name))
        )
        if not found:
            raise LabProblem(
                f"{target} is no port or subnet of this lab; ports are "
                f"{' '.join(port.name for port in self.ports)}, subnets {' '.join(SUBNETS)}, "
                "and n1/lan-a is every port of n1 on lan-a"
            )
        return found


def plan(
    nodes: int, ports: Mapping[str, Mapping[str, str]] | None = None, clients: Mapping[str, str] | None = None
) -> Topology:
    """Lay out a lab of nodes n1, n2, ..., its router and its clients.

    `ports` gives nodes with other than the usual ports theirs, {"n3":
    {"ens5": "lan-a"}}; `clients` is {"c1": "lan-a"}. The k-th port (from 0)
    of node i on a subnet is host 100 + 20 k + i, client i is host 200 + i,
    the router is host 1.
    """
    if not 1 <= nodes <= MOST_NODES:
        raise LabProblem(f"a lab has 1 to {MOST_NODES} nodes, not {nodes}")
    ports = ports or {}
    names = [f"n{i}" for i in range(1, nodes + 1)]
    for name in ports:
        if name not in names:
            raise LabProblem(f"ports are given for {name}, and the nodes are {' '.join(names)}")
    machines = [
        Spec(ROUTER, "router", tuple(Port(ROUTER, each.name, each, 1) for each in (LAN_A, LAN_B, LAN_C)))
    ]
    machines += [_node(name, i, ports.get(name, USUAL_PORTS)) for i, name in enumerate(names, 1)]
    machines += [
        Spec(name, "client", (Port(name, "eth0", _subnet(subnet), 200 + i),))
        for i, (name, subnet) in enumerate((clients or USUAL_CLIENTS).items(), 1)
    ]
    for port in (port for machine in machines for port in machine.ports):
        if len(port.cable) > 15:
            raise LabProblem(f"{port.name} is too long: node and port have 14 letters together")
    return Topology(tuple(machines))


def _node(name: str, number: int, ports: Mapping[str, str]) -> Spec:
    made = [Port(name, "hb0", HEARTBEAT, number)]
    for interface, subnet in ports.items():
        before = sum(port.subnet.name == subnet for port in made)
        made.append(Port(name, interface, _subnet(subnet), 100 + 20 * before + number))
    return Spec(name, "node", tuple(made))


def _subnet(name: str) -> Subnet:
    if name not in SUBNETS:
        raise LabProblem(f"there is no subnet {name} in the lab, only {' '.join(SUBNETS)}")
    return SUBNETS[name]


def _names(machines: tuple[Spec, ...]) -> str:
    return " ".join(each.name for each in machines)
