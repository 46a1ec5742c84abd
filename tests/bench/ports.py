"""How long do clients stand still when the port dies by which they reach their server?

The node has a second port on the subnet. Stock is IPaddr2 with ethmonitor set
as quick as it can be: it moves the whole server to another node, as nothing of it knows the second
port. "Ping" is the longest time without an echo, two hundred questions a second.
"""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from tempfile import TemporaryFile

from tests.bench.sides import HERE, Ours, Side, Stock, address, up
from tests.bench.table import Row, Table

SERVER = "vs1"
FAULTS = (("cable pulled", "cut", "mend"), ("port silent", "mute", "unmute"))
TARGETS = {"cable pulled: ping": "<= 0.05", "port silent: ping": "<= 1.5"}
PING = 'ping -D -n -i 0.005 "$1" & read -r end; kill -INT $!'


class Monitored(Stock):
    """Stock agents, and ethmonitor on the port with the addresses."""

    @staticmethod
    def name() -> str:
        return "with ethmonitor"

    def configure(self) -> None:
        super().configure()
        self.lab.node("n1").run(["crm", "-F", "configure", "load", "update", HERE / "stock/ports.crm"])


def measure(trials: int) -> Table:
    """Pull the cable and mute the switch port of the port in use, as often as said."""
    values: dict[type[Side], dict[str, list[float]]] = {}
    for side in (Ours, Monitored):
        seen = values[side] = defaultdict(list)
        with up(side) as it:
            for _ in range(trials):
                for what, fault, mended in FAULTS:
                    for name, outage in _outages(it, fault, mended).items():
                        seen[f"{what}: {name}"].append(outage)
    rows = tuple(
        Row(what, "s", tuple(ours), tuple(values[Monitored][what]), TARGETS.get(what, ""))
        for what, ours in values[Ours].items()
    )
    notes = (f"{trials} trials of each, in one cluster of three nodes a side.",)
    return Table(
        "A port dies: the longest time without an answer", Ours.name(), Monitored.name(), rows, notes
    )


def _outages(side: Side, fault: str, mended: str) -> dict[str, float]:
    node = side.node_of(SERVER)
    port = f"{node}/{_port(side, node or '')}"
    with side.writer(SERVER) as writer, _pinged(side) as echoes:
        writer.wait_for_progress()
        began = time.monotonic()
        getattr(side.lab, fault)(port)
        writer.wait_for_progress(since=began + 2, limit=120)
        gap = max(length for at, length in writer.report().gaps if at + length > began)
    getattr(side.lab, mended)(port)
    side.wait_until_idle()
    if isinstance(side, Ours):
        release = ["vsctl", "release", port]
        side.lab.wait(
            lambda: side.lab.any_node().run(release, check=False).returncode == 0, f"{port} is good again", 60
        )
    return {"ping": max(later - sooner for sooner, later in pairwise(echoes)), "NFS client": gap}


def _port(side: Side, node: str) -> str:
    """Return the port that answers for the server's address."""
    if isinstance(side, Stock):
        return "e0a"
    shown = side.lab.node(node).run(["ip", "neighbour", "show", "proxy"]).stdout
    return next(line.split()[2] for line in shown.splitlines() if line.split()[0] == address(SERVER))


@contextmanager
def _pinged(side: Side) -> Iterator[list[float]]:
    """Ping the server; when it ends the list has the time of each echo."""
    echoes: list[float] = []
    command = ["sh", "-c", PING, "sh", address(SERVER)]
    with TemporaryFile("w+") as said:
        with side.client.popen(command, stdin=subprocess.PIPE, stdout=said):
            yield echoes  # the end of its input is its end
        said.seek(0)
        echoes += [float(line[1 : line.index("]")]) for line in said if line.startswith("[")]
