"""Who listens on a TCP port of a virtual server?"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, IPPROTO_TCP
from _struct import Struct

from vsctl.agents import namespaces
from vsctl.agents import system as os
from vsctl.agents.netlink import SOCK_DIAG, Netlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SOCK_DIAG_BY_FAMILY = 20
_TCP_LISTEN = 10
_request = Struct(
    "=BBBBI48x"
)  # struct inet_diag_req_v2: family, protocol, extensions, padding, states, any socket
_port = Struct("!4xH")  # struct inet_diag_msg: family and timers, then the local port, ...
_inode = Struct("=68xI")  # ... and at its end the inode of the socket


def listens(server: str, process: int, port: int) -> bool:
    """Say whether a process itself holds a listening socket of a port."""
    return not unheld(server, {port: process})


def unheld(server: str, expected: Mapping[int, int]) -> list[int]:
    """Return those ports on which the process that is expected there does not listen.

    Asked of sock_diag(7), which lists listeners only: /proc/net/tcp walks
    through every bucket of the connections, too.
    """
    listening = _sockets(server)
    held = {process: _sockets_of(process) for process in set(expected.values())}
    return [port for port, process in expected.items() if not listening.get(port, set()) & held[process]]


def ports(server: str) -> frozenset[int]:
    """Return the TCP ports on which anybody listens."""
    return frozenset(_sockets(server))


def _sockets_of(process: int) -> set[str]:
    """Return the sockets that a process holds, as /proc names them."""
    held: set[str] = set()
    try:
        descriptors = os.listdir(f"/proc/{process}/fd")
    except FileNotFoundError:
        return held
    for each in descriptors:
        try:
            held.add(os.readlink(f"/proc/{process}/fd/{each}"))
        except OSError:  # closed meanwhile
            continue
    return held


def _sockets(server: str) -> dict[int, set[str]]:
    """Return the sockets that listen on each port, as /proc names them."""
    with namespaces.inside(server):
        netlink = Netlink(SOCK_DIAG)
    found: dict[int, set[str]] = {}
    for family in (AF_INET, AF_INET6):
        for body in netlink.listed(
            _SOCK_DIAG_BY_FAMILY, _request.pack(family, IPPROTO_TCP, 0, 0, 1 << _TCP_LISTEN)
        ):
            found.setdefault(_port.unpack_from(body)[0], set()).add(f"socket:[{_inode.unpack_from(body)[0]}]")
    return found
