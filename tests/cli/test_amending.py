"""What the cluster is told when nothing goes: the new alone, and only if nobody has changed anything since."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from tests.cli.test_difference import CONSTRAINTS, GROUP, cib
from vsctl.cli.amending import amendment
from vsctl.cli.programs import Refused
from vsctl.cli.store import AMEND, OLD, LiveCluster

LOCATION = "configuration/constraints"
PROPERTY_SET = "configuration/crm_config/cluster_property_set"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CIB that Pacemaker's own tools take for that of the cluster."""
    file = tmp_path / "cib.xml"
    monkeypatch.setenv("CIB_file", os.fspath(file))
    file.write_bytes(etree.tostring(cib()))
    return file


def scores(tree: etree._Element) -> dict[str | None, str | None]:
    return {each.get("id"): each.get("score") for each in tree.iterfind(f"{LOCATION}/rsc_location")}


def changed(tree: etree._Element, **to: str) -> etree._Element:
    """Give constraints other scores, or make them."""
    (section,) = tree.iterfind(LOCATION)
    for id, score in to.items():
        found = section.find(f"*[@id='{id}']")
        if found is None:
            found = etree.SubElement(section, "rsc_location", id=id, rsc="vs1", node="n4")
        found.set("score", score)
    return tree


def without(tree: etree._Element, path: str) -> etree._Element:
    (gone,) = tree.iterfind(path)
    gone.getparent().remove(gone)
    return tree


def unset(tree: etree._Element, path: str, attribute: str) -> etree._Element:
    (one,) = tree.iterfind(path)
    del one.attrib[attribute]
    return tree


def said(old: etree._Element, new: etree._Element) -> bytes | None:
    return amendment(etree.tostring(old), etree.tostring(new))


def test_the_cluster_has_the_new_one_then(cluster: Path) -> None:
    new = changed(cib(), b="250", d="50")
    (properties,) = new.iterfind(PROPERTY_SET)
    properties[1].set("value", "22")
    etree.SubElement(properties, "nvpair", id="s", name="s", value="4")
    store = LiveCluster()
    old = store.read()
    store.change(old, etree.tostring(new))
    now = etree.fromstring(store.read())
    assert said(now, new) == b"" and scores(now) == {"a": "300", "b": "250", "c": "100", "d": "50"}
    assert int(now.get("epoch", "0")) == int(etree.fromstring(old).get("epoch", "0")) + 1


def test_nothing_is_told_but_what_is_new() -> None:
    told = said(cib(), changed(cib(), b="250", d="50"))
    assert told is not None
    assert [dict(each.attrib) for each in etree.fromstring(told).iter("rsc_location")] == [
        {"id": "b", "score": "250"},
        {"id": "d", "rsc": "vs1", "node": "n4", "score": "50"},
    ]
    assert "primitive" not in told.decode()
    assert said(cib(), cib()) == b""


def test_another_order_of_what_has_none_is_nothing_new() -> None:
    new = cib()
    for path in (LOCATION, PROPERTY_SET):
        (section,) = new.iterfind(path)
        section.append(section[0])
    assert said(cib(), new) == b""


@pytest.mark.parametrize(
    "new",
    [
        without(cib(), f"{LOCATION}/*[@id='b']"),
        unset(cib(), f"{LOCATION}/*[@id='b']", "score"),
        without(cib(), "configuration/resources/group/*[@id='x']"),
        cib(CONSTRAINTS, GROUP.replace('"x"', '"z"').replace('"y"', '"x"').replace('"z"', '"y"')),
        cib(CONSTRAINTS.replace('"b"', '"a"')),
    ],
    ids=[
        "a constraint goes",
        "an attribute goes",
        "a member goes",
        "members change places",
        "an id is there twice",
    ],
)
def test_what_cannot_be_told_so_is_not(new: etree._Element) -> None:
    assert said(cib(), new) is None


def test_what_goes_goes_all_the_same(cluster: Path) -> None:
    store = LiveCluster()
    store.change(store.read(), etree.tostring(changed(without(cib(), f"{LOCATION}/*[@id='b']"), a="1")))
    assert scores(etree.fromstring(store.read())) == {"a": "1", "c": "100"}


def test_what_somebody_else_has_changed_meanwhile_stays(cluster: Path) -> None:
    store = LiveCluster()
    old = store.read()
    store.change(old, etree.tostring(changed(cib(), a="1")))
    store.change(old, etree.tostring(changed(cib(), b="2")))
    assert scores(etree.fromstring(store.read())) == {"a": "1", "b": "2", "c": "100"}


def test_a_newer_configuration_does_not_take_what_is_new_to_an_older_one(cluster: Path) -> None:
    store = LiveCluster()
    old = store.read()
    store.change(old, etree.tostring(changed(cib(), a="1")))
    told = amendment(old, etree.tostring(changed(cib(), b="2")))
    assert subprocess.run(AMEND, input=told, capture_output=True, check=False).returncode == OLD
    assert scores(etree.fromstring(store.read())) == {"a": "1", "b": "200", "c": "100"}


def test_what_somebody_else_has_removed_meanwhile_does_not_come_back(cluster: Path) -> None:
    store = LiveCluster()
    old = store.read()
    store.change(old, etree.tostring(without(cib(), f"{LOCATION}/*[@id='b']")))
    with pytest.raises(Refused, match="nothing was changed"):
        store.change(old, etree.tostring(changed(cib(), b="2")))
    assert scores(etree.fromstring(store.read())) == {"a": "300", "c": "100"}


def test_a_change_of_the_status_meanwhile_does_not_matter(cluster: Path) -> None:
    store = LiveCluster()
    old = store.read()
    state = '<node_state id="1" uname="n1"/>'
    subprocess.run(
        ["cibadmin", "--modify", "--scope", "status", "--allow-create", "--xml-text", state], check=True
    )
    told = amendment(old, etree.tostring(changed(cib(), b="2")))
    assert told is not None
    subprocess.run(AMEND, input=told, check=True)
    now = etree.fromstring(store.read())
    assert scores(now)["b"] == "2" and now.find("status/node_state") is not None
