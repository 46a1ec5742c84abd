"""What is a cluster made of?

The nouns of the cluster file, checked and with every default filled in, as
frozen values. Nothing here knows about YAML, XML, Pacemaker or the kernel.

Units: durations are whole seconds, sizes and rates plain numbers (bytes,
bits a second), addresses in the canonical form of `ipaddress`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

ROOT = "root"
"""The filesystem every virtual server has: it also keeps the server's own state."""


@dataclass(frozen=True)
class Peer:
    """A router that speaks BGP, and its autonomous system."""

    address: Address
    number: int


@dataclass(frozen=True)
class Bgp:
    """Our autonomous system and the routers to tell; the password is in a file of every node."""

    number: int
    peers: tuple[Peer, ...]
    password_file: str | None = None
    bfd: bool = False


@dataclass(frozen=True)
class Ospf:
    """The area of the routers to tell, written like an IPv4 address."""

    area: str
    bfd: bool = False


@dataclass(frozen=True)
class Subnet:
    """Where clients are: one broadcast domain, with one or more networks on it.

    Its routers, if any speak BGP or OSPF with the nodes, are told of addresses of other subnets.
    """

    name: str
    networks: tuple[Network, ...]
    gateways: tuple[Address, ...] = ()
    bgp: Bgp | None = None
    ospf: Ospf | None = None

    @property
    def told(self) -> frozenset[int]:
        """The IP versions in which its routers are told of addresses; none without such routers."""
        if self.bgp:
            return frozenset(each.address.version for each in self.bgp.peers)
        return frozenset(each.version for each in self.gateways) if self.ospf else frozenset()


@dataclass(frozen=True)
class StorageUnit:
    """What is lost at one blow: an array, a path to a LUN.

    `nodes` are those that can reach it, in the order of the cluster file.
    """

    name: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Port:
    """A network port of a node: `interface` is its name there, such as e0a."""

    interface: str
    subnet: str


@dataclass(frozen=True)
class Capacity:
    """What a node can carry; None is not limited. With `hard` it is a limit, otherwise a wish."""

    cpu: float | None = None
    memory: int | None = None
    network: int | None = None
    hard: bool = False


@dataclass(frozen=True)
class Node:
    name: str
    ports: tuple[Port, ...]
    capacity: Capacity = Capacity()

    def ports_on(self, subnet: str) -> tuple[str, ...]:
        """Return the interfaces of the node on a subnet, best first (the order of the file)."""
        return tuple(port.interface for port in self.ports if port.subnet == subnet)


@dataclass(frozen=True)
class FenceDevice:
    """One way to cut a node off: a fence agent and its options, in the order of the file."""

    agent: str
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Fencing:
    """How one node is fenced: levels tried in turn, each of devices that must all act."""

    node: str
    levels: tuple[tuple[FenceDevice, ...], ...]


class Access(Enum):
    READ_WRITE = "rw"
    READ_ONLY = "ro"


class Squash(Enum):
    """Whose identity an NFS client's users lose: root's, everybody's, nobody's."""

    ROOT = "root"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True)
class NfsClient:
    """Who may mount: `who` is a network (192.0.2.0/24), an address, or a host name."""

    who: str
    access: Access


@dataclass(frozen=True)
class NfsExport:
    """One directory by NFS.

    `path` is inside its filesystem and starts with /; `seen_as` is the path
    clients mount, v3 and v4 alike; `id` is Ganesha's Export_Id (1 to 65535),
    part of every file handle and therefore never renumbered.
    """

    path: str
    seen_as: str
    id: int
    clients: tuple[NfsClient, ...]
    squash: Squash = Squash.ROOT


@dataclass(frozen=True)
class SmbShare:
    """One directory by SMB. `users` are accounts of the virtual server, @group for groups."""

    share: str
    path: str
    users: tuple[str, ...]
    access: Access = Access.READ_WRITE


