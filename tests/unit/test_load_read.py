"""What the node daemon makes of what the kernel says about servers, whatever bytes others have put there."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from vsctl.agents import paths
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import measuring, usage
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.loads import EVERY, Process, Sample
from vsctl.agents.noded.loop import Loop
from vsctl.agents.noded.measuring import Measuring

OURS = f"40 1 8:2 / {paths.MOUNTS}/vs1/data rw - xfs /dev/sdb rw\n".encode()
LOCK = b"1: OFDLCK ADVISORY  READ -1 08:02:77 0 EOF\n"


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is read instead of those of the kernel."""
    path, read = tmp_path / "said", usage._read
    monkeypatch.setattr(usage, "_read", lambda _: read(str(path)))
    return path


@pytest.mark.parametrize("name", [b"caf\xe9", "caf\u0085\u2028e".encode()])
def test_mounts_of_others_may_have_any_name(said: Path, name: bytes) -> None:
    said.write_bytes(b"39 1 8:1 / /mnt/" + name + b" rw - ext4 /dev/sda rw\n" + OURS)
    assert usage._devices(["vs1"]) == {"vs1": {(8, 2)}}


def test_a_lock_on_a_file_that_is_gone_is_nobodys(said: Path) -> None:
    said.write_bytes(LOCK + b"2: OFDLCK ADVISORY  WRITE -1 <none>:0 0 EOF\n")
    assert usage._locks() == {(8, 2): 1}


def looking(ports: list[str]) -> Measuring:
    loop = Loop()
    attributes = Attributes(loop, lambda _: None)
    return Measuring(loop, attributes, Netlink(), servers=list, ports=lambda: ports, clients=dict)


def test_what_cannot_be_understood_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nonsense(_: str) -> str:
        raise ValueError("nonsense")

    monkeypatch.setattr(usage, "_read", nonsense)
    node = looking([])
    node.look()
    assert node.look in [each for *_, each in node._loop._times], "it looks again"
    assert node._attributes._wanted["load"].value is None


def test_a_port_that_is_lost_is_told_though_the_load_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    times = count()
    same = Sample(0.0, {(1, ""): Process(0, 0.0, 0)}, 4096, {"v": 0})
    monkeypatch.setattr(usage, "of_node", lambda *_: replace(same, when=next(times) * EVERY))
    ports = ["e0a-is-not-here", "e0b-is-not-here"]
    node = looking(ports)

    def told() -> str:
        node.look()
        return str(node._attributes._wanted["load"].value)

    while node._attributes._wanted["load"].value is None:
        node.look()
    assert "network=0/20000000000" in told()
    ports.pop()
    assert "network=0/10000000000" in told()


def test_what_cannot_be_measured_any_more_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = [0.0]
    same = Sample(0.0, {(1, ""): Process(0, 0.0, 0)}, 4096, {"v": 0})
    monkeypatch.setattr(measuring, "now", lambda: passed[0])
    node = looking([])

    def measurable(*_: object) -> Sample:
        return replace(same, when=passed[0])

    def told() -> str | None:
        passed[0] += EVERY
        node.look()
        return node._attributes._wanted["load"].value

    def unmeasurable(*_: object) -> Sample:
        raise ValueError("nonsense")

    monkeypatch.setattr(usage, "of_node", measurable)
    first = [told() for _ in range(5)]
    assert first[:2] == [None, None] and first[2] is not None, (
        "what a daemon before has said is taken back at once"
    )
    monkeypatch.setattr(usage, "of_node", unmeasurable)
    assert [told() for _ in range(5)] == [first[-1]] * 3 + [None] * 2
    monkeypatch.setattr(usage, "of_node", measurable)
    assert any(told() for _ in range(5)), "and told again"
