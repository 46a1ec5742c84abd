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
from _socket import AF_UNIX, SO_PEERCRED, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET
from _struct import unpack
from collections.abc import Callable, Collection, Mapping, Sequence
from socket import socket

from vsctl.agents import announce, bird, hostroute, node, paths, resident, rtnetlink
from vsctl.agents.addresses import parse
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import hearing, judge, settings
from vsctl.agents.noded.asking import EVERY, GATEWAYS, Asker, own
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.judge import Record
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.ocf import Failure, log
from vsctl.agents.rtnetlink import Link

ADDRESSES = "ports-addresses"
STATES = "ports-states"
ANNOUNCED = "ports-announced"

CATCHING_UP = 15.0
"""Seconds until the others are asked for their addresses again while one has not told them."""
LOOKING = 60.0
"""Seconds between two looks at what the others, and the cluster of this node, say."""
COUNTING = 10.0
"""Seconds between two looks at what is announced where; only `vsctl status` wants to know."""
LISTENING = 1.0
"""Seconds between two looks at which routers are told of host routes, and how long BIRD may take to say."""
RETRY = 0.1
"""Seconds until the reflex tries again what an agent is just busy with."""


class Daemon:
    """The daemon of one node. `run` returns when it is told to end."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.attributes = Attributes(self.loop, log)
        self.settings = _read_settings()
        self.links: dict[str, Link] = {}
        self.askers: dict[str, Asker] = {}
        self.records: dict[str, Record] = _remembered()
        self.peers: dict[str, dict[str, list[bytes]]] = {}
        self._good: frozenset[str] | None = None
        self._told: frozenset[str] = frozenset()
        self._written = ""
        self._netlink = Netlink()

    def run(self) -> None:
        """Live until SIGTERM."""
        self._heed_signals()
        self._listen()
        self._follow_links()
        self._told = self._listeners()
        self._configure()
        node.write_lines(resident.PROCESS, [f"{os.getpid()} {resident.born(os.getpid())}"])
        self._hear_routers()
        self._tick()
        self._look_around()
        self._count()
        self.loop.run()
        for each in (resident.SOCKET, resident.PROCESS):
            os.unlink(each)

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
        """Return the ports by which routers are told of host routes, where any are declared."""
        return frozenset(bird.told(LISTENING / 4)) if self.settings.routed else frozenset()

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
        self._tell_worth()
        self._tell_states()

    def _tell_worth(self) -> None:
        self.attributes.want(judge.attributes(self.records, self.settings.mine, self._routed()))

    def _routed(self) -> frozenset[str]:
        """Return the subnets whose addresses can be announced by host route now."""
        mine = self.settings.mine
        by = {mine[port] for port, record in self.records.items() if record.good and port in self._told}
        return frozenset(subnet for subnet, vias in self.settings.routed.items() if by & set(vias))

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
        self.loop.after(COUNTING, self._count)

    def _tell_announced(self) -> None:
        """Say which port announces what: `vs1/lan-a=e0b`."""
        answering = rtnetlink.proxies(self._netlink)
        names = {link.index: link.name for link in self.links.values()}
        told = []
        for server in _servers():
            for subnet in announce.recorded(server):
                record = announce.Record(server, subnet)
                addresses = [parse(each) for each in record.addresses]
                ours = {each.packed for each in addresses}
                on = {names.get(index) for index, packed in answering if packed in ours}
                by = hostroute.port_of(self._netlink, server, subnet, addresses) if record.vias else None
                told += [f"{server}/{subnet}={port}" for port in record.ports if port in on]
                told += [f"{server}/{subnet}={by}"] if by else []
        self.attributes.want([(ANNOUNCED, " ".join(told) or "none")], private=True)

    def _write(self) -> None:
        """Write down which ports may be used, and what a restarted daemon has to know."""
        known = {port: record for port, record in self.records.items() if record.good is not None}
        text = "".join(f"{port} {int(bool(record.good))}\n" for port, record in known.items())
        if text != self._written:
            node.write_lines(resident.PORTS, text.splitlines())
            self._written = text
        node.write_lines(resident.STATE, [json.dumps(self.report(), indent=1)])

    def _tell_states(self) -> None:
        states = " ".join(f"{port}={self._state(port)}" for port in self.records)
        self.attributes.want([(STATES, states or "none")], private=True)

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
            "attributes": self.attributes.published,
        }

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
                self.records = {**self.records, port: judge.released(self.records[port])}
                self._act()
                return f"{port} is {self._state(port)}"
            case ["release", port]:
                return f"this node has no port {port}, only {' '.join(self.records)}"
            case _:
                return "say ping, state, reload or release PORT"


def _reader(asker: Asker, wire: _socket.socket) -> Callable[[], None]:
    return lambda: asker.read(wire, now())


def _choice(good: Collection[str], bad: Collection[str]) -> announce.Choose:
    return lambda ports, announced: judge.next_port(ports, announced, good, bad)


def _servers() -> list[str]:
    try:
        return sorted(each for each in os.listdir(paths.RUN) if not each.startswith("_"))
    except FileNotFoundError:
        return []


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


def _remembered() -> dict[str, Record]:
    """Return what the daemon before this one knew of the ports."""
    try:
        with open(resident.STATE) as file:
            said = json.load(file)
        return {
            port: Record(each["works"], each["since"], tuple(each["losses"]), each["good"])
            for port, each in said["ports"].items()
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def main() -> None:
    Daemon().run()
