"""Man pages and completion: nothing is missing, and roff takes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest

from tests.cli.vsctl import vsctl
from vsctl.cib_templates.timings import declared
from vsctl.cli import launchers, manual
from vsctl.cli.clusterfile import schema
from vsctl.cli.main import COMMANDS, main


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {page.file: page.text.replace("\\-", "-") for page in manual.pages()}


def test_every_command_and_option_is_there(pages: dict[str, str]) -> None:
    with click.Context(main, info_name="vsctl") as ctx:
        for name in COMMANDS:
            command = main.get_command(ctx, name)
            assert command is not None
            assert f"vsctl-{name}(1)" in pages["man1/vsctl.1"]
            for param in command.params:
                for word in (*param.opts, *param.secondary_opts) if isinstance(param, click.Option) else ():
                    assert f"{word}" in pages[f"man1/vsctl-{name}.1"], f"{name} {word}"


def test_every_parameter_and_action_of_every_agent_is_there(pages: dict[str, str]) -> None:
    for name in launchers.AGENTS:
        page = pages[f"man7/ocf_vsctl_{name}.7"]
        for each in (*declared(name).params(), *declared(name).operations()):
            assert f"\\fB{each.name}\\fR" in page, f"{name} {each.name}"


def test_every_key_of_the_cluster_file_is_there(pages: dict[str, str]) -> None:
    page = pages["man5/vsctl-cluster-file.5"]

    def keys(shape: object) -> set[str]:
        if isinstance(shape, list):
            return set().union(*map(keys, shape))
        if not isinstance(shape, dict):
            return set()
        here = set(shape["properties"]) if isinstance(shape.get("properties"), dict) else set()
        return here.union(*map(keys, shape.values()))

    for key in keys(schema.json_schema()):
        assert f"{key}\\fR" in page, key


@pytest.mark.slow
def test_roff_takes_every_page(tmp_path: Path) -> None:
    for file in manual.write(tmp_path):
        done = subprocess.run(
            ["man", "--local-file", "--warnings", tmp_path / file], capture_output=True, check=True, text=True
        )
        assert (file, done.stderr) == (file, "")
        assert "\\" not in done.stdout, file
    assert manual.write(tmp_path) == ()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = vsctl("completion", shell)
    assert done.status == 0
    assert "_VSCTL_COMPLETE" in done.out


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("vsctl pl", {"plan"}),
        ("vsctl move --cib CIB vs", {"vs1", "vs2", "vs3"}),
        ("vsctl move --cib CIB vs1 n", {"n1", "n2", "n3"}),
        ("vsctl drain --cib CIB n", {"n1", "n2", "n3"}),
        ("vsctl status --cib CIB vs2 vs", {"vs1", "vs2", "vs3"}),
        ("vsctl move --cib /nonexistent vs", set()),
    ],
)
def test_names_are_completed(cib: Path, words: str, found: set[str]) -> None:
    typed = words.replace("CIB", str(cib))
    env = {"_VSCTL_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    program = Path(launchers.__file__).parents[5] / "bin" / "vsctl"
    done = subprocess.run(
        [program],
        env=env | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {line.partition(",")[2] for line in done.stdout.splitlines() if line} == found
    assert done.stderr == ""
