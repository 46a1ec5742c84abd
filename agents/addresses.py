"""What is an address of a virtual server, without the price of `import ipaddress`?"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton


class Address:
    """One address with the length of its network's prefix. `packed` is as on the wire."""

    __slots__ = ("family", "packed", "prefix")

    def __init__(self, family: int, packed: bytes, prefix: int) -> None:
        self.family = family
        self.packed = packed
        self.prefix = prefix

    @property
    def ip(self) -> str:
        return inet_ntop(self.family, self.packed)

    @property
    def bits(self) -> int:
        """How many bits an address of this family has: the prefix length of a host route."""
        return 8 * len(self.packed)

    @property
    def network(self) -> bytes:
        """The first address of the network."""
        host = self.bits - self.prefix
        return (int.from_bytes(self.packed, "big") >> host << host).to_bytes(len(self.packed), "big")

    def __str__(self) -> str:
        return f"{self.ip}/{self.prefix}"

    def __repr__(self) -> str:
        return f"Address({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and (self.packed, self.prefix) == (other.packed, other.prefix)

    def __hash__(self) -> int:
        return hash((self.packed, self.prefix))


def parse(text: str) -> Address:
    """Read `192.0.2.10/24`, `2001:db8::10/64`, or an address alone for a host's own network."""
    ip, slash, prefix = text.partition("/")
    family = AF_INET6 if ":" in ip else AF_INET
    try:
        packed = inet_pton(family, ip)
    except OSError:
        raise ValueError(f"{text} is no IP address") from None
    bits = 8 * len(packed)
    if slash and not (prefix.isdecimal() and int(prefix) <= bits):
        raise ValueError(f"the prefix length of {text} is not a number from 0 to {bits}")
    return Address(family, packed, int(prefix) if slash else bits)


def several(text: str) -> tuple[Address, ...]:
    """Read addresses separated by spaces, each at most once."""
    found = tuple(parse(each) for each in text.split())
    for place, each in enumerate(found):
        if any(each.packed == other.packed for other in found[:place]):
            raise ValueError(f"{each.ip} is there twice")
    return found


def some(text: str) -> tuple[Address, ...]:
    """Read at least one address."""
    found = several(text)
    if not found:
        raise ValueError("at least one address is needed")
    return found
