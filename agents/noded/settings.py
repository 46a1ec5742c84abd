"""What does the cluster tell the daemon of a node?

The parameters of its agent, as text, and the node's own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from vsctl.agents.addresses import Address, parse
from vsctl.agents.noded.leaving import Guest
from vsctl.agents.topology import ports


@dataclass(frozen=True)
class Balance:
    """How often the node evens out its ports by itself, in seconds, and how uneven they may be, a fraction."""

    every: float
    tolerance: float


@dataclass(frozen=True)
class Settings:
    """`ports` has for every node its ports and the subnet of each, best first; `servers` all that may leave;
    `storage` for every node its units' devices.

    `routed` has for a subnet the others from whose ports its addresses can be announced by host route.
    """

    node: str
    ports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gateways: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    routed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    servers: Mapping[str, Guest] = field(default_factory=dict)
    balance: Balance | None = None
    storage: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def mine(self) -> Mapping[str, str]:
        return self.ports.get(self.node, {})

    @property
    def units(self) -> Mapping[str, tuple[str, ...]]:
        return self.storage.get(self.node, {})


def gateways(text: str) -> dict[str, tuple[Address, ...]]:
    """Read `lan-a=192.0.2.1,2001:db8:a::1 lan-b=198.51.100.1`."""
    return {subnet: tuple(parse(each) for each in words.split(",")) for subnet, words in _pairs(text)}


def routed(text: str) -> dict[str, tuple[str, ...]]:
    """Read `lan-a=lan-b,lan-c lan-b=lan-c`."""
    return {subnet: tuple(words.split(",")) for subnet, words in _pairs(text)}


def storage(text: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Read `san1 nodes=n1,n2 /dev/a /dev/b;san1 nodes=n1 /dev/c`: for every node its units and their devices."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for section in text.split(";"):
        words = section.split()
        if not words:
            continue
        if len(words) < 3 or not words[1].startswith("nodes="):
            raise ValueError(f"{section.strip()} is not of the form unit nodes=node,node device device")
        devices = tuple(unquote(each) for each in words[2:])
        for node in words[1].removeprefix("nodes=").split(","):
            units = found.setdefault(node, {})
            units[words[0]] = (*units.get(words[0], ()), *devices)
    return found


def servers(text: str) -> dict[str, Guest]:
    """Read `vs1 subnets=lan-a,lan-b nodes=n1,n2 units=san1 bridge=600;vs3 subnets=lan-a nodes=n1,n2 units=san2`."""
    found = {}
    for section in text.split(";"):
        name, *words = section.split() or [""]
        if not name:
            continue
        said = dict(_pairs(" ".join(words)))
        if not {"subnets", "nodes"} <= set(said) <= {"subnets", "nodes", "units", "bridge"}:
            raise ValueError(
                f"{section.strip()} is not of the form server subnets=... nodes=... units=... bridge=..."
            )
        bridge = said.get("bridge")
        found[name] = Guest(
            tuple(said["subnets"].split(",")),
            tuple(said["nodes"].split(",")),
            None if bridge is None else float(bridge),
            tuple(said["units"].split(",")) if "units" in said else (),
        )
    return found


def balance(text: str) -> Balance | None:
    """Read `every=300 tolerance=0.1`; nothing is never."""
    said = dict(_pairs(text))
    if not said:
        return None
    if set(said) != {"every", "tolerance"}:
        raise ValueError(f"{text} is not of the form every=SECONDS tolerance=FRACTION")
    return Balance(float(said["every"]), float(said["tolerance"]))


def write(node: str, **parameters: str) -> str:
    """Return the text of the daemon's file of settings; the parameters are as the agent has them."""
    return "".join(f"{name} {text}\n" for name, text in {"node": node, **parameters}.items())


def read(text: str) -> Settings:
    """Read what `write` wrote; an older agent may have written less."""
    said = dict(line.partition(" ")[::2] for line in text.splitlines())
    return Settings(
        said["node"],
        ports(said["ports"]),
        gateways(said.get("gateways", "")),
        routed(said.get("routed", "")),
        servers(said.get("servers", "")),
        balance(said.get("balance", "")),
        storage(said.get("storage", "")),
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    found = []
    for each in text.split():
        name, _, words = each.partition("=")
        if not (name and words):
            raise ValueError(f"{each} is not of the form name=value")
        found.append((name, words))
    return found
