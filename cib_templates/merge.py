"""How does our configuration get into a CIB that holds others' too?"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

BOOTSTRAP = "cib-bootstrap-options"
OWNED = "vsctl"
_SECTIONS = ("resources", "constraints", "fencing-topology", "tags")
_ORDER = ("crm_config", "nodes", "resources", "constraints", "fencing-topology", "tags")


@dataclass(frozen=True)
class Merged:
    """`cib` is whole.

    `foreign` are the ids of what is others', `overruled` their settings that ours replace,
    `absent` the nodes with limits of ours that the CIB does not have.
    """

    cib: etree._Element
    foreign: tuple[str, ...]
    overruled: tuple[str, ...]
    absent: tuple[str, ...]


def merge(ours: etree._Element, existing: etree._Element, was_ours: frozenset[str]) -> Merged:
    """Replace everything that is ours in `existing` by `ours`, and leave the rest as it is.

    `was_ours` are the resources that the cluster stored in `existing` has. A
    resource there with an id that ours needs is replaced, too: it is the caller
    who refuses that if it is others'.
    """
    cib = deepcopy(existing)
    configuration = cib.find("configuration")
    mine = ours.find("configuration")
    if configuration is None or mine is None:
        raise ValueError("a CIB has a configuration")
    resources = was_ours | {each.get("id", "") for each in mine.iterfind("resources//*[@id]")}
    foreign = []
    for name in _SECTIONS:
        section, added = _section(configuration, name), mine.find(name)
        for each in list(section):
            if is_ours(each, resources):
                section.remove(each)
            else:
                foreign.append(each.get("id", ""))
        section.extend([] if added is None else [deepcopy(each) for each in added])
        if name in ("fencing-topology", "tags") and not len(section):
            configuration.remove(section)
    overruled = _merge_properties(_section(configuration, "crm_config"), _section(mine, "crm_config"))
    absent = _merge_limits(_section(configuration, "nodes"), _section(mine, "nodes"))
    etree.indent(cib)
    return Merged(cib, tuple(foreign), overruled, absent)


def is_ours(each: etree._Element, resources: frozenset[str]) -> bool:
    """Say whether an element of a section is ours, given which resources are."""
    if each.tag == "fencing-level":
        return resources.issuperset(each.get("devices", "").split(","))
    id = each.get("id", "")
    return id in resources or id.startswith(f"{OWNED}-")


def _merge_properties(theirs: etree._Element, ours: etree._Element) -> tuple[str, ...]:
    """Put our settings in the place of those of the same name, and our own set last."""
    for old in theirs.findall(f"cluster_property_set[@id='{OWNED}']"):
        theirs.remove(old)
    for group in theirs:
        for old in group.findall("nvpair"):
            if old.get("id", "").startswith(f"{OWNED}-"):
                group.remove(old)
    overruled = []
    for group in ours:
        if group.get("id") != BOOTSTRAP:
            theirs.append(deepcopy(group))
            continue
        target = theirs.find(f"cluster_property_set[@id='{BOOTSTRAP}']")
        if target is None:
            target = etree.Element("cluster_property_set", {"id": BOOTSTRAP})
            theirs.insert(0, target)
        for nvpair in group:
            name, value = nvpair.get("name"), nvpair.get("value")
            for holder in theirs:
                for other in holder.findall(f"nvpair[@name='{name}']"):
                    if other.get("value") != value:
                        overruled.append(f"{name}={other.get('value')}")
                    holder.remove(other)
            target.append(deepcopy(nvpair))
    return tuple(overruled)


def _merge_limits(theirs: etree._Element, ours: etree._Element) -> tuple[str, ...]:
    """Put what we say of nodes in the place of what we said, and return the nodes that are not there.

    Nodes are the cluster's own, and what they carry may be counted by others, too: ours are told by their names,
    since pcs and crm choose ids of their own.
    """
    for pairs in theirs.findall("node/utilization"):
        for old in pairs.findall("nvpair"):
            if old.get("name", "").startswith(f"{OWNED}-"):
                pairs.remove(old)
        if not len(pairs):
            _parent(pairs).remove(pairs)
    there = {each.get("uname"): each for each in theirs.iterfind("node")}
    absent = []
    for node in ours:
        target = there.get(node.get("uname"))
        if target is None:
            absent.append(node.get("uname", ""))
        else:
            target.extend(deepcopy(each) for each in node)
    return tuple(absent)


def _parent(of: etree._Element) -> etree._Element:
    parent = of.getparent()
    assert parent is not None
    return parent


def _section(configuration: etree._Element, name: str) -> etree._Element:
    """Return a section of a configuration, made in its place if it is not there."""
    found = configuration.find(name)
    if found is not None:
        return found
    made = etree.Element(name)
    earlier = _ORDER[: _ORDER.index(name)]
    place = max((at for at, each in enumerate(configuration, 1) if each.tag in earlier), default=0)
    configuration.insert(place, made)
    return made
