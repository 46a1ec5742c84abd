"""What does Ganesha have to be told?

Pure text. The identity that clients hold on to (scope, owner, Filesystem_Id,
Export_Id) comes from names and ids alone and is the same on every node.
"""

from __future__ import annotations

from vsctl.agents import paths, ports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vsctl.agents.entries import Export

NOBODY = 65534


def directory(server: str) -> str:
    """Return where the configuration of a server's Ganesha is, in its view as on the node."""
    return f"{paths.run(server)}/nfs"


def main(server: str, *, grace: int, lease: int, graceless: bool) -> str:
    return f"""\
NFS_CORE_PARAM {{
    NFS_Protocols = 3, 4;
    NFS_Port = {ports.NFS};
    MNT_Port = {ports.MOUNTD};
    NLM_Port = {ports.NLOCKMGR};
    Rquota_Port = {ports.RQUOTA};
    Enable_RQUOTA = false;
    Mount_Path_Pseudo = true;
}}
NFSv4 {{
    Minor_Versions = 0, 1;
    Server_Scope = "{server}";
    Server_Owner = "{server}";
    RecoveryBackend = fs;
    RecoveryRoot = "{paths.state(server)}/nfs";
    Grace_Period = {grace};
    Lease_Lifetime = {lease};
    Graceless = {"true" if graceless else "false"};
    Only_Numeric_Owners = true;
}}
NFS_KRB5 {{
    Active_krb5 = false;
}}
LOG {{
    Default_Log_Level = EVENT;
    COMPONENTS {{
        DBUS = FATAL;
    }}
}}
%include "{directory(server)}/exports.conf"
"""


def export(place: str, export: Export) -> str:
    """Write one export; `place` is its directory on the node.

    The first CLIENT that matches counts, so the closest is written first, and
    before all the node's own probe: nobody else can come from 127.0.0.1.
    """
    clients = [("127.0.0.1", "ro"), *sorted(export.clients, key=_closeness)]
    return f"""\
EXPORT {{
    Export_Id = {export.id};
    Path = "{place}";
    Pseudo = "{export.seen_as}";
    Filesystem_Id = {export.id}.{export.id};
    Protocols = 3, 4;
    SecType = sys;
    Squash = {_SQUASH[export.squash]};
    Anonymous_Uid = {NOBODY};
    Anonymous_Gid = {NOBODY};
    Access_Type = NONE;
    FSAL {{ Name = VFS; }}
{"".join(f"    CLIENT {{ Clients = {who}; Access_Type = {access.upper()}; }}{chr(10)}" for who, access in clients)}}}
"""


_SQUASH = {"root": "Root_Squash", "all": "All_Squash", "none": "No_Root_Squash"}


def _closeness(client: tuple[str, str]) -> int:
    """Sort hosts before networks, small networks before large ones, and `*` last."""
    who, slash, length = client[0].partition("/")
    if slash:
        return -int(length)
    return 1 if who == "*" else -1000