@dataclass(frozen=True)
class Filesystem:
    """One filesystem of one virtual server, on one device.

    `after` names an existing Pacemaker resource below it (DRBD, LVM-activate).
    """

    name: str
    device: str
    type: str
    storage: str
    options: tuple[str, ...] = ()
    after: str | None = None
    exports: tuple[NfsExport, ...] = ()
    shares: tuple[SmbShare, ...] = ()


class OnSubnetLoss(Enum):
    ROUTE = "route"
    MOVE = "move"


class OnStorageLoss(Enum):
    STAY = "stay"
    STOP = "stop"


@dataclass(frozen=True)
class Load:
    """What a virtual server is expected to need; None counts as nothing."""

    cpu: float | None = None
    memory: int | None = None
    network: int | None = None
    disk: int | None = None


@dataclass(frozen=True)
class VirtualServer:
    """A movable file server: its addresses, its filesystems, and where it may be.

    `home` is the operator's wish, None where the policy engine chooses.
    `nodes` are the nodes it may run on by the file alone; `Cluster.candidates`
    says which of them have what it needs. `listed` says that the operator named
    them one by one. `bridge` is how long it may stay routed through a peer,
    None for ever.
    """

    name: str
    addresses: tuple[Interface, ...]
    filesystems: tuple[Filesystem, ...]
    nodes: tuple[str, ...]
    priority: int = 0
    home: str | None = None
    migrate: bool = True
    apart_from: tuple[str, ...] = ()
    on_subnet_loss: OnSubnetLoss = OnSubnetLoss.ROUTE
    bridge: int | None = None
    on_storage_loss: OnStorageLoss = OnStorageLoss.STAY
    load: Load = Load()
    listed: bool = False

    @property
    def pinned(self) -> bool:
        return not self.migrate

    @property
    def root(self) -> Filesystem:
        return next(each for each in self.filesystems if each.name == ROOT)

    @property
    def further_filesystems(self) -> tuple[Filesystem, ...]:
        return tuple(each for each in self.filesystems if each.name != ROOT)

    @property
    def serves_nfs(self) -> bool:
        return any(each.exports for each in self.filesystems)

    @property
    def serves_smb(self) -> bool:
        return any(each.shares for each in self.filesystems)


class FailbackMode(Enum):
    MANUAL = "manual"
    AUTO = "auto"
    WINDOW = "window"


@dataclass(frozen=True)
class Failback:
    """When a virtual server returns to where it is liked better.

    `start` and `end` are minutes since midnight, local time of the cluster,
    and mean something only with WINDOW; the window may span midnight.
    """

    mode: FailbackMode = FailbackMode.MANUAL
    start: int = 0
    end: int = 0


class BalanceMode(Enum):
    OFF = "off"
    MANUAL = "manual"
    AUTO = "auto"


@dataclass(frozen=True)
class Hours:
    """A part of each day, in minutes since midnight, local time; it may span midnight."""

    start: int
    end: int


@dataclass(frozen=True)
class Balance:
    """How eagerly load is evened out: `tolerance` is a fraction (0.1 = 10 %), `every` and `cool_down` seconds.

    The balancer rests in the `quiet` hours, and for `cool_down` after somebody else has moved a server.
    """

    mode: BalanceMode = BalanceMode.MANUAL
    tolerance: float = 0.10
    max_moves: int = 4
    every: int = 300
    quiet: Hours | None = None
    cool_down: int = 600


class RepairMode(Enum):
    OFF = "off"
    CHECK = "check"
    AUTO = "auto"


@dataclass(frozen=True)
class Repair:
    mode: RepairMode = RepairMode.AUTO
    keep_image: bool = False


@dataclass(frozen=True)
class Policy:
    """`candidates` is how many nodes Pacemaker keeps in view for each server, None for all that can run it."""

    failback: Failback = Failback()
    balance: Balance = Balance()
    repair: Repair = Repair()
    candidates: int | None = None


