"""Which pcs commands build our configuration?

The script works on a CIB in a file, named by its first argument. Nested ids
are pcs's own. What pcs has no command for (a rule in a resource's meta
attributes, a window in a constraint, levels with ids, influence) is handed to
cibadmin.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from lxml import etree

from vsctl.cib_templates.merge import BOOTSTRAP
from vsctl.cib_templates.script_crm import operation_options

HEAD = """\
#!/bin/sh
# Builds this configuration in a CIB file: sh SCRIPT FILE, where FILE is what `cibadmin --empty` printed
# or `pcs cluster cib FILE` saved. Look at it, then: pcs cluster cib-push FILE
set -eu
export CIB_file="${1:?name the CIB file to change}"
"""


def script(ours: etree._Element) -> str:
    """Return the script that adds a rendered configuration to a CIB."""
    commands = (
        *_properties(ours),
        *_limits(ours),
        *_resources(ours),
        *_constraints(ours),
        *_levels(ours),
        *_tags(ours),
    )
    return HEAD + "".join(f"{each}\n" for each in commands)


def pcs(*words: str) -> str:
    return f'pcs -f "$CIB_file" {shlex.join(words)}'


def cibadmin(element: etree._Element, scope: str) -> str:
    text = etree.tostring(element, with_tail=False).decode()
    return shlex.join(("cibadmin", "--create", "--scope", scope, "--xml-text", text))


def _properties(ours: etree._Element) -> Iterator[str]:
    for group in ours.iterfind("configuration/crm_config/cluster_property_set"):
        if group.get("id") == BOOTSTRAP:
            # Forced, since pcs 0.11.5 does not know priority-fencing-delay.
            yield pcs("property", "set", *_pairs(group), "--force")
        elif len(group):
            yield cibadmin(group, "crm_config")


def _limits(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/nodes/node[utilization]"):
        node = each.get("uname", "")
        absent = shlex.quote(f"{node} is not in this CIB yet: run its line of this script again when it is")
        yield f"{pcs('node', 'utilization', node, *_pairs(each.find('utilization')))} || echo {absent} >&2"


def _resources(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/resources/*"):
        if each.tag == "primitive":
            yield from _primitive(each)
            continue
        if each.tag == "clone":
            # pcs clones only what is installed where the script runs.
            yield cibadmin(each, "resources")
            continue
        members = each.findall("primitive")
        for member in members:
            yield from _primitive(member)
        yield pcs("resource", "group", "add", each.get("id", ""), *(it.get("id", "") for it in members))
        yield pcs("resource", "meta", each.get("id", ""), *_pairs(each.find("meta_attributes")))


def _primitive(of: etree._Element) -> Iterator[str]:
    if of.findall("meta_attributes/rule"):
        yield cibadmin(of, "resources")
        return
    names = [of.get("class", ""), of.get("provider", ""), of.get("type", "")]
    fencing = names[0] == "stonith"
    operations: list[str] = []
    for op in of.iterfind("operations/op"):
        operations += ["op", op.get("name", ""), *operation_options(op)]
    meta, needs = _pairs(of.find("meta_attributes[nvpair]")), _pairs(of.find("utilization"))
    # Forced, since the agents need not be installed where the script runs.
    yield pcs(
        *("stonith" if fencing else "resource", "create", of.get("id", "")),
        names[2] if fencing else ":".join(names),
        *_pairs(of.find("instance_attributes")),
        *operations,
        *(("meta", *meta) if meta else ()),
        *(() if fencing else ("--no-default-ops",)),
        "--force",
    )
    if needs:
        yield pcs("resource", "utilization", of.get("id", ""), *needs)


def _constraints(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/constraints/*"):
        id = each.get("id", "")
        if each.tag == "rsc_location":
            yield _location(each, id)
        elif each.tag == "rsc_colocation":
            yield _colocation(each, id)
        else:
            yield _order(each, id)


def _location(each: etree._Element, id: str) -> str:
    resource, rule = each.get("rsc", ""), each.find("rule")
    if rule is None:
        return pcs(
            "constraint",
            "location",
            "add",
            id,
            resource,
            each.get("node", ""),
            each.get("score", ""),
            "--force",
        )
    if rule.find("rule") is not None:
        return cibadmin(each, "constraints")
    words: list[str] = []
    for expression in rule:
        attribute, operation = expression.get("attribute", ""), expression.get("operation", "")
        words += [rule.get("boolean-op", "")] if words else []
        value = expression.get("value")
        words += [operation, attribute] if value is None else [attribute, operation, value]
    discovery = each.get("resource-discovery")
    ids = (f"id={rule.get('id')}", *([f"resource-discovery={discovery}"] if discovery else []))
    ids += (f"constraint-id={id}", f"score={rule.get('score')}")
    return pcs("constraint", "location", resource, "rule", *ids, *words, "--force")


def _colocation(each: etree._Element, id: str) -> str:
    if each.get("influence"):
        return cibadmin(each, "constraints")
    role = each.get("with-rsc-role")
    other = (*((role,) if role else ()), each.get("with-rsc", ""))
    resource, score = each.get("rsc", ""), each.get("score", "")
    return pcs("constraint", "colocation", "add", resource, "with", *other, score, f"id={id}", "--force")


def _order(each: etree._Element, id: str) -> str:
    sets = each.findall("resource_set")
    kind = f"kind={each.get('kind')}"
    if sets:
        words: list[str] = []
        for group in sets:
            words += ["set", *(it.get("id", "") for it in group), f"sequential={group.get('sequential')}"]
        return pcs(
            "constraint", "order", *words, "setoptions", f"id={id}", kind, "symmetrical=false", "--force"
        )
    first, then = _acting(each, "first"), _acting(each, "then")
    options = (kind, *(["symmetrical=false"] if each.get("symmetrical") else []), f"id={id}")
    return pcs("constraint", "order", *first, "then", *then, *options, "--force")


def _acting(order: etree._Element, role: str) -> tuple[str, ...]:
    """Return one side of an order: the action if it is not the usual one, and the resource."""
    action = order.get(f"{role}-action")
    return (*((action,) if action else ()), order.get(role, ""))


def _levels(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/fencing-topology/fencing-level"):
        devices = each.get("devices", "").split(",")
        # Forced, since an empty CIB file has no nodes.
        where = (each.get("index", ""), each.get("target", ""))
        yield pcs("stonith", "level", "add", *where, *devices, "--force")


def _tags(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/tags/tag"):
        yield pcs("tag", "create", each.get("id", ""), *(it.get("id", "") for it in each))


def _pairs(of: etree._Element | None) -> list[str]:
    return [] if of is None else [f"{each.get('name')}={each.get('value')}" for each in of.iterfind("nvpair")]
