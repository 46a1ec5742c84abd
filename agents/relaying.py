"""How do clients reach the NFS server while one of its exports is waited for?

By way of this process, which stands between them and Ganesha in the network
namespace of the virtual server and translates what it says of the export
(`translation`). The packet filter brings the connections (tproxy); to either
side it looks as if the other were there: to clients it has the server's
address, to Ganesha the client's with its port, which the list of who may use
an export and the memory of repeated calls go by. Ganesha is called at addresses
that only this namespace knows, so that these are connections of their own: one
for each of the server's addresses, as a client may use one port to several. Not
so for locks by NLM: whose they are Ganesha knows by the server's address as
well, and by no port. For these it is called at that address, from a port of
our own.

It ends when it is told to, or when nobody is sent here any more and the last
client has gone.
"""

from __future__ import annotations

import errno
import itertools
import os
import resource
import select
import socket
import sys
import time

from vsctl.agents import connections, files, names, namespaces, ports, relay, resident, rtnetlink, sysctls
from vsctl.agents.netlink import Netlink
from vsctl.agents.translation import Translator, Waited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75
FAMILIES: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
CHUNK = 1 << 18
MOST = 4096
"""Ends that there may be, two for each connection: who comes then is sent away."""
FULL = 1 << 20
"""So many bytes may wait for one end; until they are fewer nothing is read from the other."""
LOCAL = 255
"""The routing table of what is delivered here."""
LOOK_EVERY = 1.0
"""Seconds between looks whether it is still needed, and whether calls that are kept can be answered."""
TABLE = names.TABLES
"""The routing table of the server's namespace that brings Ganesha's answers here."""
MARK = names.TABLES
"""What marks our packets, and Ganesha's answers, where only that tells these from what goes to clients."""
ANSWERS_ARE_MARKED = "ipv4/tcp_fwmark_accept"
"""Whether what answers a marked call is marked, also by IPv6 (tcp(7) does not know it: ip-sysctl.rst)."""
REFUSALS_ARE_MARKED = ("ipv4/fwmark_reflect", "ipv6/fwmark_reflect")
"""Whether the reset is that answers a marked call where nobody listens: it would go to the client, and we wait."""
OF_LOCKS = range(5001, 10000)
"""From these ports Ganesha is called for locks. Systems give them to no connection of a client's: it could be one of
the same client to the same address, and nobody could tell the two apart."""
IN, OUT = select.EPOLLIN, select.EPOLLOUT


class End:
    """One end of a client's connection, either the client's or Ganesha's."""

    def __init__(self, line: socket.socket, port: int, translator: Translator, *, asks: bool) -> None:
        self.line = line
        self.port = port
        """The client's, or the one that stands for it."""
        self.translator = translator
        self.asks = asks
        """Whether this is the client's."""
        self.other: End = self
        self.pending = bytearray()
        """What this end is still to get."""
        self.connected = True
        self.watched = 0

    def told(self, data: bytes) -> bytes:
        """Return what the other end gets of what comes from here."""
        if not self.asks:
            return self.translator.answered(data)
        self.translator.asked(data, time.monotonic())
        return data

    @property
    def wanted(self) -> int:
        """Which events matter: what can be read as long as the other end takes it, and room for what is pending."""
        reads = self.connected and self.other.connected and len(self.other.pending) < FULL
        return (IN if reads else 0) | (OUT if self.pending or not self.connected else 0)


