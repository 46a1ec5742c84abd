"""The node daemon: what it hears, what it does about it.

It listens to the kernel for carriers and to witnesses for what is behind them,
lets `judge` decide, and then does three things, in this order: it moves
addresses from ports that have become bad to good ones (the reflex), it writes
its verdicts where agents look, and it tells the cluster.
"""

from __future__ import annotations

import _socket
import json
import os
import signal
import time
from _socket import AF_UNIX, SO_PEERCRED, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET
from _struct import unpack
from collections.abc import Callable, Collection, Mapping, Sequence
from socket import socket
from typing import Any

from vsctl.agents import announce, bird, hostroute, node, paths, resident, rtnetlink, silence
from vsctl.agents.addresses import parse
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import arrivals, clients, commands, emptying, endings, hearing, judge, settings
from vsctl.agents.noded.arrivals import Arrivals
from vsctl.agents.noded.asking import EVERY, GATEWAYS, Asker, own
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.balancing import Announcement, Balancing
from vsctl.agents.noded.clients import Clients
from vsctl.agents.noded.damages import Damages
from vsctl.agents.noded.detours import Detours
from vsctl.agents.noded.diary import Diary
from vsctl.agents.noded.emptying import Emptying, Scene
from vsctl.agents.noded.evictions import Evictions
from vsctl.agents.noded.judge import Record
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.noded.measuring import Measuring
from vsctl.agents.noded.membership import Membership
from vsctl.agents.noded.reading import Storage
from vsctl.agents.noded.storage import HUNG
from vsctl.agents.noded.stuck import NOTHING
from vsctl.agents.noded.waits import Waits
from vsctl.agents.ocf import Failure, log
from vsctl.agents.rtnetlink import Link

ADDRESSES = "ports-addresses"
STATES = "ports-states"
ANNOUNCED = "ports-announced"
TRAFFIC = "ports-traffic"
EVENTS = "ports-events"
UNITS = "units-states"
RELEASE = "ports-release"
MEMBERSHIP = "membership"

SUBNETS = {0: "lost", 1: "routed", judge.DIRECTLY: "good"}
"""What the diary calls the values of `subnet-<subnet>`."""

CATCHING_UP = 15.0
"""Seconds until the others are asked for their addresses again while one has not told them."""
LOOKING = 60.0
"""Seconds between two looks at what the others, and the cluster of this node, say."""
COUNTING = 10.0
"""Seconds between two looks at what is announced where, and how much goes there."""
WEIGHING = 1.0
"""Seconds between two looks at whether a server should leave."""
HEEDING = 1.5
"""Seconds between two looks at what an operator says of a port that is held back."""
UNASKED = 60.0
"""Seconds between two looks whether ports are to be evened out at all."""
LISTENING = 1.0
"""Seconds between two looks at which routers are told of host routes, and how long BIRD may take to say."""
NUDGE = 0.03
"""Seconds after which the cluster is told that a node has dropped out, which it knows: see `_nudge`."""
RETRY = 0.1
"""Seconds until the reflex tries again what an agent is just busy with."""


