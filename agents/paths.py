"""Where does a virtual server keep what on a node?

The one place that knows; `docs/contracts.md` publishes it.
"""

from __future__ import annotations

MOUNTS = "/srv/vsctl"
SERVED = f"{MOUNTS}/_served"
"""Where the daemons of a server, and nobody else, see the directories that they serve."""
RUN = "/run/vsctl"
NAMESPACES = "/run/netns"
NFS_GATE, SMB_GATE = "gate", "gate-smb"
LOGS = "/var/log/vsctl"
INTERPRETER = "/usr/lib/vsctl/interpreter"
"""Names the Python that has the command `vsctl`, for the balancer; `vsctl install` writes it."""


def namespace(server: str) -> str:
    """Return the file that pins the network namespace of a virtual server."""
    return f"{NAMESPACES}/{server}"


def mount_point(server: str, filesystem: str) -> str:
    return f"{MOUNTS}/{server}/{filesystem}"


def run(server: str) -> str:
    """Return the directory of what lives as long as the server runs here, mode 0700."""
    return f"{RUN}/{server}"


def closed_by(server: str, way: str) -> str:
    """Return the directory of the names of those who keep a way in closed, NFS_GATE or SMB_GATE."""
    return f"{RUN}/{server}/{way}"


def daemons_run(server: str) -> str:
    """Return the directory that the server's daemons see as their /run."""
    return f"{RUN}/{server}/run"


def state(server: str) -> str:
    """Return the directory, on the root filesystem, of the state that moves with the server, mode 0700."""
    return f"{mount_point(server, 'root')}/.vsctl"


def logs(server: str) -> str:
    return f"{LOGS}/{server}"
