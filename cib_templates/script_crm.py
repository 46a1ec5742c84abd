"""Which crm commands build our configuration?

The result is what `crm configure load update FILE` reads. Where crmsh has
no words of its own for an object it stands there as XML.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from vsctl.cib_templates.merge import BOOTSTRAP

HEAD = """\
# Builds this configuration: crm configure load update THIS_FILE
# (on a CIB in a file: CIB_file=FILE crm -F configure load update THIS_FILE)
"""


def script(ours: etree._Element) -> str:
    """Return the commands that add a rendered configuration to a CIB."""
    commands = (
        *_limits(ours),
        *_resources(ours),
        *_constraints(ours),
        *_levels(ours),
        *_tags(ours),
        *_properties(ours),
    )
    return HEAD + "".join(f"{each}\n" for each in commands)


def _limits(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/nodes/node[utilization]"):
        yield f"node {each.get('uname')}{_pairs('utilization', each.find('utilization'))}"


def _resources(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/resources/*"):
        if each.tag == "primitive":
            yield _primitive(each)
            continue
        members = each.findall("primitive")
        yield from map(_primitive, members)
        names = " ".join(it.get("id", "") for it in members)
        yield f"{each.tag} {each.get('id')} {names}{_pairs('meta', each.find('meta_attributes'))}"


def _primitive(of: etree._Element) -> str:
    if of.findall("meta_attributes/rule"):
        return _xml(of)
    agent = ":".join(filter(None, (of.get("class"), of.get("provider"), of.get("type"))))
    operations = "".join(
        f" op {op.get('name')} {' '.join(operation_options(op))}" for op in of.iterfind("operations/op")
    )
    parameters, meta = of.find("instance_attributes"), of.find("meta_attributes")
    said = (_pairs("params", parameters), _pairs("meta", meta), _pairs("utilization", of.find("utilization")))
    return f"primitive {of.get('id')} {agent}{''.join(said)}{operations}"


def operation_options(op: etree._Element) -> list[str]:
    """Return all that an operation says, as name=value."""
    return [f"{key}={op.get(key)}" for key in ("interval", "timeout", "on-fail") if op.get(key)]


def _constraints(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/constraints/*"):
        if each.tag == "rsc_location":
            yield _location(each)
        elif each.tag == "rsc_colocation":
            yield _colocation(each)
        else:
            yield _order(each)


def _location(each: etree._Element) -> str:
    rule = each.find("rule")
    head = f"location {each.get('id')} {each.get('rsc')}"
    if rule is None:
        return f"{head} {_score(each)} {each.get('node')}"
    if rule.find("rule") is not None:
        return _xml(each)
    said = f" {rule.get('boolean-op')} ".join(map(_expression, rule))
    if discovery := each.get("resource-discovery"):
        head += f" resource-discovery={discovery}"
    return f"{head} rule $id={rule.get('id')} {_score(rule)} {said}"


def _expression(it: etree._Element) -> str:
    attribute, operation, value = it.get("attribute"), it.get("operation"), it.get("value")
    return f"{operation} {attribute}" if value is None else f"{attribute} {operation} {value}"


def _colocation(each: etree._Element) -> str:
    if each.get("influence"):
        return _xml(each)
    role = each.get("with-rsc-role")
    other = f"{each.get('with-rsc')}:{role}" if role else each.get("with-rsc")
    return f"colocation {each.get('id')} {_score(each)} {each.get('rsc')} {other}"


def _order(each: etree._Element) -> str:
    sets = each.findall("resource_set")
    head = f"order {each.get('id')} {each.get('kind')}:"
    if sets:
        groups = " ".join(f"( {' '.join(it.get('id', '') for it in group)} )" for group in sets)
        return f"{head} {groups} symmetrical=false"
    words = (_acting(each, "first"), _acting(each, "then"))
    return " ".join((head, *words, *(["symmetrical=false"] if each.get("symmetrical") else [])))


def _acting(order: etree._Element, role: str) -> str:
    """Return one side of an order: the resource, with its action if it is not the usual one."""
    resource, action = order.get(role, ""), order.get(f"{role}-action")
    return f"{resource}:{action}" if action else resource


def _levels(ours: etree._Element) -> Iterator[str]:
    by_node: dict[str, list[str]] = {}
    for each in ours.iterfind("configuration/fencing-topology/fencing-level"):
        by_node.setdefault(each.get("target", ""), []).append(each.get("devices", ""))
    if by_node:
        yield "fencing_topology " + " ".join(
            f"{node}: {' '.join(levels)}" for node, levels in by_node.items()
        )


def _tags(ours: etree._Element) -> Iterator[str]:
    for each in ours.iterfind("configuration/tags/tag"):
        yield f"tag {each.get('id')}: {' '.join(it.get('id', '') for it in each)}"


def _properties(ours: etree._Element) -> Iterator[str]:
    for group in ours.iterfind("configuration/crm_config/cluster_property_set"):
        if group.get("id") == BOOTSTRAP:
            yield f"property{_pairs(f'$id={BOOTSTRAP}', group)}"
        elif len(group):
            yield _xml(group)


def _score(of: etree._Element) -> str:
    return of.get("score", "").replace("INFINITY", "inf") + ":"


def _pairs(word: str, of: etree._Element | None) -> str:
    pairs = (
        []
        if of is None
        else [f"{each.get('name')}={_quoted(each.get('value', ''))}" for each in of.iterfind("nvpair")]
    )
    return f" {word} {' '.join(pairs)}" if pairs else ""


def _quoted(value: str) -> str:
    """Quote as crmsh reads it: a backslash keeps a quotation mark or itself from meaning anything."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _xml(of: etree._Element) -> str:
    return f"xml {etree.tostring(of, with_tail=False).decode()}"
