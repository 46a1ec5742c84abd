"""Every --json is what its schema in docs/schemas says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli.vsctl import after, vsctl
from vsctl.cli.main import COMMANDS

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


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
    Draft202012Validator(json.loads((SCHEMAS / f"{schema}.json").read_text())).validate(done.json)


def test_schemas_are_schemas_and_published() -> None:
    published = (SCHEMAS.parent / "json.md").read_text()
    for file in SCHEMAS.glob("*.json"):
        Draft202012Validator.check_schema(json.loads(file.read_text()))
        assert f"schemas/{file.name}" in published
    for command in COMMANDS:
        if "--json" in vsctl(command, "--help").out:
            assert f"`{command}`" in published
