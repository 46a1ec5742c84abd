"""Where does the configuration live: in the running cluster, or in a file?

Both answer the same calls, so every command works on either.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from lxml import etree

from vsctl.cli import amending, facts
from vsctl.cli.facts import Facts
from vsctl.cli.programs import Failed, Refused, run

CRM_MON = ("crm_mon", "--one-shot", "--inactive", "--include", "all", "--output-as", "xml")

ATTRIBUTE = ("attrd_updater", "--query", "--all", "--output-as", "xml")
AMEND = ("cibadmin", "--modify", "--sync-call", "--xml-pipe")
PATCH = ("cibadmin", "--patch", "--sync-call", "--xml-pipe")
OLD = 103
"""What cibadmin ends with if the configuration has been changed since, as crm/common/results.h has it."""

CONSTRAINTS = "/cib/configuration/constraints"
PROPERTIES = "/cluster_property_set["
ANY_STATUS = range(256)
"""Without news of the daemons, or attributes that nobody has (78 or 105, by version), there is still much to show."""


class Store(Protocol):
    """A CIB that can be read and changed."""

    @property
    def live(self) -> bool:
        """Whether this is the running cluster, where things can be waited for."""

    def read(self) -> bytes:
        """Return the whole CIB, status included."""

    def change(self, old: bytes, new: bytes) -> None:
        """Turn the configuration of `old` into that of `new`, all at once or not at all.

        Raises Refused if what is stored is no longer `old` in a way that matters.
        """

    def facts(self, private: Sequence[str] = ()) -> Facts:
        """Return what runs where, what failed, and since when.

        With these private attributes, by which node daemons tell what only vsctl wants to know.
        """


@dataclass(frozen=True)
class LiveCluster:
    """The cluster this machine is a node of."""

    live: bool = True

    def read(self) -> bytes:
        try:
            return run("cibadmin", "--query")
        except Failed as problem:
            raise _silent(problem) from None

    def change(self, old: bytes, new: bytes) -> None:
        amendment = amending.amendment(old, new)
        if amendment == b"":
            return
        if amendment is not None and _taken(AMEND, amendment):
            return
        # Something goes, or somebody else has changed something, which does not matter as long as this fits.
        patch = difference(old, new)
        if patch and not _taken(PATCH, patch):
            raise Refused(
                "the cluster did not take the change, and nothing was changed: its configuration has been changed "
                "meanwhile; run it again"
            )

    def facts(self, private: Sequence[str] = ()) -> Facts:
        try:
            monitored = _monitored()
        except Failed as problem:
            raise _silent(problem) from None
        said = (run(*ATTRIBUTE, "--name", each, ok=ANY_STATUS) for each in private)
        return facts.read(monitored, [etree.fromstring(each) for each in said if each])


def _taken(command: Sequence[str], change: bytes) -> bool:
    """Have a change made, and say whether that was done: it is not if the configuration is a newer one."""
    try:
        run(*command, input=change)
    except Failed as problem:
        if problem.status == OLD:
            return False
        raise Refused(
            f"the cluster did not take the change, and nothing was changed: {problem.reason}; if somebody "
            "else changed the configuration just now, run it again"
        ) from None
    return True


def difference(old: bytes, new: bytes) -> bytes:
    """Return the patch that turns one CIB into another, nothing if they are the same."""
    with TemporaryDirectory(prefix="vsctl-") as directory:
        files = Path(directory, "old.xml"), Path(directory, "new.xml")
        for file, content in zip(files, (old, new), strict=True):
            file.write_bytes(content)
        # With versions in it every patch of a busy cluster would be out of date on arrival.
        names = "--original", os.fspath(files[0]), "--new", os.fspath(files[1])
        patch = run("crm_diff", "--no-version", *names, ok=(0, 1)).strip()
    return _without_moves(patch) if patch else b""


def _without_moves(patch: bytes) -> bytes:
    """Return a patch without what only changes the order of constraints or of properties, which means nothing.

    For each of these the CIB manager counts its way along the whole list, from every element of it: a few hundred
    keep it busy for minutes in a big cluster (`docs/decisions/0046-what-a-big-cib-costs.md`).
    """
    tree = etree.fromstring(patch)
    for change in tree.findall("change[@operation='move']"):
        place, _, what = change.get("path", "").rpartition("/")
        if place == CONSTRAINTS or (PROPERTIES in place and what.startswith("nvpair[")):
            tree.remove(change)
    return etree.tostring(tree) if len(tree) else b""


def _monitored(**env: str) -> etree._Element:
    """Return what crm_mon says. A CIB that it cannot read does not make it fail, only say so."""
    said = etree.fromstring(run(*CRM_MON, env=env))
    errors = tuple(each.text or "" for each in said.iterfind("status/errors/error"))
    if errors:
        raise Failed(CRM_MON[0], 0, errors)
    return said


def _silent(problem: Failed) -> Refused:
    return Refused(
        "no cluster answers on this machine: start Pacemaker here, run vsctl on a node of the cluster as root, or "
        f"name a CIB with --cib ({problem})"
    )


@dataclass(frozen=True)
class CibFile:
    """A CIB on disk, such as a copy from another cluster or one that `pcs -f` works on."""

    path: Path
    live: bool = False

    def read(self) -> bytes:
        try:
            content = self.path.read_bytes()
        except OSError as problem:
            raise Refused(f"{self.path}: {problem.strerror}; name a CIB file that can be read") from None
        try:
            root = etree.fromstring(content)
        except etree.XMLSyntaxError as problem:
            raise Refused(f"{self.path}: {problem.msg}; a CIB is what cibadmin --query prints") from None
        if root.tag != "cib":
            raise Refused(f"{self.path} holds <{root.tag}>, not a CIB; cibadmin --query prints one")
        return content

    def change(self, old: bytes, new: bytes) -> None:
        if self.read() != old:
            raise Refused(
                f"{self.path} was changed by somebody else in the meantime; nothing was written, run it again"
            )
        beside = self.path.with_name(f".{self.path.name}.new")
        try:
            beside.touch(mode=0o600)  # fencing has passwords
            beside.write_bytes(new)
            shutil.copymode(self.path, beside)
            beside.replace(self.path)
        except OSError as problem:
            raise Refused(f"{self.path} cannot be written: {problem.strerror}; nothing was changed") from None

    def facts(self, private: Sequence[str] = ()) -> Facts:
        try:
            return facts.read(_monitored(CIB_file=os.fspath(self.path.absolute())))
        except Failed as problem:
            raise Refused(
                f"{self.path}: this Pacemaker does not understand the CIB: {problem.reason}"
            ) from None
