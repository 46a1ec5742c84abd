"""Do two nodes answer for one address?

The router asks all the time, 20 times a second for each address, on the
subnet that it is on: who has it? (ARP and neighbour solicitations.) Two
nodes that answer one and the same question are two announcers.

While an announcer changes nodes, an answer of the old one may still be under way
when the new one answers. So a question is asked in a name that answers are
addressed to, and answers to different questions are never compared.
A switch hands a question to all nodes at once, and no announcer changes nodes in
the time between two questions: answers that reached the kernel further apart
than that are from a node that was late to hear the question, and are not counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import time
from _socket import AF_INET, AF_INET6, SOL_SOCKET
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

import yaml

from tests.lab.machine import Machine
from tests.lab.place import CHECKOUT
from tests.lab.problem import LabProblem
from tests.lab.topology import ROUTER, SUBNETS, Port, Topology
from vsctl.agents.noded import wire

EVERY = 0.05
NAMES = range(32, 64)
"""Numbers of hosts that no subnet has: a question is asked by each in turn."""
LINK_LOCAL = bytes.fromhex("fe80").ljust(15, b"\0")
ADDRESSED_TO = 38
"""Where an answer, ARP reply or neighbour advertisement, says whom it is for."""
SO_TIMESTAMPNS = 35
_TIME = struct.Struct("@qq")


def addresses_in(cluster_file: Path) -> list[str]:
    """Return the addresses of all virtual servers of a cluster file."""
    servers = yaml.safe_load(cluster_file.read_text())["virtual_servers"].values()
    return [each.partition("/")[0] for server in servers for each in server["addresses"]]


class Announcers:
    """Who answers for some addresses, as the router hears it."""

    def __init__(self, router: Machine, topology: Topology, addresses: Collection[str]) -> None:
        self.addresses = frozenset(addresses)
        machines = {port.mac: port.machine for port in topology.ports}
        place = ["env", f"--chdir={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1"]
        given = json.dumps({"addresses": sorted(addresses), "machines": machines})
        command = [*place, sys.executable, "-m", "tests.lab.announcers", given]
        self._process = router.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._look()
        self.answered: frozenset[str] = frozenset()
        self.twice: tuple[str, ...] = ()

    def look(self) -> Announcers:
        """Take in what was heard since the last look."""
        heard = self._look()
        self.answered |= frozenset(heard["answered"])
        self.twice += tuple(heard["twice"])
        return self

    def check(self) -> None:
        """Begin anew; LabProblem if two nodes answered one question, or none ever did for one of the addresses."""
        self.look()
        twice, silent = self.twice, self.addresses - self.answered
        self.forget()
        if twice:
            raise LabProblem(f"{len(twice)} times two nodes answered for an address: {'; '.join(twice[:3])}")
        if silent:
            raise LabProblem(f"nobody has ever answered for {', '.join(sorted(silent))}")

    def end(self) -> None:
        self._process.communicate()  # the end of its input is its end

    def _look(self) -> dict[str, list[str]]:
        assert self._process.stdin and self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        if not (said := self._process.stdout.readline()):
            raise LabProblem("whoever watched the announcers has died")
        return dict(json.loads(said))


class Wire:
    """What is asked and heard on one subnet by one protocol: `addresses` are those of one family there."""

    def __init__(self, port: Port, addresses: Collection[str], machines: Mapping[str, str]) -> None:
        self._targets = {ip_address(each).packed: each for each in addresses}
        size = len(next(iter(self._targets)))
        self._family, kind = (AF_INET, wire.ARP) if size == 4 else (AF_INET6, wire.IPV6)
        self._near = next(iter(self._targets))[:3] if size == 4 else LINK_LOCAL
        self._hardware = bytes.fromhex(port.mac.replace(":", ""))
        self._machines = machines
        self._answers: dict[tuple[str, bytes], dict[str, float]] = {}
        self._socket = wire.listen(port.interface, kind)
        self._socket.setsockopt(SOL_SOCKET, SO_TIMESTAMPNS, 1)

    @property
    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, name: int) -> None:
        """Ask for every address as the host of that number."""
        source = self._near + bytes([name])
        for target, address in self._targets.items():
            frame = wire.question(self._family, target, self._hardware, source, None)
            assert frame, "there is a source"
            self._answers[address, source] = {}
            self._socket.send(frame)

    def hear(self) -> Iterator[tuple[str, str | None]]:
        """Take in what has come: give for each answer the address and, if two nodes have it now, a sentence."""
        while True:
            try:
                frame, more, _, _ = self._socket.recvmsg(2048, 128)
            except BlockingIOError:
                return
            found = wire.answer(frame)
            address = self._targets.get(found[0]) if found else None
            if not found or address is None:
                continue
            answers = self._answers.get((address, frame[ADDRESSED_TO:][: len(found[0])]))
            if answers is None:  # it answers somebody else's question
                continue
            seconds, rest = _TIME.unpack(more[0][2])
            at = seconds + rest / 1e9
            machine = self._machines.get(found[1].hex(":"), found[1].hex(":"))
            answers.setdefault(machine, at)
            others = [each for each, when in answers.items() if each != machine and at - when < EVERY]
            moment = f"{time.strftime('%H:%M:%S', time.gmtime(at))}.{int(rest / 1e6):03}"
            told = f"{address} by {' and '.join((*others, machine))} at {moment}"
            yield address, told if others else None


def wires(addresses: Collection[str], machines: Mapping[str, str]) -> list[Wire]:
    """Return what has to be watched for some addresses; one that is on no subnet of the lab's is not watched."""
    found = []
    for subnet in SUBNETS.values():
        for network in subnet.networks:
            here = [each for each in addresses if ip_address(each) in network]
            if here:
                found.append(Wire(Port(ROUTER, subnet.name, subnet, 1), here, machines))
    return found


def watch(watched: list[Wire]) -> None:
    """Ask and hear; tell what was heard, and forget it, whenever a line is read, until the input ends."""
    answered, twice, due, turn = set(), [], time.monotonic(), 0
    while True:
        if time.monotonic() >= due:
            for each in watched:
                each.ask(NAMES[turn % len(NAMES)])
            due, turn = time.monotonic() + EVERY, turn + 1
        heard = [each.fileno for each in watched]
        ready, _, _ = select.select([0, *heard], [], [], max(0.0, due - time.monotonic()))
        for each in watched:
            for address, told in each.hear():
                answered.add(address)
                twice += [told] if told else []
        if 0 in ready:
            if not os.read(0, 4096):
                return
            print(json.dumps({"answered": sorted(answered), "twice": twice}), flush=True)
            answered, twice = set(), []


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    watch(wires(wanted["addresses"], wanted["machines"]))
