"""What an operator is told of exports that NFS clients wait for, on a CIB in which a node daemon has told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli.living import without_daemon
from tests.cli.vsctl import CLUSTER_FILE, settled, vsctl
from vsctl.cli.faults import with_attributes

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "status.json"


def waiting(cib: Path, node: str = "n1", said: str = "vs1=/data/projects vs2=/data/projects") -> Path:
    cib.write_bytes(with_attributes(cib.read_bytes(), node, {"exports-waited": said}))
    return cib


def test_status_says_what_is_waited_for(cib: Path) -> None:
    done = vsctl("status", "--cib", waiting(cib))
    assert (
        "/data/projects of vs1 is waited for: NFS clients are told to try again until it is back"
        in " ".join(done.out.split())
    )
    assert "data is waited for" in done.out
    assert "of vs2" not in done.out, "vs2 has no such export"
    assert "nfs /data/projects (clients wait)" in vsctl("status", "vs1", "--cib", cib).out


def test_programs_are_told_as_well(cib: Path) -> None:
    said = vsctl("status", "--json", "--cib", waiting(cib)).json
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(said)
    found = {(s["name"], f["name"]): f["waited"] for s in said["servers"] for f in s["filesystems"]}
    assert found.pop(("vs1", "data")) == ["/data/projects"]
    assert not any(found.values())


def test_a_path_may_have_blanks(tmp_path: Path) -> None:
    file = tmp_path / "cib.xml"
    file.write_bytes(
        settled(CLUSTER_FILE.replace("{path: /projects, c", "{path: /projects, as: /my data, c"))
    )
    assert (
        "/my data of vs1 is waited for" in vsctl("status", "--cib", waiting(file, said="vs1=/my%20data")).out
    )


@pytest.mark.parametrize(
    ("node", "said"), [("n1", "none"), ("n2", "vs1=/data/projects"), ("n1", "vs1=/gone")]
)
def test_what_another_node_says_or_is_no_export_concerns_nobody(cib: Path, node: str, said: str) -> None:
    assert "waited for" not in vsctl("status", "--cib", waiting(cib, node, said)).out


def test_what_a_dead_daemon_has_said_is_not_believed(cib: Path) -> None:
    waiting(cib).write_bytes(without_daemon(cib.read_bytes(), "n1"))
    assert "waited for" not in vsctl("status", "--cib", cib).out
