"""Who listens on a TCP port of a virtual server?"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, IPPROTO_TCP
from _struct import Struct

from vsctl.agents import namespaces
from vsctl.agents import system as os
from vsctl.agents.netlink import SOCK_DIAG, Netlink

_SOCK_DIAG_BY_FAMILY = 20
_TCP_LISTEN = 10
_request = Struct(
    "=BBBBI48x"
)  # struct inet_diag_req_v2: family, protocol, extensions, padding, states, any socket
_port = Struct("!4xH")  # struct inet_diag_msg: family and timers, then the local port, ...
_inode = Struct("=68xI")  # ... and at its end the inode of the socket


def listens(server: str, process: int, port: int) -> bool:
    """Say whether a process itself holds a listening socket of a port.

    Asked of sock_diag(7), which lists listeners only: /proc/net/tcp walks
    through every bucket of the connections, too.
    """
    sockets = _sockets(server, port)
    if not sockets:
        return False
    for descriptor in sorted(os.listdir(f"/proc/{process}/fd"), key=int):  # servers open listeners early
        try:
            if os.readlink(f"/proc/{process}/fd/{descriptor}") in sockets:
                return True
        except OSError:
            continue
    return False


def _sockets(server: str, port: int) -> set[str]:
    """Return the sockets that listen on a port, as /proc names them."""
    with namespaces.inside(server):
        netlink = Netlink(SOCK_DIAG)
    return {
        f"socket:[{_inode.unpack_from(body)[0]}]"
        for family in (AF_INET, AF_INET6)
        for body in netlink.listed(
            _SOCK_DIAG_BY_FAMILY, _request.pack(family, IPPROTO_TCP, 0, 0, 1 << _TCP_LISTEN)
        )
        if _port.unpack_from(body)[0] == port
    }
