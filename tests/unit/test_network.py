"""What the network agents compute without touching the kernel."""

from __future__ import annotations

from ipaddress import ip_interface
from socket import AF_INET, AF_INET6, inet_pton

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsctl.agents import addresses, forwarding, frames, gate, names, netlink, ports
from vsctl.agents.vip import ports_by_node


@given(st.ip_addresses(), st.integers(0, 128))
def test_addresses_are_read_as_ipaddress_reads_them(ip: object, prefix: int) -> None:
    bits = 32 if "." in str(ip) else 128
    text = f"{ip}/{min(prefix, bits)}"
    ours, theirs = addresses.parse(text), ip_interface(text)
    assert ours.packed == theirs.ip.packed
    assert ours.network == theirs.network.network_address.packed
    assert str(ours) == str(addresses.parse(str(ours)))
    assert inet_pton(AF_INET6 if ":" in ours.ip else AF_INET, ours.ip) == ours.packed


@pytest.mark.parametrize(
    "text", ["", "192.0.2", "192.0.2.1/33", "2001:db8::1/129", "192.0.2.1/x", "192.0.2.1/", "a:b"]
)
def test_what_is_no_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no IP address|is not a number from 0 to"):
        addresses.parse(text)


def test_an_address_may_be_there_once() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.1 is there twice"):
        addresses.several("192.0.2.1/24 192.0.2.1/32")


def test_interface_names_fit_the_kernel_and_differ() -> None:
    assert names.interface("vs1") == "v-vs1"
    assert names.interface("a" * 13) == "v-" + "a" * 13
    long = {names.interface(f"projects-server-{number}") for number in range(1000)}
    assert len(long) == 1000
    assert all(len(each) == names.LONGEST for each in long)


def test_tables_are_in_our_range_and_differ() -> None:
    found = {names.table(f"vs{server}", f"lan-{subnet}") for server in range(500) for subnet in "abc"}
    assert len(found) == 1500
    assert all(names.TABLES <= each < 1 << 31 for each in found)
    assert names.table("vs1", "lan-a") == 1766872327, "the same on every node and in every release"


@pytest.mark.parametrize("text", ["", "1a", "vs/1", "..", "Vs1", "vs 1"])
def test_names_that_could_leave_their_directory_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a name begins with a letter"):
        names.known(text)


def test_ports_by_node() -> None:
    assert ports_by_node("n1=e0a,e0b n2=ens5") == {"n1": ("e0a", "e0b"), "n2": ("ens5",)}


@pytest.mark.parametrize("text", ["", "n1", "n1=", "=e0a", "n1=e0a,,e0b"])
def test_ports_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not of the form|at least one node"):
        ports_by_node(text)


@given(st.binary(max_size=41))
def test_checksums_prove_themselves(data: bytes) -> None:
    """Data with its checksum appended sums up to zero (RFC 1071)."""
    even = data + bytes(len(data) % 2)
    assert frames.checksum(even + frames.checksum(even)) == b"\0\0"


def test_gratuitous_arp_is_a_request_and_a_reply_to_everybody() -> None:
    packed, hardware = inet_pton(AF_INET, "192.0.2.11"), bytes.fromhex("020000000001")
    request, reply = frames.announcement(AF_INET, packed, hardware)
    assert request == bytes.fromhex(
        "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c000020b 000000000000 c000020b"
    )
    assert reply == bytes.fromhex(
        "ffffffffffff 020000000001 0806 0001 0800 06 04 0002 020000000001 c000020b 020000000001 c000020b"
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=20)), max_size=8, unique_by=lambda pair: pair[0]
    )
)
def test_netlink_attributes_are_read_as_written(pairs: list[tuple[int, bytes]]) -> None:
    written = b"".join(netlink.attribute(kind, payload) for kind, payload in pairs)
    assert len(written) % 4 == 0
    assert netlink.attributes(written) == dict(pairs)


def _filter(*lines: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the elements of the sets that have any, and the rules."""
    elements = {each.name: list(each.elements) for each in forwarding.sets(lines) if each.elements}
    return elements, forwarding.rules(lines)


def test_only_what_forwards_because_of_us_is_dropped() -> None:
    elements, rules = _filter("server vs1 192.0.2.11 2001:db8::11")
    assert "ports" not in elements
    assert "meta nfproto ipv6 drop" not in rules
    elements, rules = _filter("server vs1 192.0.2.11 2001:db8::11", "port e0a vs1/lan-a", "ipv6 vs1")
    assert elements["ports"] == ["e0a"]
    assert rules[-1] == "meta nfproto ipv6 drop"
    assert elements["ipv4"] == ["v-vs1 . 192.0.2.11"]
    assert elements["ipv6"] == ["v-vs1 . 2001:db8::11"]


def test_the_gate_holds_nfs_and_not_smb() -> None:
    held = {
        (kind, number)
        for each in gate.NFS.sets
        if each.name == "nfs"
        for kind, _, number in map(str.split, each.elements)
    }
    assert held == {(kind, str(port)) for kind in ("tcp", "udp") for port in ports.OF_NFS}
    assert ports.SMB not in ports.OF_NFS


def test_a_relay_passes_only_between_the_ports_to_the_server_and_those_to_its_clients() -> None:
    elements, _ = _filter("relay vs1/lan-a/detour e1a,e2a e0a 192.0.2.11 2001:db8:a::11")
    assert elements["relayed4"] == ["e1a . e0a . 192.0.2.11", "e2a . e0a . 192.0.2.11"]
    assert elements["relayed6"] == ["e1a . e0a . 2001:db8:a::11", "e2a . e0a . 2001:db8:a::11"]


def test_meeting_addresses_are_link_local_and_apart_from_all_that_mean_something() -> None:
    seen = {names.meeting(f"vs{each}", "lan-a", AF_INET) for each in range(2000)}
    assert all(b"\xa9\xfe\x01\x00" <= each < b"\xa9\xfe\x80\x00" for each in seen)
    assert len(seen) > 1900, "they are spread"
    assert names.meeting("vs1", "lan-a", AF_INET6)[:8] == b"\xfe\x80" + bytes(6)
