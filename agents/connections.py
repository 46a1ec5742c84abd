"""Which clients were connected, and how do they learn that they have to connect anew?

After a crash a client's TCP waits for its own back-off, often many seconds.
So the node that serves keeps a list of the connections on the root filesystem,
and the next one makes each client find out at once (`frames.tickle`).
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, IPPROTO_TCP, inet_ntop
from _struct import Struct

from vsctl.agents import files, namespaces, node, paths, ports
from vsctl.agents import system as os
from vsctl.agents.netlink import SOCK_DIAG, Netlink, attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_SOCK_DIAG_BY_FAMILY, _SOCK_DESTROY = 20, 21
_TCP_ESTABLISHED = 1
_TCP_TIME_WAIT, _TCP_CLOSED, _TCP_LISTENS = 6, 7, 10
_INFO = 2  # INET_DIAG_INFO
_request = Struct(
    "=BBBBI48x"
)  # struct inet_diag_req_v2: family, protocol, extensions, padding, states, any socket
_answer = Struct("!xxxxHH16s16s")  # struct inet_diag_msg: family and timers, then ports and addresses
_queued = Struct("=60xI")  # the bytes that its end has not acknowledged, of those some may not have been sent
_not_sent = Struct("=144xI")  # tcpi_notsent_bytes in struct tcp_info
_ATTRIBUTES = 72  # sizeof(struct inet_diag_msg)

_MAPPED = bytes(10) + b"\xff\xff"
"""How IPv4 looks to a server that listens on `::`."""

_ENDING = 0xFFF & ~(1 << _TCP_TIME_WAIT | 1 << _TCP_CLOSED | 1 << _TCP_LISTENS)
"""The states of connections that somebody may still believe in."""
_LOOPBACKS = {AF_INET: b"\x7f", AF_INET6: b"\1" + bytes(7)}
"""How addresses begin that a network namespace has for itself: 127.0.0.0/8, and of IPv6, which has but one
such address, 100::/64, from which nobody sends (RFC 6666)."""
_LOOPBACK6 = bytes(15) + b"\1"

_FILE = "connections"

LIMIT = 2.0
"""How many seconds the gate waits for the storage."""

AGAIN = (0.2, 0.3, 0.5, 1.0)
"""Pauses, in seconds, between the repetitions: the way to the client may be seconds old."""


class Connection:
    """A TCP connection of a server here. `unacknowledged` is how many bytes it has sent that its end has not got."""

    __slots__ = ("local", "local_port", "remote", "remote_port", "unacknowledged")

    def __init__(
        self, local: bytes, local_port: int, remote: bytes, remote_port: int, unacknowledged: int
    ) -> None:
        self.local = local
        self.local_port = local_port
        self.remote = remote
        self.remote_port = remote_port
        self.unacknowledged = unacknowledged

    @property
    def family(self) -> int:
        return AF_INET if len(self.local) == 4 else AF_INET6

    def __str__(self) -> str:
        local, remote = inet_ntop(self.family, self.local), inet_ntop(self.family, self.remote)
        return f"{local} {self.local_port} {remote} {self.remote_port}"


def established(server: str, of_ports: Collection[int] = ports.OF_SERVER) -> list[str]:
    """List the connections that clients have to a server here, to these TCP ports of it.

    Each as `local-address port remote-address port`, sorted.
    """
    with namespaces.inside(server):
        found = listed()
    # Monitors ask from within, and the relay asks for clients that are connected to it.
    clients = (each for each in found if each.local != each.remote and not _is_within(each.local))
    return sorted(str(each) for each in clients if each.local_port in of_ports)


def listed(*, closely: bool = False) -> list[Connection]:
    """List the connections in this network namespace, with what is unacknowledged if looked at `closely`.

    Asked of sock_diag(7), for /proc/net/tcp looks at every bucket of the whole
    machine and takes twenty times as long.
    """
    netlink = Netlink(SOCK_DIAG)
    found = []
    for family in (AF_INET, AF_INET6):
        told = 1 << _INFO - 1 if closely else 0
        request = _request.pack(family, IPPROTO_TCP, told, 0, 1 << _TCP_ESTABLISHED)
        for body in netlink.listed(_SOCK_DIAG_BY_FAMILY, request):
            local_port, remote_port, local, remote = _answer.unpack_from(body)
            ends = _plain(family, local), local_port, _plain(family, remote), remote_port
            found.append(Connection(*ends, _unacknowledged(body) if closely else 0))
    return found


def end(of_ports: Collection[int]) -> int:
    """End the connections that clients have to these TCP ports in this network namespace; return how many.

    Also of those that the server has closed, while their clients do not know. Both ends of others
    learn it at once, and a client connects anew. OSError where the kernel cannot do that
    (CONFIG_INET_DIAG_DESTROY).
    """
    netlink = Netlink(SOCK_DIAG)
    ended = 0
    for family in (AF_INET, AF_INET6):
        for body in netlink.listed(_SOCK_DIAG_BY_FAMILY, _request.pack(family, IPPROTO_TCP, 0, 0, _ENDING)):
            local_port, _, local, remote = _answer.unpack_from(body)
            if local_port in of_ports and local != remote and not _is_within(_plain(family, local)):
                which = _request.pack(family, IPPROTO_TCP, 0, 0, 1 << body[1])[:8] + body[4:52]
                try:
                    netlink.ask(_SOCK_DESTROY, which)
                except FileNotFoundError:
                    continue  # it has ended
                ended += 1
    return ended


def within(family: int, number: int) -> bytes:
    """Return an address, from the first on, that a network namespace has for itself."""
    begin = _LOOPBACKS[family]
    return begin + number.to_bytes((4 if family == AF_INET else 16) - len(begin), "big")


def _is_within(packed: bytes) -> bool:
    return packed == _LOOPBACK6 or packed.startswith(_LOOPBACKS[AF_INET if len(packed) == 4 else AF_INET6])


def _unacknowledged(body: bytes) -> int:
    (queued,) = _queued.unpack_from(body)
    info = attributes(body, _ATTRIBUTES).get(_INFO, b"")
    return int(queued - (_not_sent.unpack_from(info)[0] if len(info) >= _not_sent.size else 0))


def _plain(family: int, packed: bytes) -> bytes:
    """Return an address as it is on the wire."""
    if family == AF_INET:
        return packed[:4]
    return packed[12:] if packed.startswith(_MAPPED) else packed


def record(server: str, lines: list[str]) -> None:
    """Keep the list where the next node finds it, if it is not there already.

    Raises OSError if it cannot be kept within LIMIT; nothing is written unless
    the root filesystem is mounted. What was written last is remembered on the
    node, so that an unchanged list costs the storage nothing. One that changed
    is written by another process: storage may hang, and the gate must not.
    """
    if os.path.exists(_memory(server)) and remembered(server) == lines:
        return
    from vsctl.agents import background, silence

    if silence.of_server(server, "root"):
        raise TimeoutError(110, "its storage does not answer")  # ETIMEDOUT
    background.within(LIMIT, lambda: _write(server, lines))


def record_later(server: str, lines: list[str]) -> None:
    """Have the list kept, and do not wait for it: whether that has been done shows in `remembered`."""
    from vsctl.agents import background

    background.leave(lambda: _write(server, lines))


def remembered(server: str) -> list[str]:
    """Return the list that was written last, as this node remembers it."""
    return node.read_lines(_memory(server))


def _memory(server: str) -> str:
    return f"{paths.run(server)}/{_FILE}"


def _write(server: str, lines: list[str]) -> None:
    """Replace the list, on the storage first; raises BlockingIOError while another process tries to."""
    import fcntl

    text = "".join(f"{line}\n" for line in lines)
    lock = os.open(f"{_memory(server)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    directory = _state_directory(server)
    if directory is None:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(f"{_FILE}.new", flags, 0o600, dir_fd=directory)
    os.write(file, text.encode())
    os.fsync(file)
    os.close(file)
    os.rename(f"{_FILE}.new", _FILE, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)
    os.close(directory)
    files.replace(_memory(server), text)


def recorded(server: str) -> list[str]:
    """Return the list that the server brought along, empty if there is none."""
    directory = _state_directory(server)
    if directory is None:
        return []
    try:
        file = os.open(_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return []
    finally:
        os.close(directory)
    with open(file) as lines:
        return lines.read().splitlines()


def wake(server: str, lines: list[str]) -> int:
    """Make all clients on a list find out that their connection is dead; return how many there are.

    Only for addresses that the server has now. To be called when its TCP ports answer.
    """
    from vsctl.agents import addresses, background, frames, rtnetlink

    with namespaces.inside(server):
        own = rtnetlink.addresses(Netlink(), rtnetlink.LOOPBACK)
        dead = []
        for line in lines:
            local, local_port, remote, remote_port = line.split()
            packed = addresses.parse(local).packed
            if packed in own:
                dead.append((packed, int(local_port), addresses.parse(remote).packed, int(remote_port)))

        def tickle() -> bool:
            for connection in dead:
                try:
                    frames.tickle(*connection)
                except OSError:  # no way to this client now; the next round may find one
                    continue
            return True

        if dead:
            tickle()
            background.repeat(AGAIN, tickle)
    return len(dead)


def _state_directory(server: str) -> int | None:
    """Open `.vsctl` on the mounted root filesystem, made if need be; None while that is not mounted.

    A descriptor, not a path: what is opened stays on that filesystem whatever
    is mounted or unmounted meanwhile.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    top_path = paths.mount_point(server, "root")
    try:
        top = os.open(top_path, flags)
    except FileNotFoundError:
        return None
    try:
        device = os.fstat(top).st_dev
        if device == os.stat(os.path.dirname(top_path)).st_dev:
            return None
        name = os.path.basename(paths.state(server))
        try:
            os.mkdir(name, 0o700, dir_fd=top)
        except FileExistsError:
            pass
        directory = os.open(name, flags, dir_fd=top)
    finally:
        os.close(top)
    return directory
