"""Which attempts to connect are kept while a way in is closed?"""

from __future__ import annotations

from _struct import pack
from ipaddress import ip_address
from socket import AF_UNIX, MSG_DONTWAIT, SOCK_DGRAM, socketpair

import pytest

from vsctl.agents import ports
from vsctl.agents.noded import callers, wire
from vsctl.agents.noded.callers import MOST, PAST, Calls

IPV4 = ("192.0.2.99", "192.0.2.11")
IPV6 = ("2001:db8:a::99", "2001:db8:a::11")
SYN, ACK, RST, ECN_SETUP = 0x02, 0x10, 0x04, 0xC2
TCP, UDP = 6, 17
NOTED = bytes(10)
"""What the kernel puts before a frame."""


def frame(
    addresses: tuple[str, str] = IPV4,
    client_port: int = 40000,
    port: int = ports.SMB,
    *,
    flags: int = SYN,
    protocol: int = TCP,
    more: bytes = b"",
) -> bytes:
    """Return a TCP segment as it goes out by an interface."""
    client, server = (ip_address(each).packed for each in addresses)
    segment = pack("!HHIIBBHHH", client_port, port, 7, 0, 5 << 4, flags, 65535, 0, 0) + more
    if len(client) == 16:
        ip = pack("!IHBB", 6 << 28, len(segment), protocol, 64) + client + server
        kind = 0x86DD
    else:
        ip = pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, protocol, 0) + client + server
        kind = 0x0800
    return bytes(12) + pack("!H", kind) + ip + segment


def passes(sent: bytes, *of_ports: int) -> bool:
    """Let the kernel say, without the first two instructions: only a packet of an interface has a direction."""
    here, there = socketpair(AF_UNIX, SOCK_DGRAM)
    with here, there:
        wire.heed(there, callers.attempts(of_ports)[2:])
        here.send(sent)
        try:
            return there.recv(2048, MSG_DONTWAIT) == sent
        except BlockingIOError:
            return False


@pytest.mark.parametrize("addresses", [IPV4, IPV6])
def test_only_attempts_to_connect_are_heard(addresses: tuple[str, str]) -> None:
    assert passes(frame(addresses), ports.SMB)
    assert passes(frame(addresses, flags=ECN_SETUP), ports.SMB)
    assert passes(frame(addresses, port=ports.RQUOTA, more=bytes(40)), *ports.OF_NFS)
    assert not passes(frame(addresses), *ports.OF_NFS)
    assert not passes(frame(addresses, flags=SYN | ACK), ports.SMB)
    assert not passes(frame(addresses, flags=ACK), ports.SMB)
    assert not passes(frame(addresses, flags=SYN | RST), ports.SMB)
    assert not passes(frame(addresses, protocol=UDP), ports.SMB)
    assert not passes(frame(addresses, more=bytes(1000)), ports.SMB)


def test_other_kinds_of_frames_are_not_heard() -> None:
    sent = frame()
    assert not passes(sent[:12] + b"\x08\x06" + sent[14:], ports.SMB)
    assert not passes(sent[:14] + b"\x46" + sent[15:], ports.SMB), "with options TCP begins elsewhere"
    assert not passes(sent[:20], ports.SMB)


@pytest.mark.parametrize("addresses", [IPV4, IPV6])
def test_of_each_port_of_a_client_the_last_attempt_is_kept(addresses: tuple[str, str]) -> None:
    calls = Calls()
    first, other, again = (
        NOTED + frame(addresses, *what) for what in ((40000, 445), (40001, 445), (40000, 445))
    )
    again += b"again"
    for each in (first, other, again):
        calls.add(each, 0.0)
    assert calls.recent(1.0, [445]) == [other, again]
    assert calls.recent(1.0, [2049]) == []


def test_no_more_than_the_newest_are_kept_and_nothing_old() -> None:
    calls = Calls()
    calls.add(NOTED + frame(client_port=1), 0.0)
    flood = [NOTED + frame(client_port=2 + number) for number in range(MOST)]
    for each in flood[: MOST // 2]:
        calls.add(each, 0.0)
    for each in flood[MOST // 2 :]:
        calls.add(each, PAST)
    assert calls.recent(PAST, [445]) == flood
    assert calls.recent(PAST + 0.1, [445]) == flood[MOST // 2 :]
    assert calls.recent(2 * PAST + 0.1, [445]) == []
