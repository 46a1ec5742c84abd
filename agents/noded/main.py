"""The node daemon: what it hears, what it does about it.

It listens to the kernel for carriers and to witnesses for what is behind them,
lets `judge` decide, and then does three things, in this order: it moves
addresses from ports that have become bad to good ones (the reflex), it writes
its verdicts where agents look, and it tells the cluster.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Collection, Sequence
from typing import Any

from vsctl.agents import node, resident, silence
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import emptying, endings, judge, residents, settings
from vsctl.agents.noded.announcements import Announcements
from vsctl.agents.noded.arrivals import Arrivals
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.callers import Callers
from vsctl.agents.noded.clients import Clients
from vsctl.agents.noded.damages import Damages
from vsctl.agents.noded.detours import Detours
from vsctl.agents.noded.diary import Diary
from vsctl.agents.noded.door import Door
from vsctl.agents.noded.emptying import Emptying, Scene
from vsctl.agents.noded.evictions import Evictions
from vsctl.agents.noded.judge import Record
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.noded.measuring import Measuring
from vsctl.agents.noded.membership import Membership
from vsctl.agents.noded.reading import Storage
from vsctl.agents.noded.routers import Routers
from vsctl.agents.noded.storage import HUNG
from vsctl.agents.noded.stuck import NOTHING
from vsctl.agents.noded.waits import Waits
from vsctl.agents.noded.watching import Watching
from vsctl.agents.ocf import log

STATES = "ports-states"
EVENTS = "ports-events"
UNITS = "units-states"
RELEASE = "ports-release"
MEMBERSHIP = "membership"

SUBNETS = {0: "lost", 1: "routed", judge.DIRECTLY: "good"}
"""What the diary calls the values of `subnet-<subnet>`."""

WEIGHING = 1.0
"""Seconds between two looks at whether a server should leave."""
HEEDING = 1.5
"""Seconds between two looks at what an operator says of a port that is held back."""
NUDGE = 0.03
"""Seconds after which the cluster is told that a node has dropped out, which it knows: see `_nudge`."""


class Daemon:
    """The daemon of one node. `run` returns when it is told to end."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.attributes = Attributes(self.loop, log)
        self.settings = _read_settings()
        self.diary = Diary()
        remembered = _remembered()
        netlink = Netlink()
        self.ports = Watching(self.loop, self.attributes, netlink, self._known, self._act)
        self.ports.records = _records(remembered.get("ports", {}))
        self._storage_before = (
            _records(remembered.get("storage", {}))
            if remembered
            else endings.after_boot(self.diary, time.time(), now())
        )
        self.storage = Storage(self.loop, log, self._act)
        self.emptying = Emptying(self.loop, self.attributes, self._scene, self._say_emptied, self._write)
        self.emptying.remember(remembered.get("emptying", NOTHING), remembered.get("held", ()))
        self.routers = Routers(self.loop, self._known, self._heed_routers)
        self.announcements = Announcements(
            self.loop,
            self.attributes,
            netlink,
            self._known,
            self.ports,
            self.routers,
            self.diary,
            self._tell_events,
        )
        self._good: frozenset[str] | None = None
        self._written = ""
        self.arrivals = Arrivals(self.loop, log)
        self.callers = Callers(self.loop, residents.here)
        self.detours = Detours(netlink)
        self.connected = Clients(self.loop, residents.servers)
        self.loads = Measuring(
            self.loop,
            self.attributes,
            netlink,
            servers=residents.here,
            ports=lambda: self.ports.connected,
            clients=lambda: self.connected.counts,
        )
        self.evictions = Evictions(self.attributes, self.detours.is_routed, self._say_evicted)
        if "evictions" in remembered:
            self.evictions.remember(remembered["evictions"])

    def run(self) -> None:
        """Live until SIGTERM."""
        self.diary.write("daemon", self.settings.node, "started", time.time())
        self._heed_signals()
        Door(self.loop, self.obey)
        self.ports.follow()
        self._configure()
        self._act()  # the cluster may have forgotten what a daemon before this one has told
        node.write_lines(resident.PROCESS, [resident.mark(os.getpid())])
        self.routers.hear()
        self._membership = Membership(self.loop, self._nudge, log)
        self.ports.ask()
        self.storage.tick()
        self.emptying.begin()
        self.ports.look_around()
        self.announcements.count()
        Damages(self.loop, lambda: self.settings.node, log, self._note_damage).look()
        self.callers.look()
        self.connected.look()
        Waits(self.loop, self.attributes, residents.here, log).look()
        self.loads.look()
        self._weigh()
        self.announcements.even_out()
        self._heed_releases()
        self.loop.run()
        for each in (resident.SOCKET, resident.PROCESS):
            os.unlink(each)
        node.write_lines(resident.SILENT, [])  # nobody corrects it any more

    # what it hears

    def _heed_signals(self) -> None:
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write)
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: None)
        self.loop.watch(read, self.loop.end)

    def _known(self) -> settings.Settings:
        return self.settings

    def _configure(self) -> None:
        """Make what is watched what the settings say."""
        self.ports.adopt()
        self.storage.watch(self.settings.units, self._storage_before)
        self._storage_before = {}
        self.ports.begin()

    def _heed_routers(self) -> None:
        self.announcements.reflex()
        self._tell_worth()

    def _nudge(self, number: int) -> None:
        """Give Pacemaker a reason to ask for the CIB once more after a node's loss.

        It asks as soon as it hears of the loss, and sleeps for a second if the
        answer overtakes its own updates about the lost node, as it usually does
        (`docs/decisions/0034-a-second-of-sleep.md`). An attribute that changes
        just then makes it ask again, behind them.
        """
        self.loop.after(NUDGE, lambda: self.attributes.want([(MEMBERSHIP, str(number))]))

    # what it does

    def _act(self) -> None:
        good = self.ports.good
        if good != self._good:
            gone = sorted(set(self.ports.records) & (self._good or frozenset()) - good)
            self._good = good
            self.announcements.reflex()
            for port in gone:
                log(f"{port} is {self.ports.state(port)}; good ports: {' '.join(sorted(good)) or 'none'}")
        self._write()
        self.attributes.want(self.storage.attributes)
        if self.storage.lost:
            self.emptying.look()
        self._tell_worth()
        self._tell_states()

    def _tell_worth(self) -> None:
        if self.storage.is_known:
            reached = self.routers.reached(self.ports.good)
            for name, value in judge.attributes(self.ports.records, self.settings.mine, reached):
                self.attributes.want([(name, value)], urgent=judge.is_urgent(name, value))

    def _note(self, kind: str, about: str, state: str, when: float | None = None) -> None:
        self.diary.note(kind, about, state, time.time() if when is None else when)

    def _note_damage(self, filesystem: str) -> None:
        self.diary.write("filesystem", filesystem, "damaged", time.time())
        self._tell_events()

    def _tell_events(self) -> None:
        self.attributes.want([(EVENTS, self.diary.told)], private=True)

    def _weigh(self) -> None:
        """Ask servers to leave that are badly off here, and see that those that have come are announced."""
        self.announcements.see()
        self.detours.follow(self.announcements.routed)
        if worths := self._worths():
            before = self.evictions.state()
            self.evictions.weigh(self.settings.node, self.settings.servers, worths)
            if self.evictions.state() != before:
                self._write()
            good = [subnet for subnet, worth in worths.items() if worth == judge.DIRECTLY]
            self.arrivals.look(residents.here(), good, self.settings.node)
        self.loop.after(WEIGHING, self._weigh)

    def _say_evicted(self, server: str, leaves: bool) -> None:
        self._note("server", server, "leave" if leaves else "stay")
        log(
            f"{server} has lost a subnet here, and nobody routes to it, or has for too long: it should leave"
            if leaves
            else f"{server} need not leave, or stay away, any more"
        )

    def _write(self) -> None:
        """Write down which ports may be used, and what a restarted daemon has to know."""
        known = {port: record for port, record in self.ports.records.items() if record.good is not None}
        text = "".join(f"{port} {int(bool(record.good))}\n" for port, record in known.items())
        if text != self._written:
            node.write_lines(resident.PORTS, text.splitlines())
            self._written = text
        node.write_lines(resident.SILENT, self.storage.silent)
        node.write_lines(resident.STATE, [json.dumps(self.report(), indent=1)])

    def _tell_states(self) -> None:
        states = {port: self.ports.state(port) for port in self.ports.records}
        told = " ".join(f"{port}={state}" for port, state in states.items())
        self.attributes.want([(STATES, told or "none")], private=True)
        units = self.storage.states
        self.attributes.want(
            [(UNITS, " ".join(f"{unit}={state}" for unit, state in units.items()) or "none")], private=True
        )
        for unit, state in units.items():
            news = self.diary.known("storage").get(unit) != state
            self._note("storage", unit, state)
            if news and state == HUNG:
                endings.keep(self.loop)
        for port, state in states.items():
            ago = 0.0 if state == judge.GOOD else now() - self.ports.records[port].since
            if state != judge.UNKNOWN:
                self._note("port", port, state, time.time() - ago)
        for subnet, worth in self._worths().items():
            self._note("subnet", subnet, SUBNETS[worth])
        self._tell_events()

    def _worths(self) -> dict[str, int]:
        """Return what each subnet of this node is worth; nothing before all ports were observed."""
        if not self.ports.is_observed():
            return {}
        reached = self.routers.reached(self.ports.good)
        return judge.worths(self.ports.records, self.settings.mine, reached)

    def report(self) -> dict[str, object]:
        """Return everything an operator may want to know, as in `docs/contracts.md`."""
        return {
            "node": self.settings.node,
            "now": now(),
            "ports": self.ports.report(),
            "storage": self.storage.report(),
            "evictions": self.evictions.state(),
            "emptying": self.emptying.verdict,
            "held": self.emptying.held,
            "attributes": self.attributes.published,
        }

    def _scene(self) -> Scene:
        known = self.settings
        hanging = silence.servers() if self.storage.silent else ()
        unsteady = self.storage.unsteady
        held_back = [each for each in self.storage.waiting if each not in unsteady]
        return Scene(
            known.node,
            known.ports,
            known.servers,
            residents.here(),
            self.storage.dead,
            hanging,
            waiting=unsteady,
            held_back=held_back,
        )

    def _say_emptied(self, node: str, verdict: str, stuck: Collection[str]) -> None:
        self.diary.write("node", node, verdict, time.time())
        self._tell_events()
        log(emptying.sentence(node, verdict, stuck))
        self._write()

    def _heed_releases(self) -> None:
        """Ask, while a port that works is held back, whether an operator says that it is all right."""

        def then(said: dict[str, str]) -> None:
            for each in said.get(self.settings.node, "").split():
                if each in self.ports.records:
                    self._release(each)
                if each in self.storage.units:
                    self._release_unit(each)
            if self.settings.node in said:
                self.attributes.drop(RELEASE)

        if self.storage.waiting or any(
            record.works and not record.good for record in self.ports.records.values()
        ):
            self.attributes.ask(RELEASE, then)
        self.loop.after(HEEDING, self._heed_releases)

    def _release(self, port: str) -> None:
        if self.ports.records[port].works and not self.ports.records[port].good:
            log(f"an operator says that {port} is all right")
            self._note("port", port, "released")
        self.ports.release(port)
        self._act()

    def _release_unit(self, unit: str) -> None:
        if unit in self.storage.waiting:
            log(f"an operator says that storage {unit} is all right")
            self._note("storage", unit, endings.RELEASED)
            self.storage.release(unit)

    # what it is told

    def obey(self, words: Sequence[str]) -> str:
        """Do what is asked for and say what became of it."""
        match words:
            case ["ping"]:
                return "here"
            case ["state"]:
                return json.dumps(self.report())
            case ["reload"]:
                self.settings = _read_settings()
                self.ports.read_links()
                self._configure()
                self._act()
                return "done"
            case ["ways", server] if server in residents.here():
                self.callers.look_at(server)
                return "done"
            case ["release", port] if port in self.ports.records:
                self._release(port)
                return f"{port} is {self.ports.state(port)}"
            case ["release", unit] if unit in self.storage.units:
                self._release_unit(unit)
                return f"storage {unit} is {self.storage.units[unit].state}"
            case ["note", "balancer", about, state]:
                self.diary.write("balancer", about, state, time.time())
                self._tell_events()
                return "done"
            case ["release", port]:
                return f"this node has no port {port}, only {' '.join(self.ports.records)}"
            case _:
                return "say ping, state, reload, release PORT or release UNIT"


def _read_settings() -> settings.Settings:
    with open(resident.SETTINGS) as file:
        return settings.read(file.read())


def _remembered() -> dict[str, Any]:
    """Return what the daemon before this one knew."""
    try:
        with open(resident.STATE) as file:
            return dict(json.load(file))
    except (FileNotFoundError, ValueError):
        return {}


def _records(known: Any) -> dict[str, Record]:
    """Read what is kept of ports or storage units; what cannot be understood is not known."""
    try:
        return {
            name: Record(
                each["works"], each["since"], tuple(each["losses"]), each["good"], each.get("hold", 0.0)
            )
            for name, each in known.items()
        }
    except (AttributeError, KeyError, TypeError):
        return {}


def main() -> None:
    Daemon().run()
