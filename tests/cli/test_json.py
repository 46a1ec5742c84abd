"""Every --json is what its schema in docs/schemas says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.cli.vsctl import after, program, vsctl
from vsctl.cli.main import COMMANDS

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "argv"),
    [
        ("check", ["check", "FILE"]),
        ("check", ["check", "/nonexistent"]),
        ("plan", ["plan", "FILE", "--cib", "CIB"]),
        ("plan", ["apply", "FILE", "--cib", "CIB"]),
        ("status", ["status", "--cib", "CIB"]),
        ("status", ["status", "vs2", "--cib", "CIB"]),
        ("simulate", ["simulate", "--cib", "CIB", "--fail", "node:n1", "--fail", "subnet:n3/lan-a"]),
        ("prove", ["prove", "--cib", "CIB"]),
        ("why", ["why", "vs1", "--cib", "CIB"]),
        ("why", ["why", "vs2", "--cib", "CIB"]),
        ("why-not", ["why-not", "vs3", "n2", "--cib", "CIB"]),
        ("why-not", ["why-not", "vs1", "n1", "--cib", "CIB"]),
        ("hand", ["move", "vs2", "n1", "--cib", "CIB"]),
        ("hand", ["drain", "n3", "--cib", "CIB"]),
        ("hand", ["undrain", "n3", "--cib", "CIB"]),
        ("hand", ["failback", "--cib", "CIB"]),
        ("repair", ["repair", "vs1/data", "--yes", "--cib", "CIB"]),
        ("repair", ["repair", "vs1/data", "--status", "--cib", "CIB"]),
        ("install", ["install", "--prefix", "HERE"]),
    ],
)
def test_output_is_as_its_schema_says(
    schema: str, argv: list[str], cib: Path, nas: Path, tmp_path: Path
) -> None:
    """n2 is down, so that there is something to say."""
    cib.write_bytes(after(cib.read_bytes(), "--node-fail", "n2"))
    nas.write_text(nas.read_text().replace("priority: 100", "priority: 90"))
    places = {"FILE": str(nas), "CIB": str(cib), "HERE": str(tmp_path / "prefix")}
    done = vsctl(*(places.get(each, each) for each in argv), "--json")
    assert done.err == ""
    validate(schema, done.json)


def validate(schema: str, document: Any) -> None:
    Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text())).validate(document)


def test_what_a_cleanup_tries_again_is_said(cib: Path, tmp_path: Path) -> None:
    """Pacemaker's programs take a file for the cluster; only crm_resource, which asks the controller, cannot."""
    injected = (f"--op-inject={each}_monitor_10000@n1=1" for each in ("vs1-nfs", "vsctl-daemon"))
    cib.write_bytes(after(cib.read_bytes(), *injected))
    told = tmp_path / "told"
    program(tmp_path, "crm_resource", f'echo "$*" >> {told}')
    where = {"CIB_file": str(cib), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for servers, cleaned in ((["vs1"], ["vs1-nfs"]), (["vs3"], []), ([], ["vs1-nfs", "vsctl-daemon"])):
        done = vsctl("cleanup", *servers, "--json", env=where)
        assert (done.status, done.err, done.json) == (0, "", {"cleaned": cleaned})
        validate("cleanup", done.json)
    resources = [line.split()[-1] for line in told.read_text().splitlines()]
    assert resources == ["vs1-nfs", "vs1-nfs", "vsctl-daemon"]


def test_schemas_are_schemas_and_published() -> None:
    published = (SCHEMAS.parent / "json.md").read_text()
    for file in SCHEMAS.glob("*.json"):
        Draft202012Validator.check_schema(json.loads(file.read_text()))
        assert f"schemas/{file.name}" in published
    for command in COMMANDS:
        if "--json" in vsctl(command, "--help").out:
            assert f"`{command}`" in published
