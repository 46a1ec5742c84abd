"""What is our configuration in XML?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from lxml import etree

from vsctl.cib_templates.stored import Stored, pairs
from vsctl.cib_templates.timings import timings
from vsctl.cib_templates.windows import spans
from vsctl.policy.constraints import INFINITY
from vsctl.policy.resources import Clone, Group, Resource
from vsctl.policy.rules import Configuration


def render(ours: Configuration, stored: Stored) -> etree._Element:
    """Return a CIB with our configuration and nothing else; the same one for the same input, byte for byte.

    It has no `crm_feature_set` and no nodes: `merge` puts it into one that has.
    """
    text = _template().render(
        ours=ours,
        stored=(*pairs(stored), *_reasons(ours)),
        constraints=[(type(each).__name__, each) for each in ours.constraints],
    )
    return etree.fromstring(text.encode(), etree.XMLParser(remove_blank_text=True))


def score(number: int) -> str:
    """Return a score as Pacemaker writes it."""
    if abs(number) >= INFINITY:
        return "INFINITY" if number > 0 else "-INFINITY"
    return str(number)


def _reasons(ours: Configuration) -> Iterator[tuple[str, str]]:
    for said in (*ours.constraints, *ours.limits, *ours.levels, *ours.properties):
        yield f"vsctl-why-{said.id}", said.reason
    for part in ours.resources:
        yield f"vsctl-why-{part.id}", part.reason
        for member in _members(part):
            yield f"vsctl-why-{member.id}", member.reason


def _members(part: Group | Clone | Resource) -> tuple[Resource, ...]:
    if isinstance(part, Group):
        return part.members
    return (part.of,) if isinstance(part, Clone) else ()


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("vsctl.cib_templates", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.globals.update(timings=timings, spans=spans, score=score)
    return environment.get_template("cib.xml.j2")
