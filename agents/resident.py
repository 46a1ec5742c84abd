"""How do the agents and the node daemon find each other?

The daemon's directory `/run/vsctl/_daemon` is root's alone. Agents read there which
ports not to use; they work without the daemon, only slower to notice.
"""

from __future__ import annotations

from vsctl.agents import node, paths
from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vsctl.agents.rtnetlink import Link

DIRECTORY = f"{paths.RUN}/_daemon"
SOCKET = f"{DIRECTORY}/socket"
SETTINGS = f"{DIRECTORY}/settings"
PROCESS = f"{DIRECTORY}/process"
PORTS = f"{DIRECTORY}/ports"
STATE = f"{DIRECTORY}/state.json"
SILENT = f"{DIRECTORY}/silent"
"""The devices of storage units that hang, a line each (`silence`)."""


def process() -> int | None:
    """Return the process id of the daemon, None if it does not live."""
    return living(PROCESS)


def living(file: str) -> int | None:
    """Return the process that a file names by its id and when it was born, None if it does not live."""
    for line in node.read_lines(file):
        pid, _, begun = line.partition(" ")
        if pid.isdigit() and born(int(pid)) == begun:
            return int(pid)
    return None


def mark(process: int) -> str:
    """Return the line by which a file names a process: its id, and when it was born."""
    return f"{process} {born(process)}"


def born(process: int) -> str | None:
    """Return when a process started, in the kernel's ticks: with its id, unique. None for a dead one."""
    try:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def unusable() -> set[str]:
    """Return the ports of this node that the daemon says not to use; none while it does not live."""
    if not os.path.exists(PORTS) or process() is None:
        return set()
    return {line.split()[0] for line in node.read_lines(PORTS) if line.split()[1] == "0"}


def usable(links: Sequence[Link]) -> list[Link]:
    """Return those with a carrier, without those that the daemon has found bad, unless it says so of all."""
    working = [link for link in links if link.carrier]
    bad = unusable()
    return [link for link in working if link.name not in bad] or working


def tell(news: str, patience: float = 0.0) -> None:
    """Let the daemon know something, and wait `patience` seconds at most until it has heeded that.

    Where no daemon is nobody needs to know.
    """
    try:
        ask(news, patience)
    except OSError:
        pass


def ask(question: str, limit: float = 5.0) -> str:
    """Return what the daemon says; OSError if it does not within `limit` seconds."""
    from _socket import AF_UNIX, SOCK_STREAM, socket

    line = socket(AF_UNIX, SOCK_STREAM)
    try:
        line.settimeout(limit)
        line.connect(SOCKET)
        line.send(f"{question}\n".encode())
        said = b""
        while part := line.recv(1 << 16):
            said += part
    finally:
        line.close()
    return said.decode().rstrip("\n")
