"""What makes one CIB another, where nothing is taken away?

The CIB manager goes once through what `cibadmin --modify` names, and knows then what it has changed. After a
patch it finds that out by itself, looking for each element in the whole list that it is in: seconds for a
hundred servers (`docs/decisions/0055-what-is-said-to-the-cib.md`).
"""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

UNORDERED = ("constraints", "cluster_property_set")
"""Where an element may stand anywhere."""
VERSION = ("admin_epoch", "epoch")
"""What grows with each change of a configuration. A CIB that has more of it does not take what names less."""

Key = tuple[str, str | None]
"""What the CIB manager knows an element by, among those beside it."""


class _Lessened(Exception):  # noqa: N818 - what became of it
    """Something is not there any more, or stands elsewhere, where that counts."""


def amendment(old: bytes, new: bytes) -> bytes | None:
    """Return what the configuration of `new` has more than that of `old`, or otherwise, for `cibadmin --modify`.

    Nothing if they are the same. None if it cannot be said so: something goes, or stands elsewhere. Only a CIB
    takes it that has the version of `old`.
    """
    before, after = etree.fromstring(old), etree.fromstring(new)
    parts = before.find("configuration"), after.find("configuration")
    if parts[0] is None or parts[1] is None:
        raise ValueError("a CIB has a configuration")
    try:
        more = _more(parts[0], parts[1])
    except _Lessened:
        return None
    if more is None:
        return b""
    found = etree.Element("cib", {each: before.get(each, "0") for each in VERSION})
    found.append(more)
    return etree.tostring(found)


def _more(old: etree._Element, new: etree._Element) -> etree._Element | None:
    """Return the element with what it has more, or otherwise, and its identity; None if that is nothing."""
    if not set(old.attrib) <= set(new.attrib):
        raise _Lessened
    changed = {str(name): str(value) for name, value in new.attrib.items() if old.get(name) != value}
    before, after = _children(old), _children(new)
    if not before.keys() <= after.keys():
        raise _Lessened
    if old.tag not in UNORDERED and list(before) != list(after)[: len(before)]:
        raise _Lessened
    children = []
    for key, child in after.items():
        more = _more(before[key], child) if key in before else deepcopy(child)
        if more is not None:
            children.append(more)
    if not changed and not children:
        return None
    known = {name: str(new.attrib[name]) for name in ("id", "id-ref") if name in new.attrib}
    found = etree.Element(new.tag, known | changed)
    found.extend(children)
    return found


def _children(of: etree._Element) -> dict[Key, etree._Element]:
    found: dict[Key, etree._Element] = {}
    for each in of.iterchildren("*"):
        key = str(each.tag), each.get("id") or each.get("id-ref")
        if key in found:
            raise _Lessened  # nobody could say which of them is meant
        found[key] = each
    return found
