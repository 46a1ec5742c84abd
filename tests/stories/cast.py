"""The cast of the stories: a cluster in a few words.

    nodes: n1 n2 n3
    hard: n1=4 n2=4
    vs1: priority=100 home=n1 subnets=lan-a,lan-b filesystems=root,data nfs=data smb=root cpu=2 pinned

Everything has a default: ports e0a and e0b on lan-a and e1a on lan-b (but `without: n3/lan-b`), one
address on lan-a, a root filesystem on san1 that is exported by NFS. `routers: lan-b` speak BGP.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

from vsctl.policy.model import (
    ROOT,
    Access,
    Balance,
    BalanceMode,
    Bgp,
    Capacity,
    Cluster,
    Failback,
    FailbackMode,
    FenceDevice,
    Fencing,
    Filesystem,
    Interface,
    Load,
    NfsClient,
    NfsExport,
    Node,
    OnStorageLoss,
    OnSubnetLoss,
    Peer,
    Policy,
    Port,
    SmbShare,
    StorageUnit,
    Subnet,
    VirtualServer,
)

SUBNETS = {
    "lan-a": Subnet("lan-a", (ip_network("192.0.2.0/24"),), (ip_address("192.0.2.1"),)),
    "lan-b": Subnet("lan-b", (ip_network("198.51.100.0/24"),), (ip_address("198.51.100.1"),)),
    "lan-c": Subnet("lan-c", (ip_network("203.0.113.0/24"),)),
    "lan-d": Subnet("lan-d", (ip_network("2001:db8:d::/64"),)),
}
BGP = Bgp(64512, (Peer(ip_address("198.51.100.1"), 64500),))
PORTS = (Port("e0a", "lan-a"), Port("e0b", "lan-a"), Port("e1a", "lan-b"))
FURTHER = (Port("e2a", "lan-c"), Port("e3a", "lan-d"))


def cluster(lines: list[str]) -> Cluster:
    """Return the cluster that the lines describe. A line is `name: words`."""
    said = {name: words.split() for name, _, words in (line.partition(": ") for line in lines)}
    nodes = said.pop("nodes")
    settings = _settings(said.pop("policy", []))
    failback = _failback(settings.get("failback", "manual"))
    # A balancer would count when Pacemaker looks for the node with the fewest resources, and is no part of any story.
    candidates = int(settings["candidates"]) if "candidates" in settings else None
    policy = Policy(failback, Balance(mode=BalanceMode.OFF), candidates=candidates)
    reach = {
        name: _settings(words).get("nodes")
        for name, words in list(said.items())
        if name.startswith("san") and said.pop(name, None) is not None
    }
    without = said.pop("without", [])
    routers = said.pop("routers", [])
    hard = _settings(said.pop("hard", []))
    fenced = said.pop("fencing", ["simple"])
    servers = tuple(_server(name, said[name], nodes) for name in said)
    units = dict.fromkeys([*reach, *(each.storage for server in servers for each in server.filesystems)])
    used = {"lan-a", "lan-b", *(name for server in servers for name in _subnet_names(said[server.name]))}
    ports = (*PORTS, *(each for each in FURTHER if each.subnet in used))
    return Cluster(
        name="nas1",
        subnets=tuple(replace(SUBNETS[name], bgp=BGP if name in routers else None) for name in sorted(used)),
        storage=tuple(StorageUnit(name, _listed(reach.get(name)) or tuple(nodes)) for name in units),
        nodes=tuple(
            Node(
                name,
                tuple(each for each in ports if f"{name}/{each.subnet}" not in without),
                Capacity(cpu=float(hard[name]), hard=True) if name in hard else Capacity(),
            )
            for name in nodes
        ),
        servers=servers,
        fencing=() if fenced == ["none"] else tuple(_fencing(name) for name in nodes),
        policy=policy,
    )


def _server(name: str, words: list[str], nodes: list[str]) -> VirtualServer:
    given = _settings(words)
    number = 10 + int(name.removeprefix("vs"))
    units = given.get("storage", "san1").split(",")
    exported = given.get("nfs", ROOT).split(",")
    shared = given.get("smb", "").split(",")
    return VirtualServer(
        name=name,
        addresses=_addresses(given.get("addresses", ""), _subnet_names(words), number),
        filesystems=tuple(
            Filesystem(
                each,
                f"/dev/disk/by-id/{name}-{each}",
                "xfs",
                units[min(place, len(units) - 1)],
                after=given.get("after") if each == ROOT else None,
                exports=_exports(each, number) if each in exported else (),
                shares=_shares(each) if each in shared else (),
            )
            for place, each in enumerate(given.get("filesystems", ROOT).split(","))
        ),
        nodes=_listed(given.get("nodes")) or tuple(nodes),
        listed="nodes" in given,
        priority=int(given.get("priority", "0")),
        home=given.get("home"),
        migrate="pinned" not in given,
        load=Load(cpu=float(given["cpu"])) if "cpu" in given else Load(),
        apart_from=_listed(given.get("apart")),
        on_subnet_loss=OnSubnetLoss(given.get("on_subnet_loss", "route")),
        bridge=int(given["bridge"]) if "bridge" in given else None,
        on_storage_loss=OnStorageLoss(given.get("on_storage_loss", "stay")),
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _settings(words: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _subnet_names(words: list[str]) -> list[str]:
    return _settings(words).get("subnets", "lan-a").split(",")


def _addresses(given: str, subnets: list[str], number: int) -> tuple[Interface, ...]:
    if given:
        return tuple(ip_interface(each) for each in given.split(","))
    networks = (SUBNETS[name].networks[0] for name in subnets)
    return tuple(ip_interface(f"{network[number]}/{network.prefixlen}") for network in networks)


def _exports(filesystem: str, number: int) -> tuple[NfsExport, ...]:
    clients = (NfsClient("192.0.2.0/24", Access.READ_WRITE),)
    return (NfsExport("/srv", f"/{filesystem}/srv", 100 * number + len(filesystem), clients),)


def _shares(filesystem: str) -> tuple[SmbShare, ...]:
    return (SmbShare(filesystem, "/srv", ("alice", "@staff")),)


def _fencing(node: str) -> Fencing:
    options = (("ip", f"203.0.113.{node.removeprefix('n')}"), ("username", "fence"))
    return Fencing(node, ((FenceDevice("fence_ipmilan", options),),))


def _failback(text: str) -> Failback:
    if "-" not in text:
        return Failback(FailbackMode(text))
    start, end = (int(time[:2]) * 60 + int(time[3:]) for time in text.split("-"))
    return Failback(FailbackMode.WINDOW, start, end)