class Relay:
    """All connections through here. `waited` is asked at every answer that may have to be another one."""

    def __init__(self, waited: Callable[[float], Waited]) -> None:
        self.waited = waited
        self.within = Within()
        self.poll = select.epoll()
        self.ends: dict[int, End] = {}
        self.parted: list[socket.socket] = []
        self.refused: list[End] = []
        """Clients for which nobody listened."""
        self.of_locks = itertools.cycle(OF_LOCKS)
        self.listeners = {each.fileno(): each for family in FAMILIES for each in _listeners(family)}
        for each in self.listeners:
            self.poll.register(each, IN)

    def turn(self) -> None:
        """Wait for something to do, not for long, and do it."""
        for descriptor, events in self.poll.poll(LOOK_EVERY):
            if descriptor in self.listeners:
                self._accept(self.listeners[descriptor])
            elif end := self.ends.get(descriptor):
                try:
                    self._serve(end, events)
                except OSError:
                    self._part(end)
        for line in self.parted:
            line.close()  # only now: what has happened to its number is of this one
        self.parted.clear()

    def ask_again(self) -> None:
        """Ask the server once more what it has not been able to answer, or has not heard."""
        refused, self.refused = self.refused, []
        for client in refused:
            if self.ends.get(client.line.fileno()) is client:
                self._call(client)
        for end in list(self.ends.values()):
            if end.asks and (calls := end.translator.asked_again(time.monotonic())):
                try:
                    _give(end.other, calls)
                    self._watch(end)
                except OSError:
                    self._part(end)

    def deafen(self) -> None:
        """Listen no more."""
        for each in self.listeners.values():
            each.close()
        self.listeners.clear()

    def _accept(self, listener: socket.socket) -> None:
        try:
            line, there = listener.accept()
        except OSError:
            return None  # it has gone again
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if line.getsockname()[1] not in relay.RELAYED or len(self.ends) >= MOST:
            return line.close()  # the one only asks whether somebody is here
        client = End(line, there[1], Translator(self.waited), asks=True)
        self.ends[line.fileno()] = client
        self.poll.register(line, 0)
        return self._call(client)

    def _call(self, client: End) -> None:
        """Connect a client to Ganesha."""
        try:
            address, port = client.line.getsockname()[:2]
            there = client.line.getpeername()[0]
            family, locks = client.line.family, port == ports.NLOCKMGR
            place = self.within.place(family, address)  # without which nothing of its family is led back
            called_from = self._port_for_locks() if locks else client.port
            # Where that fails the same client's last connection has not ended yet.
            server = End(_bound(family, there, called_from), called_from, client.translator, asks=False)
            client.other, server.other = server, client
            server.connected = False
            self.ends[server.line.fileno()] = server
            self.poll.register(server.line, 0)
            if locks:
                server.line.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
            try:
                _connect(server.line, address if locks else place, port)
            except ConnectionRefusedError:
                return self._call_later(server)
        except OSError:
            return self._part(client)
        return self._watch(client)

    def _call_later(self, server: End) -> None:
        """Leave a client waiting for which nobody listens: Ganesha has died, and who finds that out closes the gate.

        Told that its connection has ended, the client would try again less and less often.
        """
        self._drop(server)
        self.refused.append(server.other)

    def _port_for_locks(self) -> int:
        """Return a port that no client here has, nor stands for one; it is not the last that was free."""
        taken = {each.port for each in self.ends.values()}
        return next(each for each in self.of_locks if each not in taken)

    def _serve(self, end: End, events: int) -> None:
        if not end.connected:
            problem = end.line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem == errno.ECONNREFUSED:
                return self._call_later(end)
            if problem:
                raise OSError(problem, os.strerror(problem))
            end.connected = True
        if not end.other.connected:  # nothing is asked of a client that has to wait: it has gone
            raise ConnectionResetError
        if events & (IN | select.EPOLLHUP | select.EPOLLERR):
            data = end.line.recv(CHUNK)
            if not data:
                raise ConnectionResetError
            _give(end.other, end.told(data))
        if events & OUT:
            _give(end, b"")
        return self._watch(end)

    def _watch(self, end: End) -> None:
        for each in (end, end.other):
            if each.wanted != each.watched:
                each.watched = each.wanted
                self.poll.modify(each.line, each.wanted)

    def _part(self, end: End) -> None:
        """End a connection on both sides; a client connects anew and sends again what was not answered."""
        for each in (end, end.other):
            if self._drop(each):
                try:
                    _give(each, b"")
                except OSError:
                    continue

    def _drop(self, end: End) -> bool:
        """Close an end when this turn is over; say whether it was not closed before."""
        if not self.ends.pop(end.line.fileno(), None):
            return False
        self.poll.unregister(end.line)
        self.parted.append(end.line)
        return True


