"""What may a node forward, while virtual servers are on it?

Only packets to and from their addresses. IPv4 is forwarded by the interfaces
that announce (their own setting is enough); IPv6 only if all interfaces forward,
which makes them ignore router advertisements unless `accept_ra` is 2. The
nftables table `inet vsctl` drops everything else that is forwarded because of
us; what the node forwarded before is none of our business. With the last
server everything is as it was.

A server's packets never go straight to another server: each is reached, if at
all, as clients reach it.
"""

from __future__ import annotations

from _socket import AF_INET6

from vsctl.agents import names, nftables, node, sysctls
from vsctl.agents.nftables import Set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from vsctl.agents.addresses import Address

TABLE = "vsctl"
_FILE = "forwarding"
_ALL_IPV6 = "ipv6/conf/all/forwarding"


def admit(server: str, addresses: Iterable[Address]) -> None:
    """Let the node forward what goes to and comes from a server's addresses, and only that."""
    addresses = tuple(addresses)
    with node.locked():
        lines = [*_without(server), " ".join(["server", server, *(each.ip for each in addresses)])]
        opens = any(each.family == AF_INET6 for each in addresses) and (
            sysctls.get(_ALL_IPV6) != "1" or sysctls.held(_ALL_IPV6)
        )
        if opens:
            _store([*lines, f"ipv6 {server}"])  # before the first packet can be forwarded
            _open_ipv6(server)
        else:
            sysctls.release(server)
            _store(lines)


def dismiss(server: str) -> None:
    """Forward nothing for a server any more; undo all if it was the last."""
    with node.locked():
        sysctls.release(server)
        _store(_without(server))


def _without(server: str) -> list[str]:
    return [
        line
        for line in node.read(_FILE)
        if line.split()[0] not in ("server", "ipv6") or line.split()[1] != server
    ]


def relay(holder: str, addresses: Iterable[Address], inward: Iterable[str], outward: Iterable[str]) -> None:
    """Let packets to and from a server on another node pass between two sets of ports, and only between them."""
    addresses = tuple(addresses)
    words = ["relay", holder, ",".join(inward), ",".join(outward), *(each.ip for each in addresses)]
    with node.locked():
        lines = [*_without_relay(holder), " ".join(words)]
        if any(each.family == AF_INET6 for each in addresses) and (
            sysctls.get(_ALL_IPV6) != "1" or sysctls.held(_ALL_IPV6)
        ):
            _store([*lines, f"ipv6 {holder}"])
            _open_ipv6(holder)
        else:
            _store(lines)


def end_relay(holder: str) -> None:
    """Let nothing pass for the holder any more."""
    with node.locked():
        sysctls.release(holder)
        _store(_without_relay(holder))


def _without_relay(holder: str) -> list[str]:
    return [
        line for line in node.read(_FILE) if line.split()[:2] not in (["relay", holder], ["ipv6", holder])
    ]


def open_ports(holder: str, ports: Iterable[str]) -> None:
    """Make ports forward, announce without delay and accept replies that another port would get.

    All at once: each change of the packet filter is a program to run, with the lock in hand.

    `rp_filter` is loosened only where it is strict: two ports on one subnet
    share a route, and a strict port would drop what the other one's route covers.
    """
    with node.locked():
        lines = node.read(_FILE)
        settings = {}
        for port in ports:
            settings[port] = [
                (f"ipv4/neigh/{port}/proxy_delay", "0"),
                (f"ipv6/neigh/{port}/proxy_delay", "0"),
                (f"ipv6/conf/{port}/proxy_ndp", "1"),
            ]
            strict = "1" in (
                sysctls.get("ipv4/conf/all/rp_filter"),
                sysctls.get(f"ipv4/conf/{port}/rp_filter"),
            )
            if strict or sysctls.held(f"ipv4/conf/{port}/rp_filter"):
                settings[port].append((f"ipv4/conf/{port}/rp_filter", "2"))
            forwarded = sysctls.get(f"ipv4/conf/{port}/forwarding") == "1"
            if not forwarded or sysctls.held(f"ipv4/conf/{port}/forwarding"):
                lines = [
                    *(each for each in lines if each != f"port {port} {holder}"),
                    f"port {port} {holder}",
                ]
                settings[port].append((f"ipv4/conf/{port}/forwarding", "1"))
        _store(lines)  # before the first packet can be forwarded
        for port, its in settings.items():
            sysctls.hold(_port_holder(holder, port), its)


