"""Do the addresses of a cluster file fit its networks, and its networks each other?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from itertools import combinations
from socket import AF_INET

from vsctl.agents import names
from vsctl.cli.clusterfile.draft import Draft
from vsctl.cli.clusterfile.shapes import Entry
from vsctl.cli.nearest import listed
from vsctl.cli.problems import Problem
from vsctl.policy import naming
from vsctl.policy.model import Address, Interface, Network


def networks_overlap(draft: Draft) -> Iterator[Problem]:
    """Find networks that share addresses: nobody could say on which one an address is."""
    networks = [
        (name, network) for name, subnet in draft.subnets.items() for network in subnet.all("networks")
    ]
    for (first_name, first), (second_name, second) in combinations(networks, 2):
        if not _overlap(first.value, second.value):
            continue
        if first_name == second_name:
            said = (
                f"subnet {first_name} has {second.value}, which overlaps its own {first.value}: leave one out"
            )
        else:
            said = (
                f"subnet {second_name} has {second.value}, which overlaps {first.value} of subnet "
                f"{first_name}: an address must be on one subnet only"
            )
        yield second.problem(said)


def gateways_fit(draft: Draft) -> Iterator[Problem]:
    """Find gateways outside their subnet, and those that are there twice."""
    seen: dict[Address, str] = {}
    for name, subnet in draft.subnets.items():
        networks = subnet.get("networks")
        for gateway in subnet.all("gateways"):
            address: Address = gateway.value
            if address in seen:
                yield gateway.problem(
                    f"gateway {address} of subnet {name} is also one of subnet {seen[address]}: leave one out"
                    if seen[address] != name
                    else f"gateway {address} of subnet {name} is there twice: leave one out"
                )
            seen.setdefault(address, name)
            if networks is None or networks.incomplete:
                continue
            inside = [each.value for each in networks.value if address in each.value]
            if not inside:
                yield gateway.problem(
                    f"gateway {address} is outside subnet {name}: its networks are "
                    f"{listed([each.value for each in networks.value], 'and')}"
                )
            elif address in _not_for_hosts(inside[0]):
                yield gateway.problem(
                    f"gateway {address} of subnet {name} is no host's address in {inside[0]}: write another"
                )


def routers_fit(draft: Draft) -> Iterator[Problem]:
    """Find routers that a node cannot talk to, or by which replies would not leave."""
    for name, subnet in draft.subnets.items():
        routers, networks, gateways = subnet.get("routers"), subnet.get("networks"), subnet.get("gateways")
        if routers is None:
            continue
        known = networks is not None and not networks.incomplete
        for address, entry in draft.peers(name):
            if known and not any(address in each.value for each in subnet.all("networks")):
                yield entry.problem(
                    f"router {address} is outside subnet {name}: nodes talk to routers on the subnet itself, "
                    f"whose networks are {listed([each.value for each in subnet.all('networks')], 'and')}"
                )
        if gateways is not None and gateways.incomplete:
            continue
        leaving = {each.value.version for each in subnet.all("gateways")}
        speaking = {address.version for address, _ in draft.peers(name)}
        if not leaving:
            yield routers.problem(
                f"subnet {name} has routers and no gateways, by which replies leave: add gateways"
            )
        else:
            yield from (
                routers.problem(
                    f"subnet {name} has a router with an IPv{version} address and no IPv{version} gateway, "
                    "by which replies leave: add one"
                )
                for version in sorted(speaking - leaving)
            )


def addresses_without_routers(draft: Draft) -> Iterator[Problem]:
    """Note the subnets whose addresses no router is told of when a node, or every one, has no good port there."""
    alone = []
    for name, subnet in draft.subnets.items():
        others = draft.beside(name)
        needed = {each.version: (server, each) for server, each in draft.addresses_on(name)}
        speaking = [each for each in others if draft.told(each)]
        if others and needed and not speaking:
            alone.append(name)
        elif speaking and not any(set(needed) <= draft.told(each) for each in speaking):
            version = next(each for each in sorted(needed) if each not in draft.told(speaking[0]))
            server, address = needed[version]
            yield subnet.note(
                f"routers on {speaking[0]} are told of no address on {name}: {server} has {address}, and they "
                f"speak no IPv{version}"
            )
    subnets = draft.file.get("subnets")
    if alone and subnets is not None and not subnets.incomplete:
        yield subnets.advice(
            f"a node without a good port on {listed(alone, 'or')} needs another one to route to its servers, or they "
            "move, and when no node has one, nobody reaches the addresses there, though ports on other subnets may be "
            "good: `routers` of those could be told where they are"
        )


def addresses_fit(draft: Draft) -> Iterator[Problem]:
    """Find addresses of virtual servers outside every subnet, with another prefix length, or taken."""
    gateways = {
        gateway.value: name for name, subnet in draft.subnets.items() for gateway in subnet.all("gateways")
    }
    routers = {address: name for name in draft.subnets for address, _ in draft.peers(name)}
    taken: dict[Address, str] = {}
    for server, entry in draft.servers.items():
        for item in entry.all("addresses"):
            address: Interface = item.value
            if address.ip in taken:
                other = taken[address.ip]
                yield item.problem(
                    f"{server} has {address.ip}, which {other} has as well: give one of them another address"
                    if other != server
                    else f"{server} has {address.ip} twice: leave one out"
                )
                continue
            taken[address.ip] = server
            if address.ip in gateways:
                yield item.problem(
                    f"{server} has {address.ip}, the gateway of subnet {gateways[address.ip]}: "
                    "give it another address"
                )
            elif address.ip in routers:
                yield item.problem(
                    f"{server} has {address.ip}, a router of subnet {routers[address.ip]}: give it another address"
                )
            yield from _fits_its_network(draft, server, item)


def _fits_its_network(draft: Draft, server: str, item: Entry) -> Iterator[Problem]:
    address: Interface = item.value
    found = next(((name, network) for name, network in draft.networks if address.ip in network), None)
    if found is None:
        if draft.knows_all_networks:
            known = [f"{network} ({name})" for name, network in draft.networks]
            yield item.problem(
                f"{server} has {address}, which is on no subnet: the networks are {listed(known, 'and')}"
                if len(known) <= 6
                else f"{server} has {address}, which is on no subnet: add its network to one of the subnets"
            )
        return
    name, network = found
    if address.network.prefixlen != network.prefixlen:
        yield item.problem(
            f"{server} has {address}, and the network on {name} is {network}: "
            f"write {address.ip}/{network.prefixlen}"
        )
    elif address.ip in _not_for_hosts(network):
        yield item.problem(
            f"{server} has {address}, which is no address of a host in {network}: give it another one"
        )


def ports_fit(draft: Draft) -> Iterator[Problem]:
    """Find ports that would have the name of a virtual server's own interface, or of none."""
    ours = {names.interface(server): server for server in draft.servers}
    for node, entry in draft.nodes.items():
        for port, where in entry.each("ports"):
            if port == "lo":
                yield where.problem(f"{node} has port lo, which no client can reach: name a network port")
            elif port in ours:
                yield where.problem(
                    f"port {port} of {node} has the name that vsctl gives to its interface to {ours[port]}: "
                    "rename one of them"
                )