class Daemon:
    """The daemon of one node. `run` returns when it is told to end."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.attributes = Attributes(self.loop, log)
        self.settings = _read_settings()
        self.diary = Diary()
        self.links: dict[str, Link] = {}
        self.askers: dict[str, Asker] = {}
        remembered = _remembered()
        self.records = _records(remembered.get("ports", {}))
        self._storage_before = (
            _records(remembered.get("storage", {}))
            if remembered
            else endings.after_boot(self.diary, time.time(), now())
        )
        self.storage = Storage(self.loop, log, self._act)
        self.emptying = Emptying(self.loop, self.attributes, self._scene, self._say_emptied, self._write)
        self.emptying.remember(remembered.get("emptying", NOTHING), remembered.get("held", ()))
        self.peers: dict[str, dict[str, list[bytes]]] = {}
        self.announced: dict[str, Announcement] = {}
        self._hurried: dict[str, Announcement] | None = None
        self._recorded: dict[str, dict[str, float]] = {}
        self._good: frozenset[str] | None = None
        self._told: frozenset[str] = frozenset()
        self._written = ""
        self._netlink = Netlink()
        self.arrivals = Arrivals()
        self.balancing = Balancing(self.loop, self._netlink)
        self.detours = Detours(self._netlink)
        self.evictions = Evictions(self.attributes, self.detours.is_routed, self._say_evicted)
        if "evictions" in remembered:
            self.evictions.remember(remembered["evictions"])

    def run(self) -> None:
        """Live until SIGTERM."""
        self.diary.write("daemon", self.settings.node, "started", time.time())
        self._heed_signals()
        self._listen()
        self._follow_links()
        self._told = self._listeners()
        self._configure()
        self._act()  # the cluster may have forgotten what a daemon before this one has told
        node.write_lines(resident.PROCESS, [resident.mark(os.getpid())])
        self._hear_routers()
        self._follow_members()
        self._tick()
        self.storage.tick()
        self.emptying.begin()
        self._look_around()
        self._count()
        Damages(self.loop, lambda: self.settings.node, log).look()
        connected = Clients(self.loop, _servers)
        connected.look()
        Waits(self.loop, self.attributes, _here).look()
        Measuring(
            self.loop,
            self.attributes,
            self._netlink,
            servers=_here,
            ports=self._connected,
            clients=lambda: connected.counts,
        ).look()
        self._weigh()
        self._even_out()
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

    def _follow_links(self) -> None:
        self._events = rtnetlink.link_events()
        self.loop.watch(self._events.fileno(), self._read_events)
        self._read_links()

    def _read_links(self) -> None:
        self.links = {each.name: each for each in rtnetlink.links(self._netlink)}

    def _read_events(self) -> None:
        mine = self.settings.mine
        concerned = False
        try:
            for kind, body in self._events.read():
                change = rtnetlink.changed_link(kind, body)
                if change is None or change[0].name not in mine:
                    continue
                link, there = change
                concerned = True
                if there:
                    self.links[link.name] = link
                else:
                    self.links.pop(link.name, None)
        except OSError:  # more happened than the kernel could keep for us
            self._read_links()
            concerned = True
        if concerned:
            self._judge()

    def _configure(self) -> None:
        """Make what is watched what the settings say."""
        mine = self.settings.mine
        self.records = {port: self.records.get(port, Record()) for port in mine}
        for port in [each for each in self.askers if each not in mine]:
            self._unplug(port)
        self.storage.watch(self.settings.units, self._storage_before)
        self._storage_before = {}
        self._judge()
        self._meet_witnesses()

    def _plug(self, port: str, link: Link) -> None:
        asker = self.askers[port] = Asker(link, now())
        self._introduce(port, asker)

    def _unplug(self, port: str) -> None:
        asker = self.askers.pop(port)
        for each in asker.descriptors:
            self.loop.unwatch(each)
        asker.close()

    def _introduce(self, port: str, asker: Asker) -> None:
        asker.own = own(self._netlink, asker.link.index)
        try:
            opened = asker.listen(self._witnesses(self.settings.mine[port]))
        except OSError as problem:
            log(f"{port} cannot be listened to, its carrier alone counts: {problem.strerror}")
            return
        for each in opened:
            self.loop.watch(each.fileno(), _reader(asker, each))

    def _witnesses(self, subnet: str) -> dict[str, list[bytes]]:
        """Return who may be asked on a subnet, with the addresses of each."""
        found = {peer: ports[subnet] for peer, ports in self.peers.items() if ports.get(subnet)}
        if gateways := self.settings.gateways.get(subnet):
            found[GATEWAYS] = [each.packed for each in gateways]
        return found

    def _meet_witnesses(self) -> None:
        for port, asker in self.askers.items():
            self._introduce(port, asker)
        told = []
        for port in self.settings.mine:
            link = self.links.get(port)
            if link is not None and (addresses := own(self._netlink, link.index).addresses):
                told.append(f"{port}={','.join(each.ip for each in addresses)}")
        self.attributes.want([(ADDRESSES, " ".join(told) or "none")], private=True)

    def _look_around(self) -> None:
        """Ask the others for the addresses of their ports, and whether the cluster still knows ours."""

        def then(said: dict[str, str]) -> None:
            if self.settings.node not in said:
                self.attributes.forget()
            self.peers = {
                peer: _by_subnet(self.settings.ports.get(peer, {}), text)
                for peer, text in said.items()
                if peer != self.settings.node
            }
            self._meet_witnesses()
            missing = set(self.settings.ports) - set(said)
            self.loop.after(CATCHING_UP if missing else LOOKING, self._look_around)

        self.attributes.ask(ADDRESSES, then)

    def _listeners(self) -> frozenset[str]:
        """Return the ports by which routers are told of host routes, where any are declared.

        A BIRD that does not answer at once is busy, until its agent says that it is not.
        """
        if not self.settings.routed:
            return frozenset()
        told = bird.told(LISTENING / 4)
        return self._told if told is None else frozenset(told)

    def _hear_routers(self) -> None:
        """Follow routers that begin or cease to listen."""
        told = self._listeners()
        if told != self._told:
            self._told = told
            log(f"routers are told of host routes by {' '.join(sorted(told)) or 'no port'}")
            self._reflex()
            self._tell_worth()
        self.loop.after(LISTENING, self._hear_routers)

    def _tick(self) -> None:
        """Ask on every port, and judge those on which nobody answers."""
        self._judge()
        moment = now()
        for each in self.askers.values():
            each.ask(moment)
        due = min((each.due for each in self.askers.values()), default=moment + EVERY)
        self.loop.after(max(0.0, due - now()), self._tick)

    def _follow_members(self) -> None:
        self._membership = Membership(self.loop, self._nudge, log)

    def _nudge(self, number: int) -> None:
        """Give Pacemaker a reason to ask for the CIB once more after a node's loss.

        It asks as soon as it hears of the loss, and sleeps for a second if the
        answer overtakes its own updates about the lost node, as it usually does
        (`docs/decisions/0034-a-second-of-sleep.md`). An attribute that changes
        just then makes it ask again, behind them.
        """
        self.loop.after(NUDGE, lambda: self.attributes.want([(MEMBERSHIP, str(number))]))

    # what it decides

    def _judge(self) -> None:
        moment = now()
        records = {
            port: judge.observed(self.records[port], works, moment) for port, works in self._look(moment)
        }
        if records != self.records:
            self.records = records
            self._act()

    def _look(self, moment: float) -> Sequence[tuple[str, bool | None]]:
        """Say of every port whether it works now."""
        for port in self.settings.mine:
            link, asker = self.links.get(port), self.askers.get(port)
            carrier = link is not None and link.carrier
            if asker is not None and (not carrier or link is None or link.index != asker.link.index):
                self._unplug(port)
            if carrier and link is not None and port not in self.askers:
                self._plug(port, link)
        return [(port, self._works(port, moment)) for port in self.settings.mine]

    def _works(self, port: str, moment: float) -> bool | None:
        asker = self.askers.get(port)
        if asker is None:
            return False
        subnet = self.settings.mine[port]
        others = [
            each.heard
            for name, each in self.askers.items()
            if name != port and self.settings.mine[name] == subnet
        ]
        silent = hearing.is_silent(asker.heard, others, asker.witnesses, moment)
        return None if silent is None else not silent

    # what it does

    def _act(self) -> None:
        good = frozenset(port for port, record in self.records.items() if record.good)
        if good != self._good:
            gone = sorted(set(self.records) & (self._good or frozenset()) - good)
            self._good = good
            self._reflex()
            for port in gone:
                log(f"{port} is {self._state(port)}; good ports: {' '.join(sorted(good)) or 'none'}")
        self._write()
        self.attributes.want(self.storage.attributes)
        if self.storage.lost:
            self.emptying.look()
        self._tell_worth()
        self._tell_states()

    def _tell_worth(self) -> None:
        if self.storage.is_known:
            for name, value in judge.attributes(self.records, self.settings.mine, self._routed()):
                self.attributes.want([(name, value)], urgent=judge.is_urgent(name, value))

    def _routed(self) -> frozenset[str]:
        """Return the subnets whose addresses can be announced by host route now."""
        mine = self.settings.mine
        by = {mine[port] for port, record in self.records.items() if record.good and port in self._told}
        return frozenset(subnet for subnet, vias in self.settings.routed.items() if by & set(vias))

    def _connected(self) -> list[str]:
        """Return the ports that have a carrier: what the others could carry is nothing."""
        return [
            port for port in self.settings.mine if (link := self.links.get(port)) is not None and link.carrier
        ]

    def _state(self, port: str) -> str:
        link = self.links.get(port)
        return judge.state(self.records[port], link is not None and link.carrier, now())

    def _reflex(self) -> None:
        """Announce on good ports what is announced on bad ones here."""
        good = self._good or frozenset()
        bad = {port for port, record in self.records.items() if record.good is False}
        busy = False
        for server in _servers():
            for subnet in announce.recorded(server):
                try:
                    port = announce.move(server, subnet, _choice(good, bad), self.loop.repeat, self._told)
                except BlockingIOError:
                    busy = True
                except (OSError, Failure) as problem:
                    log(f"{server} cannot be announced on another port of {subnet} now: {problem}")
                else:
                    if port is not None:
                        log(f"{server} is announced on {port} now")
        if busy:
            self.loop.after(RETRY, self._reflex)
        self._tell_announced()

    def _count(self) -> None:
        self._tell_announced()
        there = {port: link.index for port, link in self.links.items() if port in self.settings.mine}
        try:
            self.balancing.measure(there, self.announced)
        except OSError as problem:  # a port that has just gone
            log(f"traffic cannot be measured now: {problem.strerror}")
        else:
            self.attributes.want([(TRAFFIC, self.balancing.told(there) or "none")], private=True)
        self.loop.after(COUNTING, self._count)

    def _tell_announced(self) -> None:
        """Say which port announces what: `vs1/lan-a=e0b`."""
        self.announced = self._announcements()
        clients.hurry(self._hurried, self.announced)
        self._hurried = self.announced
        self._note_announced()
        told = [f"{name}={each.port}" for name, each in self.announced.items()]
        self.attributes.want([(ANNOUNCED, " ".join(told) or "none")], private=True)

    def _note_announced(self) -> None:
        for name in {**self.diary.known("address"), **self.diary.known("route"), **self.announced}:
            now_here = self.announced.get(name)
            for kind, routed in (("address", False), ("route", True)):
                on = now_here.port if now_here and now_here.routed is routed else "-"
                if on != "-" or name in self.diary.known(kind):
                    self._note(kind, name, on, now_here.since if now_here else None)
        self._tell_events()

    def _note(self, kind: str, about: str, state: str, when: float | None = None) -> None:
        self.diary.note(kind, about, state, time.time() if when is None else when)

    def _tell_events(self) -> None:
        self.attributes.want([(EVENTS, self.diary.told)], private=True)

    def _announcements(self) -> dict[str, Announcement]:
        """Look what is announced on a port of this node, by `vs1/lan-a`."""
        answering = rtnetlink.proxies(self._netlink)
        names = {link.index: link.name for link in self.links.values()}
        found = {}
        self._recorded = {server: announce.written(server) for server in _servers()}
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

    def _even_out(self) -> None:
        """Spread what is announced here over good ports, where the cluster file says so."""
        wanted = self.settings.balance
        if wanted is not None and self._good:
            good = {port: subnet for port, subnet in self.settings.mine.items() if port in self._good}
            mine = self.settings.mine
            direct = {
                name: each
                for name, each in self.announced.items()
                if mine.get(each.port) == name.partition("/")[2]
            }
            for move in self.balancing.moves(direct, good, wanted.tolerance):
                self.balancing.carry_out(self.settings.node, move)
        self.loop.after(wanted.every if wanted else UNASKED, self._even_out)

    def _weigh(self) -> None:
        """Ask servers to leave that are badly off here, and see that those that have come are announced."""
        if {server: announce.written(server) for server in _servers()} != self._recorded:
            self._tell_announced()
        self.detours.follow(name for name, each in self.announced.items() if each.routed)
        if worths := self._worths():
            before = self.evictions.state()
            self.evictions.weigh(self.settings.node, self.settings.servers, worths)
            if self.evictions.state() != before:
                self._write()
            good = [subnet for subnet, worth in worths.items() if worth == judge.DIRECTLY]
            for announcer in self.arrivals.silent(_here(), good, now()):
                self._try_again(announcer)
        self.loop.after(WEIGHING, self._weigh)

    def _try_again(self, announcer: str) -> None:
        """Let the cluster forget that an announcer failed here, if it did."""

        def counted(status: int, words: str) -> None:
            if status == 0 and words != "0":
                log(f"{announcer} has failed here, and its server is here now: it is to be tried again")
                commands.start(self.loop, arrivals.forget(announcer, self.settings.node), forgotten)

        def forgotten(status: int, words: str) -> None:
            if status != 0:
                log(f"{announcer} is not tried again: {words}")

        commands.start(self.loop, arrivals.count(announcer, self.settings.node), counted)

    def _say_evicted(self, server: str, leaves: bool) -> None:
        self._note("server", server, "leave" if leaves else "stay")
        log(
            f"{server} has lost a subnet here, and nobody routes to it, or has for too long: it should leave"
            if leaves
            else f"{server} need not leave, or stay away, any more"
        )

    def _write(self) -> None:
        """Write down which ports may be used, and what a restarted daemon has to know."""
        known = {port: record for port, record in self.records.items() if record.good is not None}
        text = "".join(f"{port} {int(bool(record.good))}\n" for port, record in known.items())
        if text != self._written:
            node.write_lines(resident.PORTS, text.splitlines())
            self._written = text
        node.write_lines(resident.SILENT, self.storage.silent)
        node.write_lines(resident.STATE, [json.dumps(self.report(), indent=1)])

    def _tell_states(self) -> None:
        states = {port: self._state(port) for port in self.records}
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
            ago = 0.0 if state == judge.GOOD else now() - self.records[port].since
            if state != judge.UNKNOWN:
                self._note("port", port, state, time.time() - ago)
        for subnet, worth in self._worths().items():
            self._note("subnet", subnet, SUBNETS[worth])
        self._tell_events()

    def _worths(self) -> dict[str, int]:
        """Return what each subnet of this node is worth; nothing before all ports were observed."""
        if any(record.good is None for record in self.records.values()):
            return {}
        return judge.worths(self.records, self.settings.mine, self._routed())

    def report(self) -> dict[str, object]:
        """Return everything an operator may want to know, as in `docs/contracts.md`."""
        moment = now()
        return {
            "node": self.settings.node,
            "now": moment,
            "ports": {
                port: {
                    "subnet": self.settings.mine[port],
                    "state": self._state(port),
                    "works": record.works,
                    "good": record.good,
                    "since": record.since,
                    "losses": list(record.losses),
                    "usable_at": judge.usable_at(record, moment)
                    if record.works and not record.good
                    else None,
                    "witnesses": sorted(self.askers[port].witnesses) if port in self.askers else [],
                    "heard": {
                        host: round(moment - at, 3) for host, at in self.askers[port].heard.answers.items()
                    }
                    if port in self.askers
                    else {},
                }
                for port, record in self.records.items()
            },
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
            _here(),
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
                if each in self.records:
                    self._release(each)
                if each in self.storage.units:
                    self._release_unit(each)
            if self.settings.node in said:
                self.attributes.drop(RELEASE)

        if self.storage.waiting or any(record.works and not record.good for record in self.records.values()):
            self.attributes.ask(RELEASE, then)
        self.loop.after(HEEDING, self._heed_releases)

    def _release(self, port: str) -> None:
        if self.records[port].works and not self.records[port].good:
            log(f"an operator says that {port} is all right")
            self._note("port", port, "released")
        self.records = {**self.records, port: judge.released(self.records[port])}
        self._act()

    def _release_unit(self, unit: str) -> None:
        if unit in self.storage.waiting:
            log(f"an operator says that storage {unit} is all right")
            self._note("storage", unit, endings.RELEASED)
            self.storage.release(unit)

    # what it is told

    def _listen(self) -> None:
        if os.path.exists(resident.SOCKET):
            os.unlink(resident.SOCKET)
        self._door = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
        before = os.umask(0o177)
        self._door.bind(resident.SOCKET)
        os.umask(before)
        self._door.listen(16)
        self.loop.watch(self._door.fileno(), self._answer)

    def _answer(self) -> None:
        try:
            line, _ = self._door.accept()
        except BlockingIOError:
            return
        with line:
            line.settimeout(0.2)
            try:
                _, user, _ = unpack("=iII", line.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))
                if user == 0:
                    line.sendall(f"{self.obey(line.recv(4096).decode().split())}\n".encode())
            except OSError:
                return

    def obey(self, words: Sequence[str]) -> str:
        """Do what is asked for and say what became of it."""
        match words:
            case ["ping"]:
                return "here"
            case ["state"]:
                return json.dumps(self.report())
            case ["reload"]:
                self.settings = _read_settings()
                self._read_links()
                self._configure()
                self._act()
                return "done"
            case ["release", port] if port in self.records:
                self._release(port)
                return f"{port} is {self._state(port)}"
            case ["release", unit] if unit in self.storage.units:
                self._release_unit(unit)
                return f"storage {unit} is {self.storage.units[unit].state}"
            case ["note", "balancer", about, state]:
                self.diary.write("balancer", about, state, time.time())
                self._tell_events()
                return "done"
            case ["release", port]:
                return f"this node has no port {port}, only {' '.join(self.records)}"
            case _:
                return "say ping, state, reload, release PORT or release UNIT"


def _reader(asker: Asker, wire: _socket.socket) -> Callable[[], None]:
    return lambda: asker.read(wire, now())


def _choice(good: Collection[str], bad: Collection[str]) -> announce.Choose:
    return lambda ports, announced: judge.next_port(ports, announced, good, bad)


def _servers() -> list[str]:
    try:
        return sorted(each for each in os.listdir(paths.RUN) if not each.startswith("_"))
    except FileNotFoundError:
        return []


def _here() -> list[str]:
    """Return the servers that are on this node; others are only announced here."""
    return [each for each in _servers() if os.path.exists(paths.namespace(each))]


def _by_subnet(ports: Mapping[str, str], text: str) -> dict[str, list[bytes]]:
    """Return a peer's addresses on each subnet, from its ports and what it says of them."""
    found: dict[str, list[bytes]] = {}
    for each in text.split():
        port, _, addresses = each.partition("=")
        if port in ports and addresses:
            found.setdefault(ports[port], []).extend(parse(ip).packed for ip in addresses.split(","))
    return found


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
