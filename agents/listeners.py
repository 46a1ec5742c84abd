"""Who listens on a TCP port of a virtual server?

Read from /proc of a process that lives there: nothing has to enter the
namespace, and nothing has to connect.
"""

from __future__ import annotations

import os

_LISTEN = "0A"


def listens(process: int, port: int) -> bool:
    """Say whether a process itself holds the listening socket of a port."""
    sockets = _sockets(process, port)
    if not sockets:
        return False
    for descriptor in sorted(os.listdir(f"/proc/{process}/fd"), key=int):  # a server opens its listeners early
        try:
            if os.readlink(f"/proc/{process}/fd/{descriptor}") in sockets:
                return True
        except OSError:
            continue
    return False


def _sockets(process: int, port: int) -> set[str]:
    """Return the sockets that listen on a port, as /proc names them."""
    found = set()
    for table in ("tcp6", "tcp"):
        try:
            with open(f"/proc/{process}/net/{table}") as lines:
                next(lines)
                for line in lines:
                    fields = line.split(None, 10)
                    if fields[3] != _LISTEN:
                        break  # the kernel lists listeners first, and there may be many connections
                    if int(fields[1].rpartition(":")[2], 16) == port:
                        found.add(f"socket:[{fields[9]}]")
        except FileNotFoundError:
            continue
    return found
