"""Who may import whom: the table of docs/architecture.md."""

import ast
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
FORBIDDEN = {
    "policy": {"os", "subprocess", "time", "random", "socket", "pathlib"}
    | {"lxml", "click", "jinja2", "yaml", "pyroute2"}
    | {"vsctl.agents", "vsctl.cib_templates", "vsctl.cli"},
    "agents": {"click", "jinja2", "lxml", "yaml", "vsctl.policy", "vsctl.cib_templates", "vsctl.cli"},
    "cib_templates": {"subprocess", "click", "vsctl.cli", "pyroute2"},
    "cli": {"pyroute2"},
}


def imports(file: Path) -> set[str]:
    """Return every module a file imports, each with all the packages it is in."""
    named = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            named |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named |= {node.module} | {f"{node.module}.{each.name}" for each in node.names}
    parts = [name.split(".") for name in named]
    return {".".join(each[:length]) for each in parts for length in range(1, len(each) + 1)}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_folder_imports_only_what_it_may(folder: str) -> None:
    files = list((TOP / folder).rglob("*.py"))
    assert files
    for file in files:
        assert not imports(file) & FORBIDDEN[folder], f"{file.relative_to(TOP)} breaks docs/architecture.md"
