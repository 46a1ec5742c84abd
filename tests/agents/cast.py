"""The virtual servers of these tests, as parameters of their agents."""

from __future__ import annotations

NET = {"server": "vs1", "addresses": "192.0.2.11/24 198.51.100.11/24 2001:db8:a::11/64"}
LAN_A = {
    "server": "vs1",
    "subnet": "lan-a",
    "addresses": "192.0.2.11/24 2001:db8:a::11/64",
    "ports": "n1=e0a,e0b n2=e0a",
    "gateways": "192.0.2.1 2001:db8:a::1",
}
DETOURED = {
    **NET,
    "detours": "lan-a 192.0.2.11/24 2001:db8:a::11/64 n1=e1a n2=e1a;lan-b 198.51.100.11/24 n1=e0a,e0b n2=e0a",
}
ANNOUNCER = {**LAN_A, "ports": "n1=e0a,e0b", "detours": "n1=e1a"}
"""Where there are two nodes, both take themselves for n1; their ports have the same names."""
LAN_B = {"server": "vs1", "subnet": "lan-b", "addresses": "198.51.100.11/24", "ports": "n1=e1a"}
ANNOUNCER_B = {**LAN_B, "detours": "n1=e0a,e0b"}
DAEMON_B = {
    "ports": "n1=e0a:lan-a,e0b:lan-a,e1a:lan-b",
    "gateways": "lan-a=192.0.2.99",
    "servers": "vs1 subnets=lan-b nodes=n1,n2",
}
"""For nodes of which one has lost lan-b, and the other announces there what is on the first."""
GATE = {"server": "vs1"}

NET2 = {"server": "vs2", "addresses": "192.0.2.12/24 2001:db8:a::12/64"}
LAN_A2 = {
    "server": "vs2",
    "subnet": "lan-a",
    "addresses": "192.0.2.12/24 2001:db8:a::12/64",
    "ports": "n1=e0a,e0b",
}

IPV4, IPV4_B, IPV6 = "192.0.2.11", "198.51.100.11", "2001:db8:a::11"
OF_VS2 = ("192.0.2.12", "2001:db8:a::12")

NFS, SMB = 2049, 445
OPEN = 1445
"""A TCP port that no gate closes: what clients reach when the network is all there is of a server."""
EVERY = 10
"""The interval of recurring monitors; without it a monitor is a probe."""

RUNNING, FAILED, NOT_RUNNING = 0, 1, 7