def short_names_differ(draft: Draft) -> Iterator[Problem]:
    """Find virtual servers with the same interface, routing table or name in SMB, which are hashes at times."""
    servers = tuple(draft.servers)
    yield from _same(draft, "interface", ((each, names.interface(each)) for each in servers))
    yield from _same(
        draft,
        "routing table",
        ((each, names.table(each, subnet)) for each in servers for subnet in draft.subnets_of(each)),
    )
    pairs = [(each, subnet) for each in servers for subnet in draft.subnets_of(each)]
    yield from _same(
        draft,
        "routing table of detours",
        ((each, names.detour_table(each, subnet)) for each, subnet in pairs),
    )
    yield from _same(
        draft,
        "meeting address",
        ((each, str(ip_address(names.meeting(each, subnet, AF_INET)))) for each, subnet in pairs),
    )
    with_shares = (each for each in servers if draft.shares(each))
    yield from _same(draft, "NetBIOS name", ((each, naming.netbios(each)) for each in with_shares))


def _same(draft: Draft, what: str, given: Iterable[tuple[str, str | int]]) -> Iterator[Problem]:
    first: dict[str | int, str] = {}
    for server, each in given:
        other = first.setdefault(each, server)
        if other != server:
            yield draft.servers[server].problem(
                f"{server} and {other} would both have the {what} {each}: rename one of them"
            )


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _not_for_hosts(network: Network) -> tuple[Address, ...]:
    """Return the addresses of a network that are not a host's: its own, and IPv4's broadcast."""
    if network.prefixlen >= network.max_prefixlen - 1:
        return ()
    if network.version == 4:
        return (network.network_address, network.broadcast_address)
    return (network.network_address,)


RULES = (
    networks_overlap,
    gateways_fit,
    routers_fit,
    addresses_fit,
    ports_fit,
    addresses_without_routers,
    short_names_differ,
)