def close_ports(holder: str, ports: Iterable[str]) -> None:
    """Put ports back as they were, unless others announce on them."""
    with node.locked():
        lines = node.read(_FILE)
        for port in ports:
            sysctls.release(_port_holder(holder, port))
            lines = [each for each in lines if each != f"port {port} {holder}"]
        _store(lines)


def _port_holder(holder: str, port: str) -> str:
    return f"{holder}:{port}"


def _open_ipv6(server: str) -> None:
    """Switch IPv6 forwarding on; as the switch sets every interface's own, their former values are kept."""
    settings = []
    for each in sysctls.interfaces("ipv6"):
        if not each.startswith("v-"):
            accepted = f"ipv6/conf/{each}/accept_ra"
            if sysctls.get(accepted) == "1" or sysctls.held(accepted):
                settings.append((accepted, "2"))
            settings.append((f"ipv6/conf/{each}/forwarding", "1"))
    sysctls.hold(server, [*settings, (_ALL_IPV6, "1")])


def _store(lines: list[str]) -> None:
    """Make the packet filter do what the lines say, then write them down."""
    if lines == node.read(_FILE) and bool(lines) == nftables.has_table(TABLE):
        return
    if lines:
        nftables.replace(TABLE, sets(lines), [nftables.Chain("forward", rules(lines))])
    else:
        nftables.remove(TABLE)
    node.write(_FILE, lines)


def sets(lines: Iterable[str]) -> list[Set]:
    """Return whom the rules are about; those with addresses count what passes for each (`noded.traffic` reads it).

    A line is `server NAME ADDRESS...`, or `port NAME HOLDER`, a port that forwards IPv4
    because of us, or `ipv6 NAME`, a server or a relay for which everything forwards IPv6, or
    `relay HOLDER INWARD OUTWARD ADDRESS...`, ports between which a server's packets pass.
    """
    split = [line.split() for line in lines]
    servers = [(names.interface(words[1]), words[2:]) for words in split if words[0] == "server"]
    ports = sorted({words[1] for words in split if words[0] == "port"})
    admitted = [f"{interface} . {ip}" for interface, ips in servers for ip in ips]
    relayed = [
        f"{one} . {other} . {ip}"
        for words in split
        if words[0] == "relay"
        for one in words[2].split(",")
        for other in words[3].split(",")
        for ip in words[4:]
    ]
    return [
        Set("servers", "ifname", [interface for interface, _ in servers]),
        Set("ports", "ifname", ports),
        Set("ipv4", "ifname . ipv4_addr", [each for each in admitted if ":" not in each], counted=True),
        Set("ipv6", "ifname . ipv6_addr", [each for each in admitted if ":" in each], counted=True),
        Set(
            "relayed4",
            "ifname . ifname . ipv4_addr",
            [each for each in relayed if ":" not in each],
            counted=True,
        ),
        Set(
            "relayed6", "ifname . ifname . ipv6_addr", [each for each in relayed if ":" in each], counted=True
        ),
    ]


def rules(lines: Iterable[str]) -> list[str]:
    """Return what is done with what is forwarded, first match first."""
    found = [
        "iifname @servers oifname @servers drop",
        "iifname . oifname . ip saddr @relayed4 accept",
        "oifname . iifname . ip daddr @relayed4 accept",
        "iifname . oifname . ip6 saddr @relayed6 accept",
        "oifname . iifname . ip6 daddr @relayed6 accept",
        "iifname . ip saddr @ipv4 accept",
        "oifname . ip daddr @ipv4 accept",
        "iifname . ip6 saddr @ipv6 accept",
        "oifname . ip6 daddr @ipv6 accept",
        "iifname @servers drop",
        "oifname @servers drop",
        "iifname @ports meta nfproto ipv4 drop",
    ]
    if any(line.split()[0] == "ipv6" for line in lines):
        found.append("meta nfproto ipv6 drop")
    return found
