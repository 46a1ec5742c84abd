"""What is BIRD told to do? BIRD itself judges whether it understands."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from vsctl.agents import bird, hostroute
from vsctl.agents.addresses import parse

DECLARED = "lan-b bgp 64512 198.51.100.1@64500 2001:db8:b::1@4200000000 /etc/vsctl/bgp;lan-c ospf 0.0.0.1 4 6"
PORTS = {"e1a": "lan-b", "e1b.7@x": "lan-b", "e2a": "lan-c"}
ADDRESSES = {
    "e1a": [parse("198.51.100.101/24"), parse("2001:db8:b::101/64")],
    "e1b.7@x": [parse("203.0.113.5/24"), parse("2001:db8:b::121/64")],
}


def text(declared: str = DECLARED) -> str:
    return bird.configuration(bird.routers(declared), PORTS, ADDRESSES, {"/etc/vsctl/bgp": "a word"})


@pytest.mark.skipif(shutil.which("bird") is None, reason="bird2 is missing")
@pytest.mark.parametrize("declared", [DECLARED, DECLARED.replace(";", " bfd;") + " bfd"])
def test_bird_understands_it(tmp_path: Path, declared: str) -> None:
    file = tmp_path / "bird.conf"
    file.write_text(text(declared))
    done = subprocess.run(["bird", "-p", "-c", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_signs_of_life_are_given_where_routers_give_them(tmp_path: Path) -> None:
    assert "bfd" not in text()
    told = text(f"{DECLARED} bfd")
    (signs,) = [line for line in told.splitlines() if line.startswith("protocol bfd")]
    assert '"e2a"' in signs
    assert '"e1a"' not in signs, "lan-b's routers speak none"
    assert {line.split()[1] for line in told.splitlines() if "bfd on" in line} == {"ospf"}
    assert bird.routers("lan-b bgp 64512 198.51.100.1@64500 /a bfd")[0].bfd


def test_nothing_is_learnt_and_nothing_else_is_told() -> None:
    protocols = [line for line in text().splitlines() if line.startswith(("protocol bgp", "protocol ospf"))]
    assert len(protocols) == 2 + 1 + 2, "e1b has no address beside the IPv4 router"
    assert all("import none" in each for each in protocols)
    tables = [line for line in text().splitlines() if line.startswith("protocol kernel")]
    assert all("export none" in each and "kernel table 1073741823" in each for each in tables)
    assert [each.partition("net.len = ")[2][:3].rstrip(";") for each in tables] == ["32", "128"]


def test_every_port_is_a_router_of_its_own() -> None:
    names = {each.partition("router id ")[2].partition(";")[0] for each in text().splitlines()} - {""}
    assert len(names) == 1 + len(PORTS)


def test_what_is_to_be_spoken_is_known_also_where_it_cannot_be() -> None:
    spoken = bird.spoken(bird.routers(DECLARED), PORTS)
    assert spoken == ["e1a 4", "e1a 6", "e1b.7@x 4", "e1b.7@x 6", "e2a 4", "e2a 6"]


@pytest.mark.parametrize(
    "wrong",
    [
        "lan-b",
        "lan-b rip 1",
        "lan-b bgp 64512",
        "lan-b bgp x 198.51.100.1@64500",
        "lan-b bgp 64512 198.51.100.1",
        "lan-b bgp 64512 198.51.100.1@64500 /a /b",
        "lan-b bgp 64512 peer@64500",
        "lan-b ospf 0.0.0.0",
        "lan-b ospf x 4",
        "LAN bgp 64512 198.51.100.1@64500",
    ],
)
def test_what_is_no_router_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        bird.routers(wrong)


def test_ways_out_are_read_for_each_node_in_order() -> None:
    read = hostroute.by_node("lan-b 198.51.100.1 2001:db8:b::1 n1=e1a,e1b n2=e1a;lan-c 203.0.113.1 n1=e2a")
    assert [str(each) for each in read["n1"]] == [
        "e1a=198.51.100.1,2001:db8:b::1",
        "e1b=198.51.100.1,2001:db8:b::1",
        "e2a=203.0.113.1",
    ]
    assert [str(hostroute.via(str(each))) for each in read["n2"]] == ["e1a=198.51.100.1,2001:db8:b::1"]
    assert hostroute.by_node("") == {}


@pytest.mark.parametrize("wrong", ["LAN 198.51.100.1 n1=e1a", "lan-b x n1=e1a", "lan-b 198.51.100.1 =e1a"])
def test_what_is_no_way_out_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        hostroute.by_node(wrong)
