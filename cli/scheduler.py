"""What would Pacemaker do?

Asks the scheduler itself, through crm_simulate, with a CIB in memory; the
cluster that may be running here is not touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree

from vsctl.cli import placement
from vsctl.cli.placement import Placement
from vsctl.cli.programs import Refused, run

MOST_TRANSITIONS = 20
NO_CHANGE = ("monitor", "delete")
"""What changes nothing. The simulation forgets nothing either: it deletes what was removed again each time."""


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

    def touched(self) -> tuple[str, ...]:
        """Return the resources that were started, stopped or reloaded, in the order of the first action."""
        return tuple(
            dict.fromkeys(
                each.resource for each in self.actions if each.operation not in ("monitor", "notify")
            )
        )


def settle(cib: bytes, *, down: Iterable[str] = (), up: Iterable[str] = ()) -> Outcome:
    """Let the scheduler work on a CIB until it finds nothing more to do.

    `down` and `up` are nodes that leave or join first. Raises Refused if it
    comes to no end, or does not understand the CIB.
    """
    changes = [flag for name in down for flag in ("--node-down", name)]
    changes += [flag for name in up for flag in ("--node-up", name)]
    actions: tuple[Action, ...] = ()
    for _ in range(MOST_TRANSITIONS):
        step = _transition(cib, changes)
        actions += step.actions
        cib, changes = step.cib, []
        if all(each.operation in NO_CHANGE for each in step.actions):
            return Outcome(actions, step.after, cib)
    raise Refused(f"the scheduler had not settled after {MOST_TRANSITIONS} transitions")


def _transition(cib: bytes, changes: list[str]) -> Outcome:
    with TemporaryDirectory(prefix="vsctl-") as directory:
        before, after = Path(directory, "before.xml"), Path(directory, "after.xml")
        before.write_bytes(cib)
        said = run(
            "crm_simulate",
            *("--xml-file", os.fspath(before), "--simulate", "--save-output", os.fspath(after)),
            *("--output-as", "xml", *changes),
        )
        result = etree.fromstring(said)
        return Outcome(
            actions=tuple(
                Action(each.get("op", ""), each.get("resource", ""), each.get("node", ""))
                for each in result.iterfind("transition/rsc_action")
            ),
            after=_status(result),
            cib=after.read_bytes(),
        )


def _status(result: etree._Element) -> Placement:
    found = result.find("revised_cluster_status")
    if found is None:
        raise Refused("crm_simulate does not say how the cluster ends up")
    return placement.read(found)
