"""What does the cluster tell the daemon of a node?

The parameters of its agent, as text, and the node's own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vsctl.agents.addresses import Address, parse


@dataclass(frozen=True)
class Settings:
    """`ports` has for every node its ports and the subnet of each, best first.

    `routed` has for a subnet the others from whose ports its addresses can be announced by host route.
    """

    node: str
    ports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gateways: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    routed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def mine(self) -> Mapping[str, str]:
        return self.ports.get(self.node, {})


def ports(text: str) -> dict[str, dict[str, str]]:
    """Read `n1=e0a:lan-a,e1a:lan-b n2=ens5:lan-a`."""
    found = {}
    for node, words in _pairs(text):
        split = [each.partition(":") for each in words.split(",")]
        if not all(port and subnet for port, _, subnet in split):
            raise ValueError(f"{node}={words} is not of the form node=port:subnet,port:subnet")
        found[node] = {port: subnet for port, _, subnet in split}
    return found


def gateways(text: str) -> dict[str, tuple[Address, ...]]:
    """Read `lan-a=192.0.2.1,2001:db8:a::1 lan-b=198.51.100.1`."""
    return {subnet: tuple(parse(each) for each in words.split(",")) for subnet, words in _pairs(text)}


def routed(text: str) -> dict[str, tuple[str, ...]]:
    """Read `lan-a=lan-b,lan-c lan-b=lan-c`."""
    return {subnet: tuple(words.split(",")) for subnet, words in _pairs(text)}


def write(node: str, ports: str, gateways: str, routed: str) -> str:
    """Return the text of the daemon's file of settings; the parameters are as the agent has them."""
    return f"node {node}\nports {ports}\ngateways {gateways}\nrouted {routed}\n"


def read(text: str) -> Settings:
    said = dict(line.partition(" ")[::2] for line in text.splitlines())
    return Settings(said["node"], ports(said["ports"]), gateways(said["gateways"]), routed(said["routed"]))


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for each in text.split():
        name, _, words = each.partition("=")
        if not (name and words):
            raise ValueError(f"{each} is not of the form name=value")
        found.append((name, words))
    return found
