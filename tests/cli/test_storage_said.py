"""What an operator is told of storage units, by `status` and `events`, on a CIB in which node daemons have told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli.vsctl import CLUSTER_FILE, after, settled, vsctl
from vsctl.cli.faults import with_attributes

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "events.json"
NODES = ("n1", "n2", "n3")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("san1=slow", "storage san1 is slow: reads take more than a second on n1"),
        ("san1=failing", "storage san1 does not answer every read"),
        ("san1=hung", "storage san1 hangs: reads do not come back on n1"),
        (
            "san1=waiting",
            "storage san1 answers again, and is used when it has for a while on n1; `vsctl release n1/san1` uses it now",
        ),
    ],
)
def test_status_says_how_storage_is(cib: Path, said: str, words: str) -> None:
    cib.write_bytes(with_attributes(cib.read_bytes(), "n1", {"units-states": said}))
    done = vsctl("status", "--cib", cib)
    assert done.status == 1
    assert words in " ".join(done.out.split())


def test_status_is_silent_about_storage_that_is_well(cib: Path) -> None:
    cib.write_bytes(with_attributes(cib.read_bytes(), "n1", {"units-states": "san1=good san2=good"}))
    assert "storage" not in vsctl("status", "--cib", cib).out


def test_status_says_why_a_server_waits_for_its_storage(tmp_path: Path) -> None:
    content = settled(CLUSTER_FILE.replace("    home: n1\n", "    home: n1\n    on_storage_loss: stop\n", 1))
    for node in NODES:
        content = with_attributes(content, node, {"storage-san1": "0"})
    file = tmp_path / "cib.xml"
    file.write_bytes(after(content))
    words = " ".join(vsctl("status", "--cib", file).out.split())
    assert "waits for its storage, which no node reaches (on_storage_loss: stop)" in words
    assert "no node reaches storage san1" in words


def test_events_tell_of_storage_and_of_nodes_that_are_given_up(cib: Path) -> None:
    told = "1000.5 storage san1 slow;1001 storage san1 hung;1002 node n1 empty;1003 node n1 fence"
    cib.write_bytes(with_attributes(cib.read_bytes(), "n1", {"ports-events": told}))
    done = vsctl("events", "--cib", cib, "--json")
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(done.json)
    assert [each["sentence"] for each in done.json["events"]] == [
        "storage san1 is slow",
        "storage san1 is lost: reads do not come back",
        "n1 is to be left by all servers: one cannot be stopped there, and could start elsewhere",
        "n1 is to be fenced, so that a server which is stuck there can start elsewhere",
    ]
