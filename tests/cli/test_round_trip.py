"""Whose an object is, by which rule and why, outlives the tools of the cluster."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from tests.cli.vsctl import vsctl
from vsctl.cib_templates import stored
from vsctl.cib_templates.merge import is_ours
from vsctl.cli import configuration
from vsctl.cli.store import CibFile

FOREIGN = '<primitive id="theirs" class="ocf" provider="pacemaker" type="Dummy"/>'


def run(cib: Path, *command: str | Path, input: str | None = None) -> str:
    env = {**os.environ, "CIB_file": str(cib), "HOME": str(cib.parent)}
    done = subprocess.run(command, env=env, input=input, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def replaced(cib: Path) -> None:
    copy = cib.with_name("copy.xml")
    copy.write_text(run(cib, "cibadmin", "--query"))
    run(cib, "cibadmin", "--replace", "--xml-file", copy)


def modified(cib: Path) -> None:
    run(cib, "cibadmin", "--create", "--scope", "resources", "--xml-text", FOREIGN)
    run(cib, "cibadmin", "--modify", "--xml-text", FOREIGN.replace("/>", ' description="changed"/>'))


def pushed_by_pcs(cib: Path) -> None:
    """Saved by pcs, changed in a file, as `pcs cluster cib-push` pushes it."""
    copy = cib.with_name("copy.xml")
    copy.write_text(run(cib, "pcs", "-f", cib, "cluster", "cib"))
    run(cib, "pcs", "-f", copy, "resource", "create", "theirs", "ocf:pacemaker:Dummy", "--force")
    run(cib, "pcs", "-f", copy, "property", "set", "batch-limit=30")
    run(cib, "cibadmin", "--replace", "--xml-file", copy)


def edited_by_pcs(cib: Path) -> None:
    """What somebody changes in an object of ours leaves the object ours."""
    run(cib, "pcs", "-f", cib, "resource", "meta", "vs1-net", "is-managed=false")
    run(cib, "pcs", "-f", cib, "resource", "meta", "vs1-net", "is-managed=")


def edited_by_crm(cib: Path) -> None:
    """Shown as text, as `crm configure edit` does, and loaded in the place of what was there."""
    text = run(cib, "crm", "configure", "show")
    run(cib, "crm", "-F", "configure", "load", "update", "-", input=text)


def rewritten_by_crm(cib: Path) -> None:
    text = run(cib, "crm", "configure", "show", "xml")
    copy = cib.with_name("copy.xml")
    copy.write_text(text)
    run(cib, "crm", "-F", "configure", "load", "xml", "replace", copy)


@pytest.fixture(scope="module")
def by_hand(all_well: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A CIB in which an operator has moved and drained."""
    file = tmp_path_factory.mktemp("by_hand") / "cib.xml"
    file.write_bytes(all_well)
    for command in (["move", "vs1", "n3"], ["drain", "n2"]):
        assert vsctl(*command, "--cib", file).status == 0
    return file.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "through", [replaced, modified, pushed_by_pcs, edited_by_pcs, edited_by_crm, rewritten_by_crm]
)
def test_owner_rule_and_reason_survive(
    through: Callable[[Path], None], by_hand: bytes, tmp_path: Path
) -> None:
    cib = tmp_path / "cib.xml"
    cib.write_bytes(by_hand)
    before, was = owned(cib), configuration.read(CibFile(cib))
    assert len(before) > 100 and was.hand.moved_to("vs1") == "n3"
    through(cib)
    assert owned(cib) == before
    found = configuration.read(CibFile(cib))
    assert (found.cluster, found.hand) == (was.cluster, was.hand)


@pytest.mark.slow
def test_vsctl_goes_on_where_crm_left_it(by_hand: bytes, nas: Path, tmp_path: Path) -> None:
    cib = tmp_path / "cib.xml"
    cib.write_bytes(by_hand)
    edited_by_crm(cib)
    planned = vsctl("plan", nas, "--cib", cib)
    assert planned.status == 0 and "restarted" not in planned.out and "removed" not in planned.out
    assert "nothing to do" in planned.out or "nothing moves" in planned.out
    for command in (["failback", "vs1"], ["undrain", "n2"]):
        assert vsctl(*command, "--cib", cib).status == 0


def owned(cib: Path) -> dict[str, tuple[str, str]]:
    """Return kind and reason of every object that is ours; its id has the rule in it."""
    applied = configuration.read(CibFile(cib))
    tree = etree.fromstring(applied.cib)
    reasons = stored.reasons(tree)
    found = {
        each.get("id", ""): str(each.tag)
        for section in ("resources", "constraints", "fencing-topology")
        for each in tree.iterfind(f"configuration/{section}/*")
        if is_ours(each, applied.resources)
    }
    pairs = tree.iterfind("configuration/crm_config/cluster_property_set/nvpair")
    found |= {id: "property" for each in pairs if (id := each.get("id", "")) in reasons}
    return {id: (tag, reasons[id]) for id, tag in found.items()}
