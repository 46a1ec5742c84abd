"""What does the lab's router speak with the nodes, and what has it learnt from them?"""

from __future__ import annotations

from tests.lab.lab import Lab
from tests.lab.topology import ROUTER

SOCKET, SETTINGS = "/run/bird.ctl", "/etc/bird-lab.conf"
BGP = """
router id 198.51.100.1;
protocol device { }
protocol bfd { interface "lan-b" { interval 200 ms; multiplier 5; }; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol kernel { ipv6 { export where source = RTS_BGP; }; }
protocol bgp { local 198.51.100.1 as 64500; neighbor range 198.51.100.0/24 as 64512; passive; dynamic name "four"; \
               password "a word"; error wait time 1, 5; bfd on; ipv4 { import all; export none; }; }
protocol bgp { local 2001:db8:b::1 as 64500; neighbor range 2001:db8:b::/64 as 64512; passive; dynamic name "six"; \
               password "a word"; error wait time 1, 5; bfd on; ipv6 { import all; export none; }; }
"""
OSPF = """
router id 198.51.100.1;
protocol device { }
protocol bfd { interface "lan-b" { interval 200 ms; multiplier 5; }; }
protocol kernel { ipv4 { export where source = RTS_OSPF_EXT2; }; }
protocol kernel { ipv6 { export where source = RTS_OSPF_EXT2; }; }
protocol ospf v2 four { ipv4; area 0.0.0.0 { interface "lan-b" { bfd on; priority 1; }; }; }
protocol ospf v3 six { ipv6; area 0.0.0.0 { interface "lan-b" { bfd on; priority 1; }; }; }
"""
SPEAKS = {"bgp": BGP, "ospf": OSPF}


def spoken(lab: Lab) -> str | None:
    """Return what the router speaks, bgp or ospf; None before it speaks anything."""
    file = lab.machine(ROUTER).path(SETTINGS)
    text = file.read_text() if file.exists() else None
    return next((protocol for protocol, its in SPEAKS.items() if its == text), None)


def speak(lab: Lab, protocol: str) -> None:
    """Let the router speak BGP or OSPF from now on."""
    before, router = spoken(lab), lab.machine(ROUTER)
    router.write(SETTINGS, SPEAKS[protocol])
    if before:
        router.run(["birdc", "-s", SOCKET, "configure"])
    else:
        router.run(["bird", "-c", SETTINGS, "-s", SOCKET, "-P", "/run/bird.pid"])


def sessions(lab: Lab) -> int:
    """Return to how many nodes the router listens, by IPv4 and by IPv6, whatever it speaks."""

    neighbours = (of_router(lab, "ospf", "neighbors", protocol) for protocol in ("four", "six"))
    established = of_router(lab, "protocols").count("Established")
    return established + sum(each.count("Full/") for each in neighbours)


def of_router(lab: Lab, *what: str) -> str:
    """Return what the router's BIRD shows of something."""
    asked = ["birdc", "-s", SOCKET, "show", *what]
    return lab.machine(ROUTER).run(asked, check=False).stdout


def learnt(lab: Lab) -> set[str]:
    """Return the addresses that the router has learnt host routes to."""
    said = [
        lab.machine(ROUTER).run(["ip", family, "route", "show", "proto", "bird"]).stdout
        for family in ("-4", "-6")
    ]
    return {line.split()[0] for line in "".join(said).splitlines()}