@dataclass(frozen=True)
class Cluster:
    """Everything the operator said, with nothing left to derive from elsewhere.

    All tuples keep the order of the cluster file.
    """

    name: str
    subnets: tuple[Subnet, ...]
    storage: tuple[StorageUnit, ...]
    nodes: tuple[Node, ...]
    servers: tuple[VirtualServer, ...]
    fencing: tuple[Fencing, ...] = ()
    policy: Policy = field(default_factory=Policy)

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], object]:
        return {
            (kind, each.name): each
            for kind, nouns in (
                ("subnet", self.subnets),
                ("storage", self.storage),
                ("node", self.nodes),
                ("server", self.servers),
            )
            for each in nouns
        }

    def subnet(self, name: str) -> Subnet:
        return self._by_name["subnet", name]  # type: ignore[return-value]

    def unit(self, name: str) -> StorageUnit:
        return self._by_name["storage", name]  # type: ignore[return-value]

    def node(self, name: str) -> Node:
        return self._by_name["node", name]  # type: ignore[return-value]

    def server(self, name: str) -> VirtualServer:
        return self._by_name["server", name]  # type: ignore[return-value]

    def subnet_of(self, address: Interface) -> Subnet:
        """Return the subnet one of whose networks holds the address."""
        found = self._by_address.get(address)
        if found is None:
            found = self._by_address[address] = next(
                each for each in self.subnets if any(address.ip in network for network in each.networks)
            )
        return found

    @cached_property
    def _by_address(self) -> dict[Interface, Subnet]:
        """What `subnet_of` has found so far: each rule asks for the same addresses."""
        return {}

    def subnets_of(self, server: VirtualServer) -> tuple[Subnet, ...]:
        """Return the subnets a server has addresses on, in the order of the subnets."""
        named = {self.subnet_of(address).name for address in server.addresses}
        return tuple(each for each in self.subnets if each.name in named)

    def addresses_on(self, server: VirtualServer, subnet: Subnet) -> tuple[Interface, ...]:
        return tuple(address for address in server.addresses if self.subnet_of(address).name == subnet.name)

    def vias(self, subnet: Subnet) -> tuple[Subnet, ...]:
        """Return the subnets by whose routers all addresses on a subnet can be announced, host by host."""
        needed = self._versions.get(subnet.name, set())
        return tuple(each for each in self.subnets if each != subnet and each.told and needed <= each.told)

    @cached_property
    def _versions(self) -> dict[str, set[int]]:
        """The IP versions of the addresses on each subnet that has any."""
        found: dict[str, set[int]] = {}
        for server in self.servers:
            for each in server.addresses:
                found.setdefault(self.subnet_of(each).name, set()).add(each.version)
        return found

    def worth(self, subnet: str, good: Collection[str]) -> int:
        """Return what a node says of a subnet while its ports on the `good` ones are good.

        2 announced directly, 1 by host route, 0 not at all; as long as routers listen.
        """
        if subnet in good:
            return 2
        return int(any(each.name in good for each in self.vias(self.subnet(subnet))))

    def candidates(self, server: VirtualServer) -> tuple[str, ...]:
        """Return the nodes a server belongs on: allowed, with all its subnets and all its storage."""
        return tuple(each for each in self._reaching(server) if not self.lacks(each, server))

    def refuges(self, server: VirtualServer) -> tuple[str, ...]:
        """Return the nodes a server can run on only if a peer routes to it, as a last resort.

        They reach its storage and have a port, but not on all its subnets. The
        operator has listed them, and `on_subnet_loss` says route.
        """
        if not server.listed or server.on_subnet_loss is not OnSubnetLoss.ROUTE:
            return ()
        return tuple(
            each for each in self._reaching(server) if self.lacks(each, server) and self.node(each).ports
        )

    def lacks(self, node: str, server: VirtualServer) -> tuple[str, ...]:
        """Return the subnets of a server on which a node has no port."""
        return tuple(each.name for each in self.subnets_of(server) if not self.node(node).ports_on(each.name))

    def _reaching(self, server: VirtualServer) -> Iterator[str]:
        """Yield the nodes that a server is allowed on and that reach all its storage."""
        units = {each.storage for each in server.filesystems}
        for node in self.nodes:
            if node.name in server.nodes and all(node.name in self.unit(unit).nodes for unit in units):
                yield node.name
