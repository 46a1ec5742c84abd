"""What is sent to the cluster when a CIB changes: what means something, and no more."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lxml import etree

from vsctl.cli import configuration
from vsctl.cli.store import difference

CONSTRAINTS = """
<constraints>
  <rsc_location id="a" rsc="vs1" node="n1" score="300"/>
  <rsc_location id="b" rsc="vs1" node="n2" score="200"/>
  <rsc_location id="c" rsc="vs1" node="n3" score="100"/>
</constraints>"""
PROPERTIES = """
<crm_config><cluster_property_set id="vsctl">
  <nvpair id="p" name="p" value="1"/><nvpair id="q" name="q" value="2"/><nvpair id="r" name="r" value="3"/>
</cluster_property_set></crm_config>"""
GROUP = """
<resources><group id="vs1">
  <primitive id="x" class="ocf" provider="pacemaker" type="Dummy"/>
  <primitive id="y" class="ocf" provider="pacemaker" type="Dummy"/>
</group></resources>"""


def cib(*parts: str) -> etree._Element:
    """Return a CIB in which some sections are these."""
    tree = etree.fromstring(configuration.empty().cib)
    for text in parts or (CONSTRAINTS, PROPERTIES, GROUP):
        section = etree.fromstring(text)
        (there,) = tree.iterfind(f"configuration/{section.tag}")
        there.getparent().replace(there, section)
    return tree


def patch(old: etree._Element, new: etree._Element) -> bytes:
    return difference(etree.tostring(old), etree.tostring(new))


def swapped(tree: etree._Element, path: str) -> etree._Element:
    """Put the first child of an element behind the others."""
    (parent,) = tree.iterfind(path)
    parent.append(parent[0])
    return tree


@pytest.mark.parametrize(
    "path", ["configuration/constraints", "configuration/crm_config/cluster_property_set"]
)
def test_another_order_of_what_has_none_is_no_difference(path: str) -> None:
    assert patch(cib(), swapped(cib(), path)) == b""


def test_another_order_of_the_members_of_a_group_is_one() -> None:
    assert b'operation="move"' in patch(cib(), swapped(cib(), "configuration/resources/group"))


def test_the_rest_arrives_though_the_order_is_another_one(tmp_path: Path) -> None:
    old, new = cib(), swapped(cib(), "configuration/constraints")
    (section,) = new.iterfind("configuration/constraints")
    section[0].set("score", "250")
    section.remove(section[1])
    etree.SubElement(section, "rsc_location", id="d", rsc="vs1", node="n4", score="50")
    (tmp_path / "old.xml").write_bytes(etree.tostring(old))
    (tmp_path / "patch.xml").write_bytes(patch(old, new))
    ask = ["crm_diff", "--original", "old.xml", "--patch", "patch.xml"]
    done = subprocess.run(ask, cwd=tmp_path, capture_output=True, check=True)

    def scores(tree: etree._Element) -> dict[str | None, str | None]:
        return {each.get("id"): each.get("score") for each in tree.iter("rsc_location")}

    assert scores(etree.fromstring(done.stdout)) == scores(new) == {"a": "300", "b": "250", "d": "50"}
