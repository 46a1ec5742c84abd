"""`vsctl rebalance ports`, `events` and `release` on a CIB in which node daemons have told something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from lxml import etree

from tests.cli.vsctl import CLUSTER_FILE, vsctl
from vsctl.cli.faults import with_attributes

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
STATES = "e0a=good e0b=good e1a=good"
BUSY = {
    "ports-states": STATES,
    "ports-announced": "vs1/lan-a=e0a vs2/lan-a=e0a vs1/lan-b=e1a",
    "ports-traffic": "e0a=700000000/1000000000 e0b=0/1000000000 e1a=0/1000000000 vs1/lan-a=400000000 vs2/lan-a=300000000",
}
EVENTS = {
    "n1": "1000.25 port e0a lost;1000.75 address vs1/lan-a e0b;1003.5 port e0a waiting",
    "n2": "1000.5 subnet lan-a lost;1001 server vs2 leave;1002 filesystem vs2/data damaged",
}


@pytest.fixture
def busy(cib: Path) -> Path:
    """vs1 and vs2 are busy on one port of n1."""
    cib.write_bytes(with_attributes(cib.read_bytes(), "n1", BUSY))
    return cib


def is_as_agreed(schema: str, document: object) -> None:
    Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text())).validate(document)


def test_two_busy_addresses_on_one_port(busy: Path) -> None:
    before = busy.read_bytes()
    done = vsctl("rebalance", "ports", "--cib", busy)
    assert (done.status, done.err) == (0, "")
    assert "vs2 moves e0a -> e0b of n1 on lan-a" in done.out
    assert "carries 700 Mbit/s, then 400 Mbit/s" in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines())) <= 80
    assert busy.read_bytes() == before, "it only says so"


@pytest.mark.slow
def test_the_order_is_written_where_it_stays(busy: Path, nas: Path) -> None:
    done = vsctl("rebalance", "ports", "--apply", "--cib", busy, "--json")
    assert done.status == 0
    is_as_agreed("rebalance", done.json)
    (move,) = done.json["moves"]
    assert (move["server"], move["from"], move["to"]) == ("vs2", "e0a", "e0b")
    assert ports(busy, "vs2-vip-lan-a") == "n1=e0b,e0a n2=e0a,e0b n3=e0a,e0b"
    assert ports(busy, "vs1-vip-lan-a") == "n1=e0a,e0b n2=e0a,e0b n3=e0a,e0b"
    assert "nothing to do" in vsctl("plan", nas, "--cib", busy).out, "the file does not speak against it"
    assert vsctl("drain", "n3", "--cib", busy).status == 0
    assert ports(busy, "vs2-vip-lan-a").startswith("n1=e0b,e0a"), "whatever else is written"
    nas.write_text(
        CLUSTER_FILE.replace("n1: {ports: {e0a: lan-a, e0b: lan-a,", "n1: {ports: {e0b: lan-a, e0a: lan-a,")
    )
    assert vsctl("apply", nas, "--yes", "--cib", busy).status == 0
    assert ports(busy, "vs1-vip-lan-a").startswith("n1=e0b,e0a"), "who changes the file means it"


def ports(cib: Path, announcer: str) -> str:
    (pair,) = etree.fromstring(cib.read_bytes()).xpath(
        "//primitive[@id=$id]/instance_attributes/nvpair[@name='ports']", id=announcer
    )
    return str(pair.get("value"))


def test_nothing_is_moved_to_a_port_that_is_not_good(busy: Path) -> None:
    silent = {**BUSY, "ports-states": "e0a=good e0b=silent e1a=good"}
    busy.write_bytes(with_attributes(busy.read_bytes(), "n1", silent))
    assert "nothing to move" in vsctl("rebalance", "ports", "--cib", busy).out


def test_without_news_nothing_is_evened_out(cib: Path) -> None:
    done = vsctl("rebalance", "ports", "--cib", cib)
    assert (done.status, done.out) == (1, "")
    assert "no node says what its ports carry" in done.err


def test_events_of_all_nodes_by_time(cib: Path) -> None:
    content = cib.read_bytes()
    for node, told in EVENTS.items():
        content = with_attributes(content, node, {"ports-events": told})
    cib.write_bytes(content)
    done = vsctl("events", "--cib", cib, "--json")
    is_as_agreed("events", done.json)
    assert [(each["node"], each["about"]) for each in done.json["events"]] == [
        ("n1", "e0a"), ("n2", "lan-a"), ("n1", "vs1/lan-a"), ("n2", "vs2"), ("n2", "vs2/data"), ("n1", "e0a"),
    ]  # fmt: skip
    lines = vsctl("events", "n2", "--cib", cib).out.splitlines()
    assert lines[0].endswith("n2    lan-a is lost")
    assert lines[-1].endswith("n2    data of vs2 was found damaged, and is blocked")
    assert all(len(each) <= 80 for each in vsctl("events", "--cib", cib).out.splitlines())


def test_no_events_is_said(cib: Path) -> None:
    assert vsctl("events", "--cib", cib).out.startswith("nothing has happened that a node knows of")
    assert vsctl("events", "n7", "--cib", cib).err == "there is no node n7: there are n1, n2 and n3\n"


def test_release_is_for_the_running_cluster(cib: Path) -> None:
    done = vsctl("release", "n1/e0a", "--cib", cib)
    assert (done.status, done.out) == (1, "")
    assert done.err == "release is for the running cluster: no node heeds a CIB in a file\n"
