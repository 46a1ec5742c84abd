"""What connects the machines?

One bridge per subnet, in the network namespace of the lab's holder, and a veth
pair for each port. What is wrong with the cabling is kept as two sets of
targets, `down` and `mute`, which are applied to every port there is; so a
cable that is pulled stays pulled when its machine is booted again.

A port that is down has no carrier. A mute one has, and nothing passes.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.lab.command import call
from tests.lab.machine import Machine
from tests.lab.place import Place
from tests.lab.problem import LabProblem
from tests.lab.topology import SUBNETS, Port, Topology
from tests.lab.waiting import wait

INTERRUPTED = "Dump was interrupted"  # a list of links during which one came or went
VANISHED = ("Cannot find device", "Command failed", "RTNETLINK answers: No such device")
FORWARDING, DISABLED = "3", "0"  # port states of a bridge, see bridge(8)


@dataclass(frozen=True)
class Fault:
    """What a verb of the operator does: to `kind`, set it or take it away."""

    kind: str
    present: bool


VERBS = {
    "down": Fault("down", True),
    "up": Fault("down", False),
    "mute": Fault("mute", True),
    "unmute": Fault("mute", False),
}


class Network:
    """The switches of one lab and the cables to them."""

    def __init__(self, place: Place, topology: Topology) -> None:
        self.place = place
        self.topology = topology

    def build(self) -> None:
        self._ip(
            line
            for subnet in SUBNETS
            for line in (
                f"link add {subnet} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
                f"link set {subnet} up",
            )
        )

    def plug(self, machine: Machine) -> None:
        """Give a machine that has just started its ports, addresses and routes."""
        ports = machine.spec.ports
        self._ip(
            line
            for port in ports
            for line in (
                f"link add {port.cable} type veth "
                f"peer name {port.interface} address {port.mac} netns {machine.pid}",
                f"link set {port.cable} master {port.subnet.name}",
            )
        )
        machine.run(["ip", "-batch", "-"], input="\n".join(_settings(machine)))
        if machine.spec.kind == "router":
            machine.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
        with self.place.lock("faults"):
            self._apply(ports)

    def unplug(self, machine: Machine) -> None:
        """Pull all cables of a machine at once; nothing it says from now on is heard."""
        self._handle("ip", (f"link set {port.cable} down" for port in machine.spec.ports))

    def remove(self, machine: Machine) -> None:
        """Take away the cables of a machine that is off."""
        self._handle("ip", (f"link delete {port.cable}" for port in machine.spec.ports))

    def fault(self, target: str, verb: str) -> None:
        """Do `down`, `up`, `mute` or `unmute` to n1/e0a, n1/lan-a, lan-a or n1.

        A verb acts on ports: `subnet lan-a mute` and `port n1/e0a unmute`
        leave all of lan-a mute but that port.
        """
        fault = VERBS[verb]
        ports = self.topology.ports_of(target)
        with self.place.lock("faults"):
            faults = self.faults()
            faults[fault.kind] = {
                *(faults[fault.kind] - {port.name for port in ports}),
                *(port.name for port in ports if fault.present),
            }
            self.place.save("faults", {kind: sorted(names) for kind, names in faults.items()})
            self._apply(ports)

    def faults(self) -> dict[str, set[str]]:
        """Return the names of the ports that are down and of those that are mute."""
        saved = self.place.load("faults", {})
        return {kind: set(saved.get(kind, ())) for kind in ("down", "mute")}

    def _apply(self, ports: Iterable[Port]) -> None:
        faults, ports = self.faults(), tuple(ports)
        self._handle(
            "ip",
            (f"link set {port.cable} {'down' if port.name in faults['down'] else 'up'}" for port in ports),
        )
        # A port comes up forwarding, a moment after it has carrier; without carrier it has no state.
        wait(self._is_settled, "the switch notices its carriers", 10, 0.01)
        there = self._links()
        lines = [
            f"link set dev {port.cable} state {DISABLED if port.name in faults['mute'] else FORWARDING}"
            for port in ports
            if there.get(port.cable) == "UP"
        ]
        self._handle("bridge", lines)

    def _is_settled(self) -> bool:
        return all(("LOWER_UP" in each["flags"]) == (each["operstate"] == "UP") for each in self._cables())

    def _links(self) -> dict[str, str]:
        """Return the operational state (UP, DOWN, ...) of every cable that is plugged in."""
        return {each["ifname"]: each["operstate"] for each in self._cables()}

    def _cables(self) -> list[dict[str, Any]]:
        command = [*self.place.enter("--net"), "ip", "-json", "link", "show", "type", "veth"]
        while True:
            done = subprocess.run(command, capture_output=True, text=True)
            if INTERRUPTED not in done.stderr:
                break
        if done.returncode != 0:
            raise LabProblem(f"the switch cannot list its cables: {done.stderr.strip()}")
        return [each for each in json.loads(done.stdout or "[]") if each]

    def _ip(self, lines: Iterable[str]) -> None:
        call([*self.place.enter("--net"), "ip", "-batch", "-"], "\n".join(lines))

    def _handle(self, tool: str, lines: Iterable[str]) -> None:
        """Run a batch on cables, any of which may vanish at any moment, as those of a dying machine do."""
        done = subprocess.run(
            [*self.place.enter("--net"), tool, "-force", "-batch", "-"],
            input="\n".join(lines),
            text=True,
            capture_output=True,
        )
        complaints = [
            line for line in done.stderr.splitlines() if not line.startswith((*VANISHED, INTERRUPTED))
        ]
        if complaints:
            raise LabProblem(f"the switch does not obey: {'; '.join(complaints)}")


def _settings(machine: Machine) -> list[str]:
    """Return the lines of `ip -batch` that a machine runs after its ports were plugged in."""
    lines = []
    for port in machine.spec.ports:
        for address in port.addresses:
            lines.append(f"address add {address} dev {port.interface}{' nodad' if ':' in address else ''}")
        lines.append(f"link set {port.interface} up")
    if gateway_port := machine.spec.gateway_port:
        for gateway in gateway_port.subnet.gateways:
            lines.append(f"route add default via {gateway} dev {gateway_port.interface}")
    return lines
