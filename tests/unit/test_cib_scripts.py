"""The scripts for pcs and crm build what we would write ourselves."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.stories import cast
from tests.stories.scheduler import bare
from vsctl.cib_templates import script_crm, script_pcs
from vsctl.cib_templates.merge import merge
from vsctl.cib_templates.render import render
from vsctl.cib_templates.stored import Stored
from vsctl.policy.hand import Hand
from vsctl.policy.model import FenceDevice, Fencing
from vsctl.policy.rules import configuration

LINES = [
    "nodes: n1 n2",
    "policy: failback=22:30-05:15 candidates=3",
    "hard: n1=4",
    "vs1: priority=100 home=n1 cpu=2.5 filesystems=root,data smb=root",
    "vs2: pinned home=n2 nfs=none smb=root apart=vs1",
]
SMALL = ["nodes: n1 n2", "vs1: home=n1"]
DEVICE = FenceDevice("fence_ipmilan", (("ip", "203.0.113.1"), ("password", 'it\'s "so" \\ & <so>')))
FENCING = (Fencing("n1", ((DEVICE, DEVICE), (DEVICE,))), Fencing("n2", ((DEVICE,),)))
STORED = Stored('{"name": "it\'s \\"nas1\\" & <co>"}', (("vs1", '{"a": "\\\\;"}'),))


@pytest.fixture
def ours() -> etree._Element:
    cluster = replace(cast.cluster(LINES), fencing=FENCING)
    return render(configuration(cluster, Hand().drain("n1").move("vs1", "n2")), STORED)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cib.xml"
    path.write_bytes(etree.tostring(bare(("n1", "n2"))))
    return path


@pytest.mark.slow
def test_both_can_read_it(ours: etree._Element, file: Path, tmp_path: Path) -> None:
    merged = merge(ours, etree.parse(file).getroot(), frozenset()).cib
    file.write_bytes(etree.tostring(merged))
    for command in (["pcs", "-f", file, "config"], ["crm", "configure", "show"]):
        run = subprocess.run(command, env=environment(file), capture_output=True, check=False, text=True)
        assert run.returncode == 0, run.stderr
        assert "vs1-fs-data" in run.stdout


@pytest.mark.slow
def test_pcs_makes_one_server(file: Path, tmp_path: Path) -> None:
    cluster = replace(cast.cluster(SMALL), fencing=FENCING[1:])
    assert_pcs_makes(render(configuration(cluster, Hand()), STORED), file, tmp_path)


@pytest.mark.full  # a hundred runs of pcs
@pytest.mark.timeout(900)
def test_pcs(ours: etree._Element, file: Path, tmp_path: Path) -> None:
    assert_pcs_makes(ours, file, tmp_path)


def assert_pcs_makes(ours: etree._Element, file: Path, tmp_path: Path) -> None:
    wanted = objects(merge(ours, etree.parse(file).getroot(), frozenset()).cib)
    script = tmp_path / "script"
    script.write_text(script_pcs.script(ours))
    run = subprocess.run(["sh", script, file], capture_output=True, check=False, text=True)
    assert run.returncode == 0, run.stderr
    assert objects(etree.parse(file).getroot()) == wanted


@pytest.mark.slow
def test_crm(ours: etree._Element, file: Path, tmp_path: Path) -> None:
    wanted = objects(merge(ours, etree.parse(file).getroot(), frozenset()).cib)
    script = tmp_path / "script"
    script.write_text(script_crm.script(ours))
    run = subprocess.run(
        ["crm", "-F", "configure", "load", "update", script],
        env=environment(file),
        capture_output=True,
        check=False,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert objects(etree.parse(file).getroot()) == wanted


def environment(file: Path) -> dict[str, str]:
    return {"CIB_file": str(file), "HOME": str(file.parent), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


IDS_THAT_MEAN_NOTHING = {
    "instance_attributes",
    "meta_attributes",
    "utilization",
    "nvpair",
    "op",
    "rule",
    "expression",
    "date_expression",
    "date_spec",
    "resource_set",
    "fencing-level",
}
DEFAULTS = {("first-action", "start"), ("then-action", "start"), ("boolean-op", "and")}
ORDERED = {"primitive", "resource_set"}
"""Elements whose place among their like says something."""


def objects(cib: etree._Element) -> set[str]:
    return {repr(meaning(each)) for each in cib.iterfind("configuration/*/*")}


def meaning(element: etree._Element) -> tuple[Any, ...]:
    """Return what an element says, without the ids and the order that say nothing."""
    attributes = {
        (name, value)
        for name, value in element.attrib.items()
        if (name != "id" or element.tag not in IDS_THAT_MEAN_NOTHING)
        and (name, value) not in DEFAULTS
        and (name != "boolean-op" or len(element) > 1)
    }
    children = [meaning(each) for each in element if isinstance(each.tag, str)]
    free = sorted((each for each in children if each[0] not in ORDERED), key=repr)
    return element.tag, tuple(sorted(attributes)), *free, *(each for each in children if each[0] in ORDERED)
