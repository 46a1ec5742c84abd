"""How are the ports of this node?

The kernel says which have a carrier, by its events; witnesses on the other side
of each, who are asked by `asking`, what is behind them. `hearing` and `judge`
decide; here is what they decide upon, and who is told when the verdicts change.
"""

from __future__ import annotations

import _socket
from collections.abc import Callable, Mapping

from vsctl.agents import rtnetlink
from vsctl.agents.addresses import parse
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import hearing, judge
from vsctl.agents.noded.asking import EVERY, GATEWAYS, Asker, own
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.judge import Record
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.noded.settings import Settings
from vsctl.agents.ocf import log
from vsctl.agents.rtnetlink import Link

ADDRESSES = "ports-addresses"

CATCHING_UP = 15.0
"""Seconds until the others are asked for their addresses again while one has not told them."""
LOOKING = 60.0
"""Seconds between two looks at what the others, and the cluster of this node, say."""


class Watching:
    """What is heard on the ports of this node, and the record of each; `changed` is called when a record has."""

    def __init__(
        self,
        loop: Loop,
        attributes: Attributes,
        netlink: Netlink,
        known: Callable[[], Settings],
        changed: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._attributes = attributes
        self._netlink = netlink
        self._known = known
        self._changed = changed
        self._askers: dict[str, Asker] = {}
        self._peers: dict[str, dict[str, list[bytes]]] = {}
        self.links: dict[str, Link] = {}
        self.records: dict[str, Record] = {}

    # what is heard

    def follow(self) -> None:
        """Hear of carriers from now on."""
        self._events = rtnetlink.link_events()
        self._loop.watch(self._events.fileno(), self._read_events)
        self.read_links()

    def read_links(self) -> None:
        self.links = {each.name: each for each in rtnetlink.links(self._netlink)}

    def adopt(self) -> None:
        """Know the ports that the settings name, and no others; what was known of them is still known."""
        mine = self._mine
        self.records = {port: self.records.get(port, Record()) for port in mine}
        for port in [each for each in self._askers if each not in mine]:
            self._unplug(port)

    def begin(self) -> None:
        """Judge the ports that are known, and ask who should answer on them."""
        self._judge()
        self._meet_witnesses()

    def ask(self) -> None:
        """Ask on every port, judge those on which nobody answers, and again when the next is due."""
        self._judge()
        moment = now()
        for each in self._askers.values():
            each.ask(moment)
        due = min((each.due for each in self._askers.values()), default=moment + EVERY)
        self._loop.after(max(0.0, due - now()), self.ask)

    def look_around(self) -> None:
        """Ask the others for the addresses of their ports, and whether the cluster still knows ours."""

        def then(said: dict[str, str]) -> None:
            known = self._known()
            if known.node not in said:
                self._attributes.forget()
            self._peers = {
                peer: _by_subnet(known.ports.get(peer, {}), text)
                for peer, text in said.items()
                if peer != known.node
            }
            self._meet_witnesses()
            missing = set(known.ports) - set(said)
            self._loop.after(CATCHING_UP if missing else LOOKING, self.look_around)

        self._attributes.ask(ADDRESSES, then)

    # what is decided

    @property
    def good(self) -> frozenset[str]:
        return frozenset(port for port, record in self.records.items() if record.good)

    @property
    def bad(self) -> frozenset[str]:
        return frozenset(port for port, record in self.records.items() if record.good is False)

    @property
    def connected(self) -> list[str]:
        """The ports that have a carrier: what the others could carry is nothing."""
        return [port for port in self._mine if self._has_carrier(port)]

    @property
    def indexes(self) -> dict[str, int]:
        """The kernel's numbers of those of our ports that are there."""
        return {port: link.index for port, link in self.links.items() if port in self._mine}

    def is_observed(self) -> bool:
        """Say whether something was heard of all ports since the node has booted."""
        return all(record.good is not None for record in self.records.values())

    def state(self, port: str) -> str:
        """Say in a word how a port is."""
        return judge.state(self.records[port], self._has_carrier(port), now())

    def release(self, port: str) -> None:
        """Forget what a port has done: an operator says that it is all right."""
        self.records = {**self.records, port: judge.released(self.records[port])}

    def report(self) -> dict[str, object]:
        """Return what is known of every port, as in `docs/contracts.md`."""
        moment = now()
        return {port: self._report(port, record, moment) for port, record in self.records.items()}

    def _report(self, port: str, record: Record, moment: float) -> dict[str, object]:
        asker = self._askers.get(port)
        waits = record.works and not record.good
        return {
            "subnet": self._mine[port],
            "state": self.state(port),
            "works": record.works,
            "good": record.good,
            "since": record.since,
            "losses": list(record.losses),
            "usable_at": judge.usable_at(record, moment) if waits else None,
            "witnesses": sorted(asker.witnesses) if asker else [],
            "heard": {host: round(moment - at, 3) for host, at in asker.heard.answers.items()}
            if asker
            else {},
        }

    def _judge(self) -> None:
        moment = now()
        self._see_plugs()
        records = {
            port: judge.observed(self.records[port], self._works(port, moment), moment) for port in self._mine
        }
        if records != self.records:
            self.records = records
            self._changed()

    def _works(self, port: str, moment: float) -> bool | None:
        """Say whether a port works now, None where that cannot be told yet."""
        asker = self._askers.get(port)
        if asker is None:
            return False
        subnet = self._mine[port]
        others = [
            each.heard for name, each in self._askers.items() if name != port and self._mine[name] == subnet
        ]
        silent = hearing.is_silent(asker.heard, others, asker.witnesses, moment)
        return None if silent is None else not silent

    # what is plugged in, and whom it meets there

    @property
    def _mine(self) -> Mapping[str, str]:
        return self._known().mine

    def _has_carrier(self, port: str) -> bool:
        link = self.links.get(port)
        return link is not None and link.carrier

    def _read_events(self) -> None:
        concerned = False
        try:
            for kind, body in self._events.read():
                change = rtnetlink.changed_link(kind, body)
                if change is None or change[0].name not in self._mine:
                    continue
                link, there = change
                concerned = True
                if there:
                    self.links[link.name] = link
                else:
                    self.links.pop(link.name, None)
        except OSError:  # more happened than the kernel could keep for us
            self.read_links()
            concerned = True
        if concerned:
            self._judge()

    def _see_plugs(self) -> None:
        """Ask on ports that have a carrier, and on no others."""
        for port in self._mine:
            link, asker = self.links.get(port), self._askers.get(port)
            carrier = link is not None and link.carrier
            if asker is not None and (not carrier or link is None or link.index != asker.link.index):
                self._unplug(port)
            if carrier and link is not None and port not in self._askers:
                asker = self._askers[port] = Asker(link, now())
                self._introduce(port, asker)

    def _unplug(self, port: str) -> None:
        asker = self._askers.pop(port)
        for each in asker.descriptors:
            self._loop.unwatch(each)
        asker.close()

    def _meet_witnesses(self) -> None:
        for port, asker in self._askers.items():
            self._introduce(port, asker)
        told = []
        for port in self._mine:
            link = self.links.get(port)
            if link is not None and (addresses := own(self._netlink, link.index).addresses):
                told.append(f"{port}={','.join(each.ip for each in addresses)}")
        self._attributes.want([(ADDRESSES, " ".join(told) or "none")], private=True)

    def _introduce(self, port: str, asker: Asker) -> None:
        asker.own = own(self._netlink, asker.link.index)
        try:
            opened = asker.listen(self._witnesses(self._mine[port]))
        except OSError as problem:
            log(f"{port} cannot be listened to, its carrier alone counts: {problem.strerror}")
            return
        for each in opened:
            self._loop.watch(each.fileno(), _reader(asker, each))

    def _witnesses(self, subnet: str) -> dict[str, list[bytes]]:
        """Return who may be asked on a subnet, with the addresses of each."""
        found = {peer: ports[subnet] for peer, ports in self._peers.items() if ports.get(subnet)}
        if gateways := self._known().gateways.get(subnet):
            found[GATEWAYS] = [each.packed for each in gateways]
        return found


def _reader(asker: Asker, wire: _socket.socket) -> Callable[[], None]:
    return lambda: asker.read(wire, now())


def _by_subnet(ports: Mapping[str, str], text: str) -> dict[str, list[bytes]]:
    """Return a peer's addresses on each subnet, from its ports and what it says of them."""
    found: dict[str, list[bytes]] = {}
    for each in text.split():
        port, _, addresses = each.partition("=")
        if port in ports and addresses:
            found.setdefault(ports[port], []).extend(parse(ip).packed for ip in addresses.split(","))
    return found
