"""Hold an NFSv3 lock, and reclaim it when the server says that it has forgotten (NLM 4, NSM 1; X/Open XNFS).

The client answers for its own portmapper and statd, as far as a server's
sm-notify asks them: which port, and here is a reboot.
"""

from __future__ import annotations

import itertools
import os
import select
import socket
import struct
import time

from tests.lab.clients.journal import Journal
from tests.lab.clients.nfs3 import PORTMAP, Mounted
from tests.lab.clients.rpc import Transport, Xdr, opaque

NLM, NLM_PORT = 100021, 32803
LOCK = 2
STATUS, NOTIFY = 100024, 6
STATUS_PORT = 4000
GRANTED, IN_GRACE = 0, 4
NAMES = {
    1: "denied",
    2: "denied, no locks",
    3: "blocked",
    IN_GRACE: "denied, grace period",
    7: "stale file handle",
}
RETRY = 1.0


def hold(host: str, path: str, name: str, tell: Journal) -> None:
    """Lock a file, then reclaim the lock as often as the server asks; each time is an acknowledgement."""
    listening = {_udp(111): _port_of_status, _udp(STATUS_PORT): _notified}
    export = Mounted(host, path, tell)
    handle = export.create(name)
    export.close()
    locks = Transport(host, NLM_PORT, tell)
    while (status := lock(locks, handle, reclaim=False)) == IN_GRACE:
        tell("waiting", text=NAMES[status])
        time.sleep(RETRY)
    for n in itertools.count():
        if status == GRANTED:
            tell("ack", n=n)
        else:
            tell("error", text=f"lock: {NAMES.get(status, status)}")
        _await_notice(listening, host, tell)
        status = lock(locks, handle, reclaim=True)


def lock(locks: Transport, handle: bytes, *, reclaim: bool, owner: bytes = b"holder") -> int:
    """Ask for an exclusive lock on a whole file, without waiting for it; return the server's status."""
    caller = opaque(os.uname().nodename.encode())
    what = caller + opaque(handle) + opaque(owner) + struct.pack("!iQQ", len(owner), 0, 0)
    arguments = opaque(b"vsctl") + struct.pack("!II", 0, 1) + what + struct.pack("!Ii", reclaim, 1)
    answer = locks.call(NLM, 4, LOCK, arguments)
    answer.opaque()
    return answer.uint()


def _await_notice(listening: dict[socket.socket, object], host: str, tell: Journal) -> None:
    """Answer what comes until the server we know as `host` says that it has restarted."""
    while True:
        for ready in select.select([*listening], [], [])[0]:
            message, sender = ready.recvfrom(8192)
            answer, who = listening[ready](Xdr(message))  # type: ignore[operator]
            ready.sendto(answer, sender)
            if who:
                tell("notified", text=who)
            if who == host:
                return


def _port_of_status(call: Xdr) -> tuple[bytes, str]:
    xid, program, procedure = _called(call)
    wanted = call.uint() if (program, procedure) == (PORTMAP, 3) else 0
    port = STATUS_PORT if wanted == STATUS else 0
    return _accepted(xid) + (struct.pack("!I", port) if procedure == 3 else b""), ""


def _notified(call: Xdr) -> tuple[bytes, str]:
    xid, program, procedure = _called(call)
    who = call.opaque().decode() if (program, procedure) == (STATUS, NOTIFY) else ""
    return _accepted(xid), who


def _called(call: Xdr) -> tuple[int, int, int]:
    """Read the head of a call; return its xid, program and procedure."""
    xid, _, _, program, _, procedure = (call.uint() for _ in range(6))
    for _ in ("credential", "verifier"):
        call.uint()
        call.opaque()
    return xid, program, procedure


def _accepted(xid: int) -> bytes:
    return struct.pack("!IIIIII", xid, 1, 0, 0, 0, 0)


def _udp(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("", port))
    return made
