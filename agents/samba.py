"""What does Samba have to be told?

Pure text. Everything that outlives smbd is on the server's root filesystem;
the rest is in the /run of its own view.
"""

from __future__ import annotations

from vsctl.agents import paths, ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vsctl.agents.entries import Share


def directory(server: str) -> str:
    """Return where the configuration of a server's Samba is, in its view as on the node."""
    return f"{paths.run(server)}/smb"


def configuration(server: str) -> str:
    return f"{directory(server)}/smb.conf"


def state(server: str) -> str:
    return f"{paths.state(server)}/smb"


def binds(server: str) -> tuple[tuple[str, str], ...]:
    """Return the files that replace the node's in the view of the server's Samba."""
    return ((f"{state(server)}/passwd", "/etc/passwd"), (f"{state(server)}/group", "/etc/group"))


STATE = ("private", "state", "cache", "lock")


def main(server: str, netbios: str) -> str:
    """Write the global part: a standalone server that knows its own users and nothing of the node."""
    return f"""\
[global]
    netbios name = {netbios}
    server string = {server}
    server role = standalone server
    disable netbios = yes
    smb ports = {ports.SMB}
    server min protocol = SMB2_02
    passdb backend = tdbsam:{state(server)}/private/passdb.tdb
    map to guest = Never
    restrict anonymous = 2
    usershare max shares = 0
    load printers = no
    printing = bsd
    printcap name = /dev/null
    disable spoolss = yes
    wide links = no
    map archive = no
    dns proxy = no
    private dir = {state(server)}/private
    state directory = {state(server)}/state
    cache directory = {state(server)}/cache
    lock directory = {state(server)}/lock
    pid directory = /run/samba
    ncalrpc dir = /run/samba/ncalrpc
    logging = file
    log file = {paths.logs(server)}/smbd.log
    max log size = 10000
    include = {directory(server)}/shares.conf
"""


def share(place: str, share: Share) -> str:
    """Write one share; `place` is its directory on the node. Without users it lets nobody in."""
    return f"""\
[{share.name}]
    path = {place}
    read only = {"no" if share.access == "rw" else "yes"}
    {f"valid users = {_users(share)}" if share.users else "available = no"}
    browseable = yes
"""


def _users(share: Share) -> str:
    return " ".join(f'"{each}"' for each in share.users)
