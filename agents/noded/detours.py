"""By which way do a server and the peer that announces it reach each other?

Agents look every ten seconds, and believe what was answered in the last half
minute. Here both sides look once a second while there is a route, ask again every
three, the kernel's way, and take another port as soon as nobody answers on the
one they use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

from vsctl.agents import announce, nudge, paths, reroute
from vsctl.agents.addresses import Address, parse
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded.loop import now
from vsctl.agents.ocf import log

ASKING = 3.0
"""Seconds after which who has answered is asked again."""


class Detours:
    """What answered where when each route was looked at last."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._ways: dict[tuple[str, str, bool], str] = {}
        self._asked: dict[tuple[str, str, bool], float] = {}
        self._peers: dict[tuple[str, str], bytes] = {}

    def is_routed(self, server: str, subnet: str) -> bool:
        """Say whether a peer routes to a server that is here, and let it answer by the port on which it does.

        When another one does than before, or the same one after nobody did, what has waited for it is sent again.
        """
        record = announce.Record(server, subnet, announce.DETOUR)
        detour = reroute.Detour(subnet, _addresses(record), record.ports)
        found = reroute.port_to_peer(self._netlink, server, detour, self._asks(server, subnet, True))
        if found is None:
            self._peers.pop((server, subnet), None)
            return False
        way, peer = found
        self._take(server, subnet, True, way, partial(reroute.answer_by, server, detour))
        if self._peers.get((server, subnet)) != peer:
            self._peers[server, subnet] = peer
            nudge.nudge(server, [each.packed for each in detour.addresses])
        return True

    def follow(self, routed: Iterable[str]) -> None:
        """Look where the servers are that this node routes to, `vs1/lan-a`, and route there."""
        for name in routed:
            server, _, subnet = name.partition("/")
            record = announce.Record(server, subnet)
            addresses = _addresses(record)
            again = self._asks(server, subnet, False)
            try:
                found = reroute.port_to_server(self._netlink, addresses, record.inward, again)
            except OSError:  # a port has just gone
                continue
            if found is not None and not os.path.exists(paths.namespace(server)):
                self._take(server, subnet, False, found[0], partial(reroute.route_by, server, subnet))

    def _asks(self, server: str, subnet: str, home: bool) -> bool:
        """Say whether it is time to ask again who has answered."""
        key, moment = (server, subnet, home), now()
        if moment - self._asked.get(key, -ASKING) < ASKING:
            return False
        self._asked[key] = moment
        return True

    def _take(self, server: str, subnet: str, home: bool, way: str, take: Callable[[str], None]) -> None:
        key = server, subnet, home
        if way == self._ways.get(key):
            return
        try:
            take(way)
        except BlockingIOError:  # an agent announces or withdraws this moment
            return
        except OSError as problem:  # the port went this moment
            log(f"{server} is not reached by {way}: {problem.strerror}")
            return
        if key in self._ways:
            log(f"{server} and its peer for {subnet} reach each other by {way} now")
        self._ways[key] = way


def _addresses(record: announce.Record) -> list[Address]:
    return [parse(each) for each in record.addresses]
