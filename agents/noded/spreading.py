"""Which port of a subnet should announce what, so that no port carries much more than another?

What is announced together moves together: a server's addresses on one subnet.
A move is made only when it gains something that counts, and as long as one does:
a second look at the same load finds nothing to do.

Pure: loads in, moves out. Rates and speeds are bits a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

WORTH = 1_000_000.0
"""What a move has to take off the busier of two ports at least: nobody notices less."""


@dataclass(frozen=True)
class Port:
    """A good port: its speed, and what it carries besides the servers' addresses."""

    name: str
    speed: float
    other: float = 0.0


@dataclass(frozen=True)
class Load:
    """What one server's addresses carry, and the port that announces them. `name` is `vs1/lan-a`."""

    name: str
    port: str
    rate: float


@dataclass(frozen=True)
class Move:
    """`name` goes from a port to another; `before` and `after` is what the busier of the two carries."""

    name: str
    origin: str
    target: str
    before: float
    after: float


def spread(loads: Sequence[Load], ports: Sequence[Port], tolerance: float) -> tuple[Move, ...]:
    """Return the moves that even out the ports of one subnet of one node, in their order.

    What is announced on a port that is not among them is somebody else's business.
    A move has to gain more than `tolerance` (a fraction) of what the busier port carries.
    """
    known = {each.name for each in ports}
    now = {each.name: each for each in loads if each.port in known}
    moves: dict[str, Move] = {}
    while best := _best(tuple(now.values()), ports, tolerance):
        origin = moves[best.name].origin if best.name in moves else best.origin
        now[best.name] = replace(now[best.name], port=best.target)
        moves[best.name] = replace(best, origin=origin)
    return tuple(each for each in moves.values() if each.origin != each.target)


def of_node(
    announced: Mapping[str, str],
    subnets: Mapping[str, str],
    rates: Mapping[str, float],
    speeds: Mapping[str, float],
    tolerance: float,
) -> tuple[Move, ...]:
    """Return the moves of one node, subnet by subnet.

    `announced` has the port of each `vs1/lan-a`, `subnets` the subnet of each
    good port, `rates` what each of both carries, `speeds` those of ports.
    """
    moves: list[Move] = []
    for subnet in dict.fromkeys(subnets.values()):
        loads = [
            Load(name, port, rates.get(name, 0.0))
            for name, port in sorted(announced.items())
            if subnets.get(port) == subnet == name.partition("/")[2]
        ]
        ports = [
            Port(port, speeds[port], _other(port, rates, announced))
            for port, its in subnets.items()
            if its == subnet and port in speeds
        ]
        moves += spread(loads, ports, tolerance)
    return tuple(moves)


def _other(port: str, rates: Mapping[str, float], announced: Mapping[str, str]) -> float:
    """Return what a port carries besides what is announced on it."""
    of_servers = sum(rates.get(name, 0.0) for name, on in announced.items() if on == port)
    return max(0.0, rates.get(port, 0.0) - of_servers)


def use(port: Port, loads: Sequence[Load]) -> float:
    """Return which fraction of its speed a port carries."""
    return (port.other + sum(each.rate for each in loads if each.port == port.name)) / port.speed


def _best(loads: Sequence[Load], ports: Sequence[Port], tolerance: float) -> Move | None:
    """Return the move that relieves the busiest port that can be relieved, the most it can be."""
    used = {port.name: use(port, loads) for port in ports}
    for busy in sorted(ports, key=lambda each: (-used[each.name], each.name)):
        found = []
        for load in loads:
            for target in ports:
                if load.port == busy.name != target.name:
                    relieved = used[busy.name] - load.rate / busy.speed
                    after = max(relieved, used[target.name] + load.rate / target.speed)
                    found.append((after, load.name, target))
        if not found:
            continue
        after, name, target = min(found, key=lambda each: (each[0], each[1], each[2].name))
        gain = used[busy.name] - after
        if gain > tolerance * used[busy.name] and gain * busy.speed >= WORTH:
            return Move(name, busy.name, target.name, used[busy.name] * busy.speed, after * busy.speed)
    return None
