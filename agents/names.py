"""What are the parts of a virtual server called in the kernel?

Names and numbers are the same on every node and follow from the names in the
cluster file alone, so that whatever is left behind is found again.
"""

from __future__ import annotations

from _socket import AF_INET

from vsctl.agents import system as os

INSIDE = "node"
"""The namespace's side of the veth pair."""

LONGEST = 15
"""How many characters the name of an interface may have (IFNAMSIZ without its zero byte)."""

TABLES = 0x40000000
"""Routing tables of ours are from here to 0x7fffffff, far from any that distributions use."""

HOSTS = TABLES - 1
"""The routing table of what is announced by host route: nothing looks into it but our BIRD, which tells routers."""

RULES = 10000
"""The priority of the rules for what is announced here, by the port that announces it."""

MAIN_RULES = RULES + 1
"""The priority of the rules that let the node's own routes complete those: no detour for what is announced here."""

DETOUR_RULES = RULES + 2
"""The priority of the rules for what is not announced here, by way of a peer."""

PROTOCOL = 86
"""Who made a route or a rule (`proto 86` in `ip route`), a number nobody has in rt_protos."""


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def known(text: str) -> str:
    """Return a name as the cluster file allows it, [a-z][a-z0-9-]*; paths are made of it."""
    if not text or text[0] not in _LETTERS or text.strip(_LETTERS + "0123456789-"):
        raise ValueError("a name begins with a letter and has small letters, digits and - only")
    return text


def interface(server: str) -> str:
    """Return the node's side of a server's veth pair: `v-<server>`, or a hash where that is too long."""
    name = f"v-{server}"
    return name if len(name) <= LONGEST else f"v-{number(server):016x}"[:LONGEST]


def table(server: str, subnet: str) -> int:
    """Return the routing table that answers for a server's addresses on one subnet leave by."""
    return TABLES | number(f"{server}/{subnet}") & 0x3FFFFFFF


def detour_table(server: str, subnet: str) -> int:
    """Return the routing table of replies that leave by way of a peer, which announces the addresses."""
    return table(server, f"{subnet}/detour")


def meeting(server: str, subnet: str, family: int) -> bytes:
    """Return the link-local address for which the node answers that announces a server on one subnet.

    On other subnets, for the server's own node; 169.254.1.0 to 169.254.127.255
    or in fe80::/64. No host has it: it is nobody's, like a virtual router's.
    """
    value = number(f"{server}/{subnet}/meeting")
    if family == AF_INET:
        return b"\xa9\xfe" + (0x100 + value % 0x7F00).to_bytes(2, "big")
    return b"\xfe\x80" + bytes(6) + (value | 1 << 63).to_bytes(8, "big")


def router(text: str) -> str:
    """Return the number that routers know somebody by who has no IPv4 address, written like one (from 240/4)."""
    value = number(text)
    return ".".join(map(str, (240 + value % 15, value >> 8 & 255, value >> 16 & 255, value >> 24 & 255)))


def hardware(server: str, side: str) -> bytes:
    """Return the hardware address of one side of the veth pair, a locally administered one."""
    return b"\x02" + number(f"{server}/{side}").to_bytes(8, "big")[:5]


def number(text: str) -> int:
    """Return the 64-bit FNV-1a hash, which needs no import."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def this_node() -> str:
    """Return what Pacemaker calls this node."""
    return os.getenv("OCF_RESKEY_CRM_meta_on_node") or os.uname().nodename
