"""Which keys does a cluster file have?

Declared once: reading, the JSON schema for editors and the reference in
`docs/cluster-file.md` all follow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vsctl.cli.clusterfile import spelling
from vsctl.cli.clusterfile.shapes import Choice, Either, Key, List, Record, Table, Text
from vsctl.cli.clusterfile.yamltree import BOOLEANS
from vsctl.policy import candidates
from vsctl.policy.model import (
    Access,
    BalanceMode,
    FailbackMode,
    OnStorageLoss,
    OnSubnetLoss,
    RepairMode,
    Squash,
)

FILESYSTEM_TYPES = ("ext4", "xfs")
"""What the agents can mount, and see to be damaged."""


def _pattern(pattern: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^({pattern})$", **more}


def _boolean(text: str) -> bool:
    if text not in BOOLEANS:
        raise ValueError
    return BOOLEANS[text]


def _whole(least: int, most: int, example: int) -> Text:
    return Text(
        lambda text: spelling.whole(text, least, most),
        f"a whole number, such as {example}",
        {"type": "integer", "minimum": least, "maximum": most},
        bare=True,
    )


NAME = Text(
    spelling.name,
    "a name of small letters, digits and hyphens, a letter first",
    _pattern(spelling.NAME, maxLength=spelling.LONGEST_NAME),
)
NODE = Text(
    spelling.node_name,
    "the name of a node, what `uname -n` says there",
    _pattern(spelling.NODE_NAME, maxLength=spelling.LONGEST_HOST),
)
PORT = Text(
    spelling.interface_name,
    "the name of its interface, such as e0a",
    _pattern(spelling.INTERFACE_NAME, maxLength=spelling.LONGEST_INTERFACE_NAME),
)
BOOLEAN = Text(_boolean, "true or false", {"type": "boolean"}, bare=True)
NUMBER = Text(spelling.number, "a number, such as 4", {"type": "number", "exclusiveMinimum": 0}, bare=True)
SIZE = Text(lambda text: spelling.quantity(text, 1024, "64G"), "a size, such as 64G", _pattern(spelling.SIZE))
RATE = Text(lambda text: spelling.quantity(text, 1000, "10G"), "a rate, such as 10G", _pattern(spelling.SIZE))
DURATION = Text(spelling.duration, "a time, such as 90s, 10m or 1h30m", _pattern(f"(?=.){spelling.DURATION}"))
PERCENTAGE = Text(spelling.percentage, "a percentage, such as 10%", _pattern(spelling.PERCENTAGE))
WINDOW = Text(spelling.window, 'two times, such as "22:00-05:00"', _pattern(spelling.WINDOW))
INTERFACE = Text(
    spelling.interface, "an address with its prefix length, such as 192.0.2.11/24", {"type": "string"}
)
ADDRESS = Text(spelling.address, "an address, such as 192.0.2.1", {"type": "string"})
NETWORK = Text(spelling.network, "a network, such as 192.0.2.0/24", {"type": "string"})
PATH = Text(spelling.exported_path, "a path, such as /projects", _pattern(spelling.EXPORTED))

SYSTEM = _whole(1, 2**32 - 1, 64512)
BFD = Key(BOOLEAN, "They speak BFD as well, and forget a dead node within a second.")

ROUTERS = Record(
    {
        "bgp": Key(
            Record(
                {
                    "as": Key(SYSTEM, "The nodes' autonomous system.", required=True),
                    "peers": Key(
                        Table(
                            ADDRESS,
                            SYSTEM,
                            "router",
                            "the autonomous system of router {0} of {1}",
                            "a router of {0}",
                            least=1,
                        ),
                        "The routers' addresses on the subnet, each with its autonomous system.",
                        required=True,
                        called="the routers of {0}",
                    ),
                    "password_file": Key(
                        Text(
                            spelling.node_file,
                            "the path of a file on every node, such as /etc/vsctl/bgp",
                            _pattern(spelling.NODE_FILE),
                        ),
                        "A file on every node with the password of the sessions (TCP MD5).",
                    ),
                    "bfd": BFD,
                }
            ),
            "They speak BGP.",
            called="bgp of {0}",
        ),
        "ospf": Key(
            Record(
                {
                    "area": Key(
                        Text(
                            spelling.area,
                            "an area, such as 0 or 0.0.0.1",
                            {
                                "type": ["integer", "string"],
                                "minimum": 0,
                                "maximum": 2**32 - 1,
                                "pattern": f"^({spelling.AREA})$",
                            },
                        ),
                        "The area that the subnet is in.",
                        required=True,
                    ),
                    "bfd": BFD,
                }
            ),
            "They speak OSPF, version 2 for IPv4 and version 3 for IPv6.",
            called="ospf of {0}",
        ),
    },
    one_of=True,
)

SUBNET = Record(
    {
        "networks": Key(
            List(NETWORK, "a network of {0}"),
            "The networks on this broadcast domain, IPv4 and IPv6.",
            required=True,
        ),
        "gateways": Key(
            List(ADDRESS, "a gateway of {0}", least=0),
            "The routers to other networks; the first of each family is used.",
        ),
        "routers": Key(
            ROUTERS,
            "How its routers are told of addresses of other subnets, when only ports on this one are left.",
        ),
    }
)

STORAGE_UNIT = Record(
    {"nodes": Key(List(NODE, "a node of {0}"), "The nodes that can reach it; left out, all of them.")}
)

CAPACITY = Record(
    {
        "cpu": Key(NUMBER, "Processors; left out, not limited."),
        "memory": Key(SIZE, "Bytes, in powers of 1024: 64G; left out, not limited."),
        "network": Key(RATE, "Bits a second, in powers of 1000: 20G; left out, not limited."),
        "hard": Key(BOOLEAN, "true: what does not fit is not started here; false (default): a wish."),
    }
)

MACHINE = Record(
    {
        "ports": Key(
            Table(PORT, NAME, "port", "the subnet of port {0} of {1}", "the name of a port of {0}"),
            "The network ports for clients: interface name and subnet, the best port of a subnet first.",
            required=True,
        ),
        "capacity": Key(CAPACITY, "What the node can carry."),
    }
)

FENCE_DEVICE = Record(
    {
        "agent": Key(
            Text(spelling.agent, "a fence agent, such as fence_ipmilan", _pattern(spelling.AGENT)),
            "The fence agent, such as fence_ipmilan.",
            required=True,
        ),
        "options": Key(
            Table(
                Text(spelling.option_name, "a parameter of the fence agent", _pattern(spelling.OPTION)),
                Text(
                    spelling.option_value,
                    "text on one line",
                    {"type": ["string", "number", "boolean"]},
                    any_word=True,
                ),
                "option",
                "option {0} of {1}",
                "the name of an option of {0}",
            ),
            "Its parameters, as its own documentation names them.",
        ),
    }
)
FENCE_LEVEL = Either(
    "a device or a list of devices that must all act",
    mapping=FENCE_DEVICE,
    items=List(FENCE_DEVICE, "a device of {0}"),
)
FENCING = Either(
    "a device, or a list of levels tried in turn",
    mapping=FENCE_DEVICE,
    items=List(FENCE_LEVEL, "a level of the fencing of {0}"),
)

NFS_EXPORT = Record(
    {
        "path": Key(PATH, "The directory, from the top of its filesystem.", required=True),
        "clients": Key(
            Table(
                Text(spelling.nfs_client, "a network, an address or a host name", {"type": "string"}),
                Choice(tuple(each.value for each in Access)),
                "NFS client",
                "access of client {0} of {1}",
                "a client of {0}",
                least=1,
            ),
            "Who may mount it: networks, addresses or host names, each rw or ro.",
            required=True,
        ),
        "squash": Key(
            Choice(tuple(each.value for each in Squash)),
            "Whose identity is taken away: root's (default), everybody's (all) or nobody's (none).",
        ),
        "as": Key(PATH, "The path that clients mount; left out, /FILESYSTEM/PATH."),
        "id": Key(
            _whole(1, 65535, 1001),
            "The export's number in every file handle; left out, a hash. Never change it.",
        ),
    }
)

SMB_SHARE = Record(
    {
        "share": Key(
            Text(
                spelling.share_name,
                "a name on one line, without blanks around it",
                {"type": "string", "minLength": 1, "maxLength": 80},
            ),
            "The name of the share.",
            required=True,
            called="the name of an SMB share of {0}",
        ),
        "path": Key(PATH, "The directory, from the top of its filesystem.", required=True),
        "users": Key(
            List(
                Text(
                    spelling.account,
                    "an account, such as alice, or a group, such as @staff",
                    _pattern(spelling.ACCOUNT),
                ),
                "a user of {0}",
            ),
            "The accounts of the virtual server that may open it; @group for groups.",
            required=True,
        ),
        "access": Key(Choice(tuple(each.value for each in Access)), "rw (default) or ro."),
    }
)

EXPORT = Record(
    {
        "nfs": Key(NFS_EXPORT, "A directory by NFS.", called="an NFS export of {0}"),
        "smb": Key(SMB_SHARE, "A directory by SMB.", called="an SMB share of {0}"),
    },
    one_of=True,
)

FILESYSTEM = Record(
    {
        "device": Key(
            Text(spelling.device, "a path, such as /dev/disk/by-id/wwn-0x1", _pattern("/.*")),
            "The block device, by a name that is the same on every node.",
            required=True,
        ),
        "type": Key(Choice(FILESYSTEM_TYPES), "What is on it; never formatted by vsctl.", required=True),
        "storage": Key(NAME, "The storage unit it is on.", required=True),
        "options": Key(
            List(
                Text(spelling.mount_option, "a mount option, such as noatime", {"type": "string"}),
                "a mount option of {0}",
                least=0,
            ),
            "Mount options, as for mount(8).",
        ),
        "after": Key(
            Text(spelling.resource, "the id of a Pacemaker resource", _pattern(spelling.RESOURCE)),
            "An existing Pacemaker resource below it: DRBD, LVM-activate, iSCSI.",
        ),
        "exports": Key(List(EXPORT, "an export of {0}", least=0), "What clients see of it."),
    }
)

LOAD = Record(
    {
        "cpu": Key(NUMBER, "Processors."),
        "memory": Key(SIZE, "Bytes, in powers of 1024."),
        "network": Key(RATE, "Bits a second, in powers of 1000."),
        "disk": Key(RATE, "Bytes a second, in powers of 1000. Not counted by this version."),
    }
)

SERVER = Record(
    {
        "addresses": Key(
            List(INTERFACE, "an address of {0}"), "Its addresses, each with the prefix length.", required=True
        ),
        "filesystems": Key(
            Table(NAME, FILESYSTEM, "filesystem", "{1}/{0}", "the name of a filesystem of {0}", least=1),
            "Its filesystems; root also keeps the server's own state.",
            required=True,
        ),
        "priority": Key(
            _whole(-spelling.HIGHEST_PRIORITY, spelling.HIGHEST_PRIORITY, 100),
            "Who comes first when time or room is short; higher is first, default 0.",
        ),
        "home": Key(NODE, "The preferred node; left out, the policy engine chooses."),
        "migrate": Key(BOOLEAN, "false: pinned, it stays put when its node fails. Default true."),
        "nodes": Key(
            List(NODE, "a node of {0}"),
            "The only nodes it may run on; left out, every node with its subnets and storage.",
        ),
        "apart_from": Key(
            List(NAME, "apart_from of {0}", least=0), "Virtual servers it should not share a node with."
        ),
        "on_subnet_loss": Key(
            Choice(tuple(each.value for each in OnSubnetLoss)),
            "When its node loses a subnet: route through a peer (default) or move.",
        ),
        "bridge": Key(DURATION, "Routed for longer than this it moves, if it can; left out, never."),
        "on_storage_loss": Key(
            Choice(tuple(each.value for each in OnStorageLoss)),
            "When no other node reaches its storage: stay (default) or stop.",
        ),
        "load": Key(LOAD, "What it is expected to need; what is left out counts as nothing."),
    }
)

FAILBACK_FORMS = 'manual, auto or {window: "22:00-05:00"}'
FAILBACK = Either(
    FAILBACK_FORMS,
    word=Choice((FailbackMode.MANUAL.value, FailbackMode.AUTO.value), FAILBACK_FORMS),
    mapping=Record(
        {
            "window": Key(
                replace(WINDOW, parse=lambda text: spelling.window(text, ", or failback: auto for all day")),
                "From when to when, local time; may span midnight.",
                required=True,
            )
        }
    ),
)

ALL = "all"
CANDIDATES = Text(
    lambda text: None if text == ALL else spelling.whole(text, candidates.LEAST, 1000),
    f"{ALL}, or a whole number from {candidates.LEAST} up",
    {"anyOf": [{"const": ALL}, {"type": "integer", "minimum": candidates.LEAST, "maximum": 1000}]},
    bare=True,
)

POLICY = Record(
    {
        "candidates": Key(
            CANDIDATES,
            "How many nodes Pacemaker keeps in view for each virtual server: all (default), or the best so many.",
        ),
        "failback": Key(FAILBACK, "When virtual servers go back: manual (default), auto, or {window: ...}."),
        "balance": Key(
            Record(
                {
                    "mode": Key(
                        Choice(tuple(each.value for each in BalanceMode)),
                        "manual (default: it is said what should move), auto (and done) or off (only on request).",
                    ),
                    "tolerance": Key(PERCENTAGE, "How uneven load may be, default 10%."),
                    "max_moves": Key(
                        _whole(1, 1000, 4),
                        "The most virtual servers that move at a time, default 4.",
                    ),
                    "every": Key(DURATION, "How often the balancer looks, default 5m."),
                    "quiet": Key(WINDOW, "When it does not, local time; may span midnight."),
                    "cool_down": Key(
                        DURATION,
                        "How long it rests after servers have moved by themselves or by hand, default 10m.",
                    ),
                }
            ),
            "How load is evened out over nodes, and over the ports of each.",
        ),
        "repair": Key(
            Record(
                {
                    "mode": Key(
                        Choice(tuple(each.value for each in RepairMode)),
                        "auto (repair, default), check (replay the journal and look) or off (only on request).",
                    ),
                    "keep_image": Key(
                        BOOLEAN,
                        "Save the metadata as they are before a repair; default false.",
                    ),
                }
            ),
            "What is done about a damaged filesystem.",
        ),
    }
)

CLUSTER_FILE = Record(
    {
        "name": Key(NAME, "The name of the cluster.", required=True),
        "subnets": Key(
            Table(NAME, SUBNET, "subnet", "subnet {0}", "the name of a subnet", least=1),
            "Where clients are.",
            required=True,
        ),
        "storage": Key(
            Table(
                NAME, STORAGE_UNIT, "storage unit", "storage unit {0}", "the name of a storage unit", least=1
            ),
            "What is lost at one blow: arrays, paths; and which nodes can reach it.",
            required=True,
        ),
        "nodes": Key(
            Table(NODE, MACHINE, "node", "{0}", "the name of a node", least=1),
            "The nodes of the cluster.",
            required=True,
        ),
        "fencing": Key(
            Table(NODE, FENCING, "node", "the fencing of {0}", "a node in fencing"),
            "How each node is cut off: a device, or levels tried in turn.",
        ),
        "virtual_servers": Key(
            Table(NAME, SERVER, "virtual server", "{0}", "the name of a virtual server"),
            "The movable file servers.",
            required=True,
        ),
        "policy": Key(POLICY, "What the policy engine may do by itself."),
    },
    expects="a mapping with name, subnets, storage, nodes and virtual_servers",
)
