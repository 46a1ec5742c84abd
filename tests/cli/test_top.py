"""`vsctl top` on a CIB in which node daemons have told something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli.living import without_daemon
from tests.cli.vsctl import vsctl
from vsctl.cli import measured
from vsctl.cli.commands.top import _short
from vsctl.cli.faults import with_attributes
from vsctl.policy.load import Load

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "top.json"
N1 = (
    "cpu=15.2/16 memory=52000000000/68719476736 network=120000000/20000000000 disk=34000000 operations=512 clients=4 "
    "locks=12;vs1 cpu=6.61 memory=820000000 network=120000000 disk=34000000 operations=512 clients=4 locks=12"
)
N3 = (
    "cpu=0.31/16 memory=9000000000/68719476736 network=0/20000000000 disk=0 operations=0 clients=1 locks=0;"
    "vs3 cpu=0.0123 memory=43000000 network=0 disk=0 operations=0 clients=1 locks=0"
)
TABLE = """\
NODE  CPU      MEMORY    BIT/S     DISK B/S  STATE
n1    15/16    48G/64G   120M/20G  34M       up
n2    -        -         -         -         up
n3    0.31/16  8.4G/64G  0/20G     0         up

SERVER  NODE  CPU   MEMORY  BIT/S  DISK B/S  OPS/S  CLIENTS  LOCKS
vs1     n1    6.6   782M    120M   34M       512    4        12
vs3     n3    0.01  41M     0      0         0      1        0
vs2     n2    -     -       -      -         -      -        -

n2 says nothing of load: a node does half a minute after its daemon has started;
`vsctl status` says what is wrong with a daemon
"""


@pytest.fixture
def busy(cib: Path) -> Path:
    content = with_attributes(cib.read_bytes(), "n1", {"load": N1})
    cib.write_bytes(with_attributes(content, "n3", {"load": N3}))
    return cib


def test_the_busiest_is_shown_first(busy: Path) -> None:
    done = vsctl("top", "--cib", busy)
    assert (done.status, done.err) == (0, "")
    assert done.out == TABLE
    assert max(map(len, done.out.splitlines())) <= 80


def test_programs_get_what_rebalance_reads(busy: Path, tmp_path: Path) -> None:
    done = vsctl("top", "--json", "--cib", busy)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(done.json)
    file = tmp_path / "loads.json"
    file.write_text(done.out)
    found = measured.from_file(file)
    assert found.servers["vs1"] == Load(6.61, 820000000, 120e6, 34e6, 512, 4, 12)
    assert set(found.servers) == {"vs1", "vs3"}
    assert set(found.capacities) == set(found.nodes) == {"n1", "n3"}


def test_ports_are_shown_on_request(busy: Path) -> None:
    busy.write_bytes(
        with_attributes(
            busy.read_bytes(), "n1", {"ports-traffic": "e0a=700000000/1000000000", "ports-states": "e0a=good"}
        )
    )
    said = vsctl("top", "--ports", "--cib", busy).out
    assert "n1/e0a  good     700M/1.0G" in said


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (0.004, "0.00"), (0.61, "0.61"), (3, "3"), (3.25, "3.2"), (12.7, "13"), (999, "999"), (999.9, "1.0k"),
     (1234, "1.2k"), (56_000_000, "56M"), (9.9e9, "9.9G"), (2e13, "20T"), (2e15, "2000T")],
)  # fmt: skip
def test_numbers_are_short(amount: float, text: str) -> None:
    assert _short(amount) == text


def test_what_a_dead_daemon_has_said_is_not_shown_as_load(busy: Path) -> None:
    busy.write_bytes(without_daemon(busy.read_bytes(), "n1"))
    found = vsctl("top", "--json", "--cib", busy).json
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(found)
    node, server = found["nodes"][0], next(each for each in found["servers"] if each["name"] == "vs1")
    assert (node["name"], node["load"], server["load"]) == ("n1", None, None)
    assert node["capacity"]["cpu"] == 16 and node["silent"] is True
    said = " ".join(vsctl("top", "--cib", busy).out.split())
    assert "the daemon of n1 does not work, and what it said of its load is old" in said
    assert "n2 says nothing of load: a node does half a minute" in said
