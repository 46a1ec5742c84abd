"""How is a filesystem kept from its clients, and given back?

By a few scores in the configuration of the cluster, which the policy wrote with
everything else: whoever finds damage, repairs it or gives up changes them all in one
request, together with a record of what happened. So whatever dies, the
filesystem is either in quarantine or not, and everybody can see why.

The record is JSON in the property `vsctl-quarantined-<vs>.<filesystem>`, as
`docs/contracts.md` has it. Nothing here is on the path of a monitor that finds all well.
"""

from __future__ import annotations

import json
from xml.etree import ElementTree

from vsctl.agents import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vsctl.agents.allowance import Allowance

    Record = dict[str, Any]

REPAIR, PERSON, OVER = "repair", "person", "over"
"""The stages of a quarantine: to be repaired, waiting for a person, lifted."""

PATIENCE = 5.0
"""Seconds for the cluster to answer."""
NOTHING = 105
"""What cibadmin exits with if there is no such object."""
NEVER, INDIFFERENT = "-INFINITY", "0"

_BLOCKED = {
    # stage: the scores of the filesystem and of its repair
    REPAIR: {"quarantine": NEVER, "repair": INDIFFERENT},
    PERSON: {"quarantine": NEVER, "repair": NEVER},
    OVER: {"quarantine": INDIFFERENT, "repair": NEVER},
}


class Unknown(Exception):  # noqa: N818 - what the cluster says
    """The cluster does not answer, or has no quarantine for this filesystem; the sentence says which."""


def read(server: str, filesystem: str, time_left: Allowance | None = None) -> Record:
    """Return what is known of a filesystem's quarantine, nothing if there never was one; or raise Unknown.

    Who has no time to lose says how much is left.
    """
    return _read(server, filesystem, time_left)[0]


def write(server: str, filesystem: str, record: Record, time_left: Allowance | None = None) -> None:
    """Let the cluster do what the record's stage means, and remember it; or raise Unknown."""
    _, there = _read(server, filesystem, time_left)
    said = _cibadmin(time_left, "--modify", "--xml-text", change(server, filesystem, record, there))
    if said is None:
        raise Unknown(f"the configuration has no quarantine for {filesystem} of {server}")


def forgive(server: str, filesystem: str) -> None:
    """Let Pacemaker forget where a filesystem could not be mounted while it was damaged; or raise Unknown."""
    try:
        # Without --force it would be done to all of a group.
        command = ["crm_resource", "--cleanup", "--force", "--resource", f"{server}-fs-{filesystem}"]
        status, said = programs.ask(command, limit=4 * PATIENCE)
    except TimeoutError:
        raise Unknown("the cluster does not say that it forgets failures") from None
    if status != 0:
        raise Unknown(f"the cluster does not forget failures: {said or f'crm_resource exited {status}'}")


def change(server: str, filesystem: str, record: Record, there: frozenset[str]) -> str:
    """Return the XML that makes the configuration what a record says; `there` are the constraints that it has."""
    root = ElementTree.Element("configuration")
    properties = ElementTree.SubElement(
        ElementTree.SubElement(root, "crm_config"), "cluster_property_set", id="vsctl"
    )
    name = _property(server, filesystem)
    text = json.dumps(
        record, separators=(",", ":")
    )  # ASCII: after any other letter Pacemaker 2.1.5 escapes nothing
    ElementTree.SubElement(properties, "nvpair", id=f"vsctl-stored-{name}", name=name, value=text)
    constraints = ElementTree.SubElement(root, "constraints")
    for rule, score in _BLOCKED[record["stage"]].items():
        id = f"vsctl-{rule}-{server}.{filesystem}"
        if id in there:
            location = ElementTree.SubElement(constraints, "rsc_location", id=id)
            ElementTree.SubElement(location, "rule", id=f"{id}.rule", score=score)
    return ElementTree.tostring(root, encoding="unicode")


def _read(server: str, filesystem: str, time_left: Allowance | None) -> tuple[Record, frozenset[str]]:
    about = f"{server}.{filesystem}"
    ids = [f"vsctl-stored-{_property(server, filesystem)}", *(f"vsctl-{each}-{about}" for each in _RULES)]
    wanted = " or ".join(f"@id='{each}'" for each in ids)
    said = _cibadmin(time_left, "--query", "--xpath", f"//configuration//*[{wanted}]")
    found = [] if said is None else list(ElementTree.fromstring(f"<all>{said}</all>").iter())
    there = frozenset(each.get("id", "") for each in found if each.tag == "rsc_location")
    if f"vsctl-quarantine-{about}" not in there:
        raise Unknown(f"the configuration has no quarantine for {filesystem} of {server}")
    texts = [each.get("value", "") for each in found if each.get("id") == ids[0]]
    try:
        record = json.loads(texts[0]) if texts else {}
    except ValueError:
        record = {"stage": PERSON}
    return record, there


_RULES = ("quarantine", "repair")


def _property(server: str, filesystem: str) -> str:
    return f"vsctl-quarantined-{server}.{filesystem}"


def _cibadmin(time_left: Allowance | None, *words: str) -> str | None:
    """Return what cibadmin says, None if there is no such object."""
    limit = PATIENCE if time_left is None else min(PATIENCE, time_left.left)
    try:
        status, said = programs.ask(["cibadmin", *words], limit=limit)
    except TimeoutError:
        raise Unknown(f"the cluster has not answered for {limit:.1f} s") from None
    if status == NOTHING:
        return None
    if status != 0:
        raise Unknown(f"the cluster does not take it: {said or f'cibadmin exited {status}'}")
    return said
