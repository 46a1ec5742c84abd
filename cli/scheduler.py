"""What would Pacemaker do?

Asks the scheduler itself, through crm_simulate, with a CIB in memory; the
cluster that may be running here is not touched.

A real executor notes with every start which parameters cannot change without
a restart. The simulation does not, and would restart everything of which
anything changed: so that is noted here, from what the agents declare.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from vsctl.cib_templates.timings import declared
from vsctl.cli import placement
from vsctl.cli.placement import Placement
from vsctl.cli.programs import Failed, Refused, run

MOST_TRANSITIONS = 20


@dataclass(frozen=True)
class Action:
    """Something the scheduler has done to a resource: start, stop, monitor, reload-agent, ..."""

    operation: str
    resource: str
    node: str


@dataclass(frozen=True)
class Outcome:
    """What became of a CIB: what was done in which order, where all is, and the CIB then."""

    actions: tuple[Action, ...]
    after: Placement
    cib: bytes


def settle(cib: bytes, *, events: Sequence[str] = ()) -> Outcome:
    """Let the scheduler work on a CIB until it finds nothing more to do.

    `events` happen first, as options of crm_simulate. Raises Refused if it
    comes to no end, or does not understand the CIB.
    """
    actions: tuple[Action, ...] = ()
    for _ in range(MOST_TRANSITIONS):
        step = _transition(cib, events)
        actions += step.actions
        cib, events = step.cib, ()
        if not any(each.operation != "monitor" for each in step.actions):
            return Outcome(actions, step.after, cib)
    raise Refused(f"the scheduler had not settled after {MOST_TRANSITIONS} transitions")


def _transition(cib: bytes, events: Sequence[str]) -> Outcome:
    with TemporaryDirectory(prefix="vsctl-") as directory:
        before, after = Path(directory, "before.xml"), Path(directory, "after.xml")
        before.write_bytes(cib)
        try:
            said = run(
                "crm_simulate",
                *("--xml-file", os.fspath(before), "--simulate", "--save-output", os.fspath(after)),
                *("--output-as", "xml", *events),
            )
        except Failed as problem:
            raise Refused(f"Pacemaker's scheduler does not answer for this CIB: {problem}") from None
        result, written = etree.fromstring(said), after.read_bytes()
    actions = tuple(
        Action(each.get("op", ""), each.get("resource", ""), each.get("node", ""))
        for each in result.iterfind("transition/rsc_action")
    )
    started = frozenset(each.resource for each in actions if each.operation == "start")
    deleted = frozenset(each.resource for each in actions if each.operation == "delete")
    return Outcome(actions, _status(result), with_restarts_noted(_forgetting(written, deleted), started))


def _forgetting(cib: bytes, deleted: Collection[str]) -> bytes:
    """Return a CIB without the history of resources, which the simulation deletes and keeps all the same."""
    if not deleted:
        return cib
    tree = etree.fromstring(cib)
    for holder in tree.iterfind("status/node_state/lrm/lrm_resources"):
        for each in holder.findall("lrm_resource"):
            if each.get("id", "") in deleted:
                holder.remove(each)
    return etree.tostring(tree)


def with_restarts_noted(cib: bytes, started: Collection[str] = ()) -> bytes:
    """Return a CIB in which every simulated start of ours says what cannot change without another one.

    The digest is that of calculate_xml_digest_v1 in Pacemaker's
    lib/common/digest.c, over the parameters as they are configured now. Of the
    resources just `started` the simulation has kept what the start before said.
    """
    tree = etree.fromstring(cib)
    for resource in tree.iterfind("status//lrm_resource"):
        if resource.get("id", "") in started:
            for start in resource.iterfind("lrm_rsc_op[@operation='start']"):
                for noted in {"op-force-restart", "op-restart-digest"} & set(start.keys()):
                    del start.attrib[noted]
    configured = {
        each.get("id", ""): each
        for each in tree.iterfind("configuration/resources//primitive[@provider='vsctl']")
    }
    for resource in tree.iterfind("status/node_state/lrm/lrm_resources/lrm_resource[@provider='vsctl']"):
        primitive = configured.get(resource.get("id", ""))
        for start in resource.iterfind("lrm_rsc_op[@crm-debug-origin='crm_simulate'][@operation='start']"):
            if primitive is not None and start.get("op-restart-digest") is None:
                fixed = {
                    each.name for each in declared(resource.get("type", "")).params() if not each.reloadable
                }
                start.set("op-force-restart", f" {' '.join(sorted(fixed))} ")
                start.set("op-restart-digest", digest(primitive, fixed))
    return etree.tostring(tree)


def digest(primitive: etree._Element, names: Collection[str] | None = None) -> str:
    """Return the digest of the parameters of a primitive, or of some of them, as Pacemaker notes it with a start."""
    given = {
        each.get("name", ""): each.get("value", "")
        for each in primitive.iterfind("instance_attributes/nvpair")
        if names is None or each.get("name") in names
    }
    parameters = etree.tostring(etree.Element("parameters", dict(sorted(given.items()))))
    return hashlib.md5(b" " + parameters + b"\n", usedforsecurity=False).hexdigest()


def _status(result: etree._Element) -> Placement:
    found = result.find("revised_cluster_status")
    if found is None:
        raise Refused("crm_simulate does not say how the cluster ends up")
    return placement.read(found)
