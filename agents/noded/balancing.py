"""What does a node carry where, and does it even that out by itself?

Measures every ten seconds what each port and each server's addresses carry, tells
it in a private attribute, and, where the cluster file says so, writes a better
order of ports into the parameter of an announcer: Pacemaker then reloads it, and
it announces on the port that is first now. So what is announced where has
one master, the CIB, and no agent puts it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import commands, spreading, traffic
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.noded.spreading import Move
from vsctl.agents.noded.traffic import Meter
from vsctl.agents.ocf import log


@dataclass(frozen=True)
class Announcement:
    """What is announced here: on which port, which addresses, whether the server is on another node, since when."""

    port: str
    addresses: tuple[bytes, ...]
    routed: bool = False
    since: float = 0.0


class Balancing:
    """The load of one node's ports."""

    def __init__(self, loop: Loop, netlink: Netlink) -> None:
        self._loop = loop
        self._netlink = netlink
        self._meter = Meter()
        self._rates: dict[str, float] = {}

    def measure(self, indexes: Mapping[str, int], announced: Mapping[str, Announcement]) -> None:
        """Count once. `indexes` has the ports that are there."""
        counted = {port: traffic.of_port(self._netlink, index) for port, index in indexes.items()}
        by_address = traffic.of_addresses() if announced else {}
        for name, each in announced.items():
            counted[name] = sum(by_address.get(address, 0) for address in each.addresses)
        self._meter.take(counted, now())
        self._rates = self._meter.rates()

    def told(self, ports: Mapping[str, int]) -> str:
        """Return what every port and every announcement carries, and the speed of ports, in two digits.

        `e0a=12000000/10000000000 vs1/lan-a=8000000`, so that little changes while nothing happens.
        """
        speeds = {port: f"/{traffic.speed(port)}" for port in ports}
        return " ".join(
            f"{name}={_rounded(rate)}{speeds.get(name, '')}" for name, rate in sorted(self._rates.items())
        )

    def moves(
        self, announced: Mapping[str, Announcement], good: Mapping[str, str], tolerance: float
    ) -> tuple[Move, ...]:
        """Return what should be announced on another port. `good` has the subnet of each good port."""
        speeds = {port: float(traffic.speed(port)) for port in good}
        on = {name: each.port for name, each in announced.items()}
        return spreading.of_node(on, good, self._rates, speeds, tolerance)

    def carry_out(self, node: str, move: Move) -> None:
        """Let the cluster announce something on another port of this node first."""
        server, _, subnet = move.name.partition("/")
        announcer = f"{server}-vip-{subnet}"
        ask = ["crm_resource", "--resource", announcer, "--get-parameter", "ports"]

        def change(status: int, words: str) -> None:
            wanted = first(words, node, move.target)
            if status == 0 and wanted != words:
                tell = ["crm_resource", "--resource", announcer, "--set-parameter", "ports"]
                log(f"{move.name} goes from {move.origin} to {move.target}: {_why(move)}")
                commands.start(self._loop, [*tell, "--parameter-value", wanted], _complaint(move))

        commands.start(self._loop, ask, change)


def first(text: str, node: str, port: str) -> str:
    """Return an announcer's parameter `ports` with a port of a node at the first place."""
    words = []
    for each in text.split():
        name, _, ports = each.partition("=")
        if name == node and port in ports.split(","):
            ports = ",".join([port, *(other for other in ports.split(",") if other != port)])
        words.append(f"{name}={ports}")
    return " ".join(words)


def _why(move: Move) -> str:
    return f"the busier of them carries {move.before / 1e6:.0f} Mbit/s, then {move.after / 1e6:.0f}"


def _complaint(move: Move) -> Callable[[int, str], None]:
    def then(status: int, words: str) -> None:
        if status != 0:
            log(f"{move.name} stays on {move.origin}, the cluster does not take the change: {words}")

    return then


def _rounded(rate: float) -> int:
    """Return a rate in two digits; what nobody would notice is nothing."""
    if rate < 100_000:
        return 0
    size = 10 ** (len(str(int(rate))) - 2)
    return int(round(rate / size) * size)
