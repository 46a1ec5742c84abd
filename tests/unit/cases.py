"""The cast of the cluster file's tests: a small file that is right, and pieces of it.

A case is a piece of a cluster file. Top-level keys it does not have are added
below it from `PARTS`, so its line numbers stay; `$disk1` and its like stand
for the words that every virtual server needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vsctl.cli import clusterfile

FILE = "nas.yaml"
DATA = Path(__file__).parents[1] / "data"

PARTS = {
    "name": "name: nas1\n",
    "subnets": """subnets:
  lan-a: {networks: [192.0.2.0/24, "2001:db8:a::/64"], gateways: [192.0.2.1], routers: {ospf: {area: 0}}}
  lan-b: {networks: [198.51.100.0/24], gateways: [198.51.100.1], routers: {ospf: {area: 0}}}
""",
    "storage": "storage: {san1: {}}\n",
    "nodes": """nodes:
  n1: {ports: {e0a: lan-a, e1a: lan-b}}
  n2: {ports: {e0a: lan-a, e1a: lan-b}}
""",
    "fencing": "fencing: {n1: {agent: fence_ipmilan}, n2: {agent: fence_ipmilan}}\n",
    "virtual_servers": "virtual_servers:\n  vs1: {$vs1}\n",
}
WORDS = {
    "$disk": r"device: /dev/disk\1, type: xfs, storage: san1",
    "$nfs": "exports: [{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]",
    "$vs": r"addresses: [192.0.2.1\1/24], filesystems: {root: {$disk\1, $nfs}}",
}


def whole(piece: str) -> str:
    """Return a cluster file that begins with a piece of it."""
    missing = [
        part for key, part in PARTS.items() if not re.search(f"^[\"']?{key}[\"']?:", piece, re.MULTILINE)
    ]
    text = piece + "".join(missing)
    text = re.sub(r"\$vs(\d)", WORDS["$vs"], text)
    text = re.sub(r"\$disk(\d)", WORDS["$disk"], text)
    return text.replace("$nfs", WORDS["$nfs"])


def said(text: str) -> list[str]:
    """Return what `vsctl check` says of a text, without the name of the file."""
    return [str(each).removeprefix(f"{FILE}:") for each in clusterfile.read(text, FILE)[1]]


@dataclass(frozen=True)
class Case:
    """`title` is the sentence above the piece, `outcome` the lines below it."""

    file: Path
    title: str
    piece: str
    outcome: list[str]

    def rewrite(self, outcome: list[str]) -> None:
        text = self.file.read_text()
        self.file.write_text(text.replace(str(self), str(Case(self.file, self.title, self.piece, outcome))))

    def __str__(self) -> str:
        return f"# {self.title}\n{self.piece}----\n{''.join(line + chr(10) for line in self.outcome)}"


def cases(folder: str) -> list[Case]:
    return [case for file in sorted((DATA / folder).glob("*.txt")) for case in _cases(file)]


def _cases(file: Path) -> list[Case]:
    found = []
    for block in file.read_text().strip("\n").split("\n\n"):
        head, _, rest = block.partition("\n")
        piece, _, outcome = f"{rest}\n".partition("----\n")
        found.append(Case(file, head.removeprefix("# "), piece, outcome.splitlines()))
    return found
