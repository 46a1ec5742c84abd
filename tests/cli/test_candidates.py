"""`candidates` in the cluster file: what the commands make of servers that are kept to a few nodes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from tests.cli.vsctl import after, settled, vsctl
from vsctl.cib_templates import stored
from vsctl.cli.store import CibFile

NODES = ("n1", "n2", "n3", "n4", "n5")


def text(policy: str = "candidates: 3") -> str:
    nodes = "".join(f"  {each}: {{ports: {{e0a: lan-a}}}}\n" for each in NODES)
    fencing = "".join(f"  {each}: {{agent: fence_ipmilan}}\n" for each in NODES)
    servers = "".join(
        f"  vs{at}: {{home: n{at}, addresses: [192.0.2.1{at}/24], filesystems: {{root: {{device: /dev/disk{at}, "
        "type: xfs, storage: san1, exports: [{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]}}}\n"
        for at in (1, 2)
    )
    return (
        "name: nas1\nsubnets: {lan-a: {networks: [192.0.2.0/24]}}\nstorage: {san1: {}}\n"
        f"nodes:\n{nodes}fencing:\n{fencing}virtual_servers:\n{servers}policy: {{{policy}}}\n"
    )


@cache
def ready() -> bytes:
    return settled(text())


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """vs1 is kept to n1, n2 and n3, vs2 to n2, n3 and n4; each is on its home."""
    file = tmp_path / "cib.xml"
    file.write_bytes(ready())
    return file


def kept(cib: Path) -> dict[str, tuple[str, ...]]:
    return stored.candidates(etree.fromstring(cib.read_bytes()))


def on(cib: Path, server: str) -> str | None:
    cib.write_bytes(after(cib.read_bytes()))
    return CibFile(cib).facts().placement.node_of(f"{server}-net")


def test_the_file_is_applied_once(five: Path, tmp_path: Path) -> None:
    assert {server: nodes[0] for server, nodes in kept(five).items()} == {"vs1": "n1", "vs2": "n2"}
    assert {len(nodes) for nodes in kept(five).values()} == {3}
    file = tmp_path / "nas.yaml"
    file.write_text(text())
    assert "nothing to do" in vsctl("plan", file, "--cib", five).out


@pytest.mark.slow
def test_whoever_asks_for_more_or_less_moves_nothing(five: Path, tmp_path: Path) -> None:
    file = tmp_path / "nas.yaml"
    for policy, count in (("candidates: all", 0), ("candidates: 4", 2), ("candidates: 3", 2)):
        file.write_text(text(policy))
        done = vsctl("apply", file, "--cib", five)
        assert (done.status, done.err) == (0, "") and "nothing moves" in done.out
        assert len(kept(five)) == count
        assert (on(five, "vs1"), on(five, "vs2")) == ("n1", "n2")


@pytest.mark.slow
def test_a_move_adds_its_node_and_failback_takes_it_away(five: Path) -> None:
    before = kept(five)["vs1"]
    away = next(each for each in NODES if each not in before)
    assert "never: vs1 is kept to" in vsctl("why", "vs1", "--cib", five).out
    assert vsctl("why-not", "vs1", away, "--cib", five, "--json").json["changes"] == [
        f"`vsctl move vs1 {away}`"
    ]
    assert vsctl("move", "vs1", away, "--cib", five).out == f"vs1 moves n1 -> {away}\n"
    assert kept(five)["vs1"] == (*before, away)
    assert on(five, "vs1") == away
    assert vsctl("failback", "vs1", "--cib", five).status == 0
    assert on(five, "vs1") in kept(five)["vs1"]


@pytest.mark.slow
def test_a_drain_of_all_of_them_empties_them(five: Path) -> None:
    for node in kept(five)["vs1"]:
        assert vsctl("drain", node, "--cib", five).status == 0
    assert on(five, "vs1") not in (None, "n1", "n2", "n3")


def test_when_none_of_them_is_up_it_says_what_helps(five: Path) -> None:
    gone = kept(five)["vs1"]
    five.write_bytes(after(five.read_bytes(), *(word for node in gone for word in ("--node-fail", node))))
    said = " ".join(vsctl("status", "vs1", "--cib", five).out.split())
    assert f"vs1 can run on {', '.join(gone)} only, and none of them is up; `vsctl move vs1 NODE`" in said
    other = next(each for each in NODES if each not in gone)
    assert vsctl("move", "vs1", other, "--cib", five).out == f"vs1 starts on {other}\n"


@pytest.mark.slow
def test_prove_says_what_it_costs(five: Path) -> None:
    """With two nodes down, the third one of a server is its last; but for `candidates` it would have two more."""
    first, second, third = kept(five)["vs1"]
    five.write_bytes(after(five.read_bytes(), "--node-fail", first, "--node-fail", second))
    done = vsctl("prove", "--cib", five)
    assert done.status == 1
    assert f"fail node:{third}\n" in done.out
    assert "to keep vs1: raise `candidates` in `policy`, or leave it out" in " ".join(done.out.split())


@pytest.mark.parametrize("value", ["2", "0", "few", '"3"', "3.5"])
def test_fewer_than_three_are_refused(value: str, tmp_path: Path) -> None:
    file = tmp_path / "nas.yaml"
    file.write_text(text(f"candidates: {value}"))
    done = vsctl("check", file)
    assert done.status == 1 and "candidates of policy is" in done.out
