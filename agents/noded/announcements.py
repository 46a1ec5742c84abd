"""What is announced on which port of this node, and should it be on another one?

Two answers: at once, where a port has become bad (the reflex, which only follows what an
agent has announced here), and now and then, where one carries too much (`balancing`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from vsctl.agents import announce, hostroute, rtnetlink
from vsctl.agents.addresses import parse
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import clients, judge
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.balancing import Announcement, Balancing
from vsctl.agents.noded.diary import Diary
from vsctl.agents.noded.loop import Loop
from vsctl.agents.noded.residents import servers
from vsctl.agents.noded.routers import Routers
from vsctl.agents.noded.settings import Settings
from vsctl.agents.noded.watching import Watching
from vsctl.agents.ocf import Failure, log

ANNOUNCED = "ports-announced"
TRAFFIC = "ports-traffic"

COUNTING = 10.0
"""Seconds between two looks at what is announced where, and how much goes there."""
UNASKED = 60.0
"""Seconds between two looks whether ports are to be evened out at all."""
RETRY = 0.1
"""Seconds until the reflex tries again what an agent is just busy with."""


class Announcements:
    """What is announced here, by `vs1/lan-a`. `noted` is called after something new was written down."""

    def __init__(
        self,
        loop: Loop,
        attributes: Attributes,
        netlink: Netlink,
        known: Callable[[], Settings],
        ports: Watching,
        routers: Routers,
        diary: Diary,
        noted: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._attributes = attributes
        self._netlink = netlink
        self._known = known
        self._ports = ports
        self._routers = routers
        self._diary = diary
        self._noted = noted
        self._balancing = Balancing(loop, netlink)
        self._here: dict[str, Announcement] = {}
        self._before: dict[str, Announcement] | None = None
        self._recorded: dict[str, dict[str, float]] = {}

    @property
    def routed(self) -> list[str]:
        """What is announced here for servers on other nodes."""
        return [name for name, each in self._here.items() if each.routed]

    def reflex(self) -> None:
        """Announce on good ports what is announced on bad ones here."""
        choose = _choice(self._ports.good, self._ports.bad)
        busy = False
        for server in servers():
            for subnet in announce.recorded(server):
                try:
                    port = announce.move(server, subnet, choose, self._loop.repeat, self._routers.told)
                except BlockingIOError:
                    busy = True
                except (OSError, Failure) as problem:
                    log(f"{server} cannot be announced on another port of {subnet} now: {problem}")
                else:
                    if port is not None:
                        log(f"{server} is announced on {port} now")
        if busy:
            self._loop.after(RETRY, self.reflex)
        self.tell()

    def see(self) -> None:
        """Look whether agents have announced or withdrawn something since the last look, and say so."""
        if _recorded() != self._recorded:
            self.tell()

    def tell(self) -> None:
        """Say which port announces what: `vs1/lan-a=e0b`."""
        self._here = self._look()
        clients.hurry(self._before, self._here)
        self._before = self._here
        self._note()
        told = [f"{name}={each.port}" for name, each in self._here.items()]
        self._attributes.want([(ANNOUNCED, " ".join(told) or "none")], private=True)

    def count(self) -> None:
        """Measure what goes where, now and again every ten seconds."""
        self.tell()
        there = self._ports.indexes
        try:
            self._balancing.measure(there, self._here)
        except OSError as problem:  # a port that has just gone
            log(f"traffic cannot be measured now: {problem.strerror}")
        else:
            self._attributes.want([(TRAFFIC, self._balancing.told(there) or "none")], private=True)
        self._loop.after(COUNTING, self.count)

    def even_out(self) -> None:
        """Spread what is announced here over good ports, where the cluster file says so."""
        known = self._known()
        good = {port: known.mine[port] for port in self._ports.good}
        if known.balance is not None and good:
            direct = {
                name: each
                for name, each in self._here.items()
                if known.mine.get(each.port) == name.partition("/")[2]
            }
            for move in self._balancing.moves(direct, good, known.balance.tolerance):
                self._balancing.carry_out(known.node, move)
        self._loop.after(known.balance.every if known.balance else UNASKED, self.even_out)

    def _look(self) -> dict[str, Announcement]:
        """Return what is announced on a port of this node, by what the kernel answers for."""
        answering = rtnetlink.proxies(self._netlink)
        names = {link.index: link.name for link in self._ports.links.values()}
        found = {}
        self._recorded = _recorded()
        for server, subnets in self._recorded.items():
            for subnet, since in subnets.items():
                record = announce.Record(server, subnet)
                addresses = [parse(each) for each in record.addresses]
                ours = tuple(each.packed for each in addresses)
                on = {names[index] for index, packed in answering if packed in ours and index in names}
                port = next(iter(sorted(on.intersection(record.ports))), None)
                if port is None and record.vias:
                    port = hostroute.port_of(self._netlink, server, subnet, addresses)
                if port is not None:
                    found[f"{server}/{subnet}"] = Announcement(port, ours, bool(record.inward), since)
        return found

    def _note(self) -> None:
        """Write down what is announced on another port than before, or not any more."""
        known = self._diary.known
        for name in {**known("address"), **known("route"), **self._here}:
            here = self._here.get(name)
            for kind, routed in (("address", False), ("route", True)):
                on = here.port if here and here.routed is routed else "-"
                if on != "-" or name in known(kind):
                    self._diary.note(kind, name, on, here.since if here else time.time())
        self._noted()


def _recorded() -> dict[str, dict[str, float]]:
    return {server: announce.written(server) for server in servers()}


def _choice(good: Collection[str], bad: Collection[str]) -> announce.Choose:
    return lambda ports, announced: judge.next_port(ports, announced, good, bad)
