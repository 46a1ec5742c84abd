"""What is the cluster that a file without problems describes?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vsctl.cli.clusterfile.draft import Draft
from vsctl.cli.clusterfile.names import levels_of
from vsctl.cli.clusterfile.shapes import Entry
from vsctl.policy.exportid import export_id
from vsctl.policy.model import (
    Access,
    Address,
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
    Hours,
    Load,
    NfsClient,
    NfsExport,
    Node,
    OnStorageLoss,
    OnSubnetLoss,
    Ospf,
    Peer,
    Policy,
    Port,
    Repair,
    RepairMode,
    SmbShare,
    Squash,
    StorageUnit,
    Subnet,
    VirtualServer,
)
from vsctl.policy.naming import seen_as


def cluster(draft: Draft) -> Cluster:
    """Return the cluster of a file that has no problems, every default filled in."""
    return Cluster(
        name=draft.file.plain("name"),
        subnets=tuple(
            Subnet(
                name, _values(each, "networks"), _values(each, "gateways"), **_routers(each.get("routers"))
            )
            for name, each in draft.subnets.items()
        ),
        storage=tuple(StorageUnit(name, _nodes(draft, each)) for name, each in draft.units.items()),
        nodes=tuple(_node(name, each) for name, each in draft.nodes.items()),
        servers=tuple(_server(draft, name, each) for name, each in draft.servers.items()),
        fencing=tuple(
            Fencing(name, tuple(_level(level) for level in levels_of(draft.fencing[name])))
            for name in draft.nodes
            if name in draft.fencing
        ),
        policy=_policy(draft.file.get("policy")),
    )


def _routers(entry: Entry | None) -> dict[str, Any]:
    bgp, ospf = (entry.get("bgp"), entry.get("ospf")) if entry else (None, None)
    if bgp:
        peers = tuple(Peer(address, number.value) for address, number in _addressed(bgp))
        return {"bgp": Bgp(bgp.plain("as"), peers, bgp.plain("password_file"), bool(bgp.plain("bfd")))}
    return {"ospf": Ospf(ospf.plain("area"), bool(ospf.plain("bfd")))} if ospf else {}


def _addressed(bgp: Entry) -> Iterator[tuple[Address, Entry]]:
    """Yield the routers of a subnet: the names of this table are addresses."""
    yield from bgp.plain("peers").items()


def _values(entry: Entry, key: str) -> tuple[Any, ...]:
    return tuple(each.value for each in entry.all(key))


def _given(entry: Entry | None, *keys: str) -> dict[str, Any]:
    """Return the plain values of those keys that are there; the others keep the model's defaults."""
    return {key: entry.plain(key) for key in keys if entry and entry.get(key)}


def _nodes(draft: Draft, entry: Entry) -> tuple[str, ...]:
    """Return the nodes an entry names, or all of them, in the order of the file's nodes."""
    named = entry.get("nodes")
    return tuple(
        each for each in draft.nodes if named is None or each in {node.value for node in named.value}
    )


def _node(name: str, entry: Entry) -> Node:
    ports = tuple(Port(port, subnet.value) for port, subnet in entry.each("ports"))
    return Node(name, ports, Capacity(**_given(entry.get("capacity"), "cpu", "memory", "network", "hard")))


def _level(entry: Entry) -> tuple[FenceDevice, ...]:
    devices = entry.value if isinstance(entry.value, tuple) else (entry,)
    return tuple(
        FenceDevice(each.plain("agent"), tuple((name, option.value) for name, option in each.each("options")))
        for each in devices
    )


def _server(draft: Draft, name: str, entry: Entry) -> VirtualServer:
    chosen = _given(entry, "priority", "home", "migrate", "bridge", "on_subnet_loss", "on_storage_loss")
    if "on_subnet_loss" in chosen:
        chosen["on_subnet_loss"] = OnSubnetLoss(chosen["on_subnet_loss"])
    if "on_storage_loss" in chosen:
        chosen["on_storage_loss"] = OnStorageLoss(chosen["on_storage_loss"])
    return VirtualServer(
        name=name,
        addresses=_values(entry, "addresses"),
        filesystems=tuple(_filesystem(name, each, what) for each, what in entry.each("filesystems")),
        nodes=_nodes(draft, entry),
        listed=entry.get("nodes") is not None,
        apart_from=_values(entry, "apart_from"),
        load=Load(**_given(entry.get("load"), "cpu", "memory", "network", "disk")),
        **chosen,
    )


def _filesystem(server: str, name: str, entry: Entry) -> Filesystem:
    return Filesystem(
        name=name,
        device=entry.plain("device"),
        type=entry.plain("type"),
        storage=entry.plain("storage"),
        options=_values(entry, "options"),
        after=entry.plain("after"),
        exports=tuple(_export(server, name, each) for each in _of_kind(entry, "nfs")),
        shares=tuple(_share(each) for each in _of_kind(entry, "smb")),
    )


def _of_kind(filesystem: Entry, kind: str) -> Iterator[Entry]:
    for each in filesystem.all("exports"):
        found = each.get(kind)
        if found is not None:
            yield found


def _export(server: str, filesystem: str, entry: Entry) -> NfsExport:
    path = entry.plain("path")
    return NfsExport(
        path=path,
        seen_as=entry.plain("as", seen_as(filesystem, path)),
        id=entry.plain("id", export_id(server, filesystem, path)),
        clients=tuple(NfsClient(who, Access(access.value)) for who, access in entry.each("clients")),
        squash=Squash(entry.plain("squash", Squash.ROOT.value)),
    )


def _share(entry: Entry) -> SmbShare:
    return SmbShare(
        share=entry.plain("share"),
        path=entry.plain("path"),
        users=_values(entry, "users"),
        access=Access(entry.plain("access", Access.READ_WRITE.value)),
    )


def _policy(entry: Entry | None) -> Policy:
    if entry is None:
        return Policy()
    return Policy(
        _failback(entry.get("failback")),
        _balance(entry.get("balance")),
        _repair(entry.get("repair")),
        entry.plain("candidates"),
    )


def _balance(entry: Entry | None) -> Balance:
    chosen = _given(entry, "mode", "tolerance", "max_moves", "every", "quiet", "cool_down")
    if "quiet" in chosen:
        chosen["quiet"] = Hours(*chosen["quiet"])
    if "mode" in chosen:
        chosen["mode"] = BalanceMode(chosen["mode"])
    return Balance(**chosen)


def _repair(entry: Entry | None) -> Repair:
    chosen = _given(entry, "mode", "keep_image")
    if "mode" in chosen:
        chosen["mode"] = RepairMode(chosen["mode"])
    return Repair(**chosen)


def _failback(entry: Entry | None) -> Failback:
    if entry is None:
        return Failback()
    if isinstance(entry.value, str):
        return Failback(FailbackMode(entry.value))
    start, end = entry.plain("window")
    return Failback(FailbackMode.WINDOW, start, end)
