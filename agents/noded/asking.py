"""Who answers on a port?

Each port asks its witnesses: the one that answered last five times a second, and
all of them, more often, when it does not, and now and then in any
case, to know who is there. A witness with an IPv4 address is asked by ARP, one
without by neighbour solicitation.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vsctl.agents import rtnetlink
from vsctl.agents.addresses import Address
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import wire
from vsctl.agents.noded.hearing import Heard, is_quiet
from vsctl.agents.rtnetlink import Link

EVERY = 0.2
"""Seconds from one question to the next."""
PATIENCE = 0.3
"""Seconds without an answer until everybody is asked,"""
OFTEN = 0.1
"""this often,"""
SURE = 1.0
"""until nobody has answered for so long; then as often as before,"""
SLOW = 10.0
"""and after so many seconds this seldom:"""
SELDOM = 1.0
CENSUS = 20
"""After so many questions everybody is asked anyway."""

GATEWAYS = "gateways"
"""The witness that all gateways of a subnet are together: they may be one machine, or two by turns."""


@dataclass(frozen=True)
class Own:
    """A port's own addresses: those of the subnet, and the one of its link."""

    addresses: tuple[Address, ...] = ()
    local: bytes | None = None

    def source(self, target: bytes) -> bytes | None:
        if len(target) == 16:
            return self.local
        return next((each.packed for each in self.addresses if _near(each, target)), None)


def own(netlink: Netlink, index: int) -> Own:
    found = rtnetlink.addresses(netlink, index)
    families = {4: AF_INET, 16: AF_INET6}
    return Own(
        tuple(Address(families[len(packed)], packed, prefix) for packed, prefix in found.items()),
        rtnetlink.link_local(netlink, index),
    )


def _near(address: Address, target: bytes) -> bool:
    return Address(address.family, target, address.prefix).network == address.network


class Asker:
    """One port with a carrier, and what is heard on it."""

    def __init__(self, link: Link, begin: float) -> None:
        self.link = link
        self.own = Own()
        self.heard = Heard(begin)
        self.due = begin
        self._witnesses: dict[bytes, str] = {}
        self._sockets: dict[int, socket] = {}
        self._places: dict[bytes, bytes] = {}
        self._favourite: bytes | None = None
        self._round = 0

    @property
    def witnesses(self) -> frozenset[str]:
        return frozenset(self._witnesses.values())

    def listen(self, hosts: Mapping[str, Iterable[bytes]]) -> list[socket]:
        """Ask these hosts from now on; return the new sockets that answers come to."""
        self._witnesses = {}
        for host, addresses in hosts.items():
            four = [each for each in addresses if len(each) == 4]
            self._witnesses.update(dict.fromkeys(four or addresses, host))
        if self._favourite not in self._witnesses:
            self._favourite = None
        opened = []
        for kind in sorted({_kind(each) for each in self._witnesses} - set(self._sockets)):
            self._sockets[kind] = wire.listen(self.link.name, kind)
            opened.append(self._sockets[kind])
        return opened

    @property
    def descriptors(self) -> list[int]:
        return [each.fileno() for each in self._sockets.values()]

    def close(self) -> None:
        for each in self._sockets.values():
            each.close()
        self._sockets = {}

    def ask(self, now: float) -> None:
        """Send what is due now, and know when the next question is."""
        if now < self.due:
            return
        self._round += 1
        quiet = is_quiet(self.heard, now, PATIENCE)
        self.due = now + (_pause(now - (self.heard.last or self.heard.since)) if quiet else EVERY)
        if self._favourite and not quiet and self._round % CENSUS:
            self._send([self._favourite], broadcast=False)
        elif self._send(self._witnesses, broadcast=quiet) and quiet:
            self.heard = self.heard.asked_all()

    def _send(self, targets: Iterable[bytes], *, broadcast: bool) -> bool:
        try:
            for target in targets:
                # Some hosts answer only who has an address, others only who claims none (strict rp_filter).
                nameless = broadcast and self._round % 2 == 0 and len(target) == 4
                frame = wire.question(
                    AF_INET if len(target) == 4 else AF_INET6,
                    target,
                    self.link.hardware,
                    None if nameless else self.own.source(target),
                    None if broadcast else self._places.get(target),
                )
                if frame:
                    self._sockets[_kind(target)].send(frame)
        except OSError:  # it went down this moment, which netlink says too
            return False
        return True

    def read(self, wire_socket: socket, now: float) -> None:
        """Take in the answers that have come to a socket."""
        while True:
            try:
                frame = wire_socket.recv(2048)
            except OSError:  # nothing more, or the port went down
                return
            found = wire.answer(frame)
            if found and found[0] in self._witnesses:
                address, place = found
                self._places[address] = place
                self._favourite = address
                self.heard = self.heard.answered(self._witnesses[address], now)


def _pause(unanswered: float) -> float:
    if unanswered < SURE:
        return OFTEN
    return EVERY if unanswered < SLOW else SELDOM


def _kind(target: bytes) -> int:
    return wire.ARP if len(target) == 4 else wire.IPV6
