"""What node daemons and files say of loads."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.stories import cast
from tests.unit.test_report import facts
from vsctl.agents.noded import loads as daemon
from vsctl.cli import measured
from vsctl.cli.facts import Attribute, Facts
from vsctl.cli.placement import Running
from vsctl.cli.programs import Refused
from vsctl.policy import naming
from vsctl.policy.load import Load, Measured, Size, sizes

NODE = "cpu=1.5/16 memory=9000/64000 network=12000000/20000000000 disk=340 operations=510 clients=4 locks=12"
VS1 = "vs1 cpu=0.6 memory=820 network=12000000 disk=340 operations=510 clients=4 locks=12"
BUSY = Load(0.6, 820, 12e6, 340, 510, 4, 12)

CLUSTER = cast.cluster(["nodes: n1 n2", "vs1: home=n1", "vs2: home=n1"])


def said(**attributes: str) -> Facts:
    """Return what is so while everything runs on n1 and nodes say this of loads."""
    found = facts(CLUSTER, "n1", ("n1", "n2"))
    told = tuple(Attribute(node, measured.LOAD, text) for node, text in attributes.items())
    return replace(found, attributes=told)


def test_a_node_tells_of_itself_and_of_its_servers() -> None:
    found = measured.read(said(n1=f"{NODE};{VS1}"))
    assert found.servers == {"vs1": BUSY}, "vs2 was not measured, and nothing stands for it"
    assert found.nodes == {"n1": Load(1.5, 9000, 12e6, 340, 510, 4, 12)}
    assert found.capacities == {"n1": Size(16, 64000, 20e9)}


def test_of_a_server_only_its_own_node_is_heard() -> None:
    stale = VS1.replace("cpu=0.6", "cpu=9")
    assert measured.read(said(n1=f"{NODE};{VS1}", n2=f"{NODE};{stale}")).servers == {"vs1": BUSY}


@pytest.mark.parametrize("text", ["", ";", "nonsense", "cpu=1", f"{NODE};vs1 cpu=x", f"{NODE};;vs1 cpu=-1"])
def test_what_cannot_be_understood_is_not_measured(text: str) -> None:
    assert measured.read(said(n1=text)).servers == {}


@pytest.mark.parametrize("state", [Running(naming.DAEMON, ()), Running(naming.DAEMON, ("n1",), failed=True)])
def test_what_a_daemon_has_said_that_does_not_work_is_no_load_any_more(state: Running) -> None:
    well = said(n1=f"{NODE};{VS1}")
    assert measured.read(well).silent == ()
    others = (each for each in well.placement.resources if each.resource != naming.DAEMON)
    on_n2 = Running(naming.DAEMON, ("n2",))
    found = measured.read(replace(well, placement=replace(well.placement, resources=(*others, state, on_n2))))
    assert (found.servers, found.nodes) == ({}, {}), "vs1 counts as the file says, or as an average one"
    assert found.silent == ("n1",), "and it is said"
    assert found.capacities == {"n1": Size(16, 64000, 20e9)}, "a node does not shrink by saying nothing"


def test_what_the_operator_says_of_a_node_comes_first() -> None:
    cluster = cast.cluster(["nodes: n1 n2", "hard: n1=4", "vs1: home=n1"])
    found = Measured(capacities={"n1": Size(16, 64000, 20e9, 100)})
    assert sizes(cluster, found) == {"n1": Size(4, 64000, 20e9, 100)}


amounts = some.floats(0, 1e15)
counts = some.integers(0, 2**50)
loads = some.builds(Load, amounts, counts, amounts, amounts, amounts, counts, counts)
capacities = some.builds(Size, amounts, counts, amounts, some.none() | amounts)
names = some.sampled_from(["n1", "n2", "n3"])


@given(some.builds(Measured, some.dictionaries(names, loads), some.dictionaries(names, loads), some.dictionaries(names, capacities), some.sets(names).map(sorted).map(tuple)))  # fmt: skip
def test_what_is_written_down_is_read_again(value: Measured) -> None:
    names = ("n1", "n2", "n3")
    document = measured.document(value, dict.fromkeys(names, "online"), dict.fromkeys(names))
    assert measured.from_document(json.loads(json.dumps(document)), "it") == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "has no list of servers"),
        ('{"servers": [{"load": null}]}', "has no list of servers"),
        ('{"nodes": 7}', "has no list of nodes"),
        ('{"servers": [{"name": "vs1", "load": {"cpu": 1}}]}', "the load of vs1 needs numbers from 0 up: cpu, memory"),
        ('{"servers": [{"name": "vs1", "load": "much"}]}', "the load of vs1 needs numbers"),
        ('{"nodes": [{"name": "n1", "capacity": {"cpu": -1, "memory": 1, "network": 1}}]}', "the capacity of n1 needs"),
        ("{", "what `vsctl top --json` prints"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_list_of_loads_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "loads"
    file.write_text(text)
    with pytest.raises(Refused) as refusal:
        measured.from_file(file)
    assert complaint in str(refusal.value)
    with pytest.raises(Refused):
        measured.from_file(tmp_path / "none")


def test_a_file_needs_no_more_than_names_and_numbers(tmp_path: Path) -> None:
    file = tmp_path / "loads"
    file.write_text(json.dumps({"servers": [{"name": "vs1", "load": asdict(BUSY)}]}))
    assert measured.from_file(file) == Measured({"vs1": BUSY})


@given(loads, loads, capacities)
def test_what_daemons_write_is_what_is_read(node: Load, server: Load, most: Size) -> None:
    """To three digits, which is what they tell."""
    told = {"cpu": most.cpu, "memory": most.memory, "network": most.network}
    text = (
        f"{daemon.text(daemon.Load(**asdict(node)), told)};vs1 {daemon.text(daemon.Load(**asdict(server)))}"
    )
    found = measured.read(said(n1=text))
    assert asdict(found.nodes["n1"]) == pytest.approx(asdict(node), rel=0.01)
    assert asdict(found.servers["vs1"]) == pytest.approx(asdict(server), rel=0.01)
    assert found.capacities["n1"].memory == pytest.approx(most.memory, rel=0.01)