def _give(end: End, data: bytes) -> None:
    """Send what is pending and this, as far as that goes now."""
    if not end.connected:
        end.pending += data
        return
    if end.pending:
        end.pending += data
        try:
            sent = end.line.send(end.pending)
        except BlockingIOError:
            return
        del end.pending[:sent]
    elif data:
        try:
            sent = end.line.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            end.pending += memoryview(data)[sent:]


def _listeners(family: int) -> Iterator[socket.socket]:
    """Yield what listens for a family, nothing where the kernel has it not."""
    try:
        line = socket.socket(family, socket.SOCK_STREAM)
        line.setblocking(False)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _be_transparent(line)
        line.bind((FAMILIES[family], relay.PORT))
    except OSError as problem:
        if family == socket.AF_INET6 and problem.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return
        raise
    line.listen(512)
    yield line


def _bound(family: int, address: str, port: int) -> socket.socket:
    """Return a socket that is a client's to whoever it calls."""
    line = socket.socket(family, socket.SOCK_STREAM)
    line.setblocking(False)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Nothing waits for a connection that has ended: the same client may be back with the same port at once.
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    _be_transparent(line)
    line.bind((address, port))
    return line


def _connect(line: socket.socket, address: str, port: int) -> None:
    problem = line.connect_ex((address, port))
    if problem != errno.EINPROGRESS:
        raise OSError(problem, os.strerror(problem))


def _be_transparent(line: socket.socket) -> None:
    if line.family == socket.AF_INET:
        line.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
    else:
        line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        line.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)


class Within:
    """Where Ganesha is called for clients of each of the server's addresses: known to this namespace alone."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        for each in (ANSWERS_ARE_MARKED, *REFUSALS_ARE_MARKED):
            if sysctls.get(each) is not None:
                sysctls.put(each, "1")
        _lead_back(socket.AF_INET, connections.within(socket.AF_INET, 1))  # or there can be no relay

    def place(self, family: int, address: str) -> str:
        """Return where it is called for one of the server's addresses; OSError if answers cannot be led back."""
        if address not in self.places:
            packed = connections.within(family, len(self.places) + 1)
            _lead_back(family, packed)
            self.places[address] = socket.inet_ntop(family, packed)
        return self.places[address]


def _lead_back(family: int, packed: bytes) -> None:
    """Have an address be here, and what Ganesha sends from it to clients, or marked, be delivered to sockets here."""
    netlink = Netlink()
    way = rtnetlink.Route(family, rtnetlink.LOOPBACK, table=TABLE, protocol=names.PROTOCOL, local=True)
    rtnetlink.add_route(netlink, way)
    about = "lo", TABLE, names.RULES, names.PROTOCOL
    rtnetlink.add_rule(netlink, rtnetlink.Rule(family, packed, *about))
    rtnetlink.add_rule(netlink, rtnetlink.Rule(family, None, *about, MARK))
    if family == socket.AF_INET6:  # of IPv4 all of 127.0.0.0/8 is
        way.destination, way.prefix, way.table = packed, 8 * len(packed), LOCAL
        rtnetlink.add_route(netlink, way)


def _is_over(server: str, relaying: Relay) -> bool:
    """Say whether nobody is sent here any more and nobody is left; then the next one is free to begin.

    It stops listening before it is forgotten: who finds no relay begins one, on the same port.
    """
    if relaying.ends or relay.waited(server):
        return False
    with relay.locked(server):
        if relay.waited(server):
            return False
        relaying.deafen()
        os.unlink(relay.process_file(server))
    return True


def main() -> None:
    server = sys.argv[1]
    namespaces.enter(server)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    relaying = Relay(lambda moment: Waited(relay.waited_after(server, moment), relay.holds_reclaims(server)))
    files.replace(relay.process_file(server), resident.mark(os.getpid()))
    looked = time.monotonic()
    while True:
        relaying.turn()
        if time.monotonic() - looked < LOOK_EVERY:
            continue
        looked = time.monotonic()
        relaying.ask_again()
        if _is_over(server, relaying):
            return
