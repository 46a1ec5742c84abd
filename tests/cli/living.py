"""A cluster that lives in a file: whatever is written into it, the real scheduler answers, and all of it happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from vsctl.cli import changes, scheduler
from vsctl.cli.facts import Facts
from vsctl.cli.programs import Refused
from vsctl.cli.store import CibFile


@dataclass
class Living:
    """`before_change` is called with what is about to be written, `written` has all that was."""

    path: Path
    live: bool = True
    before_change: Callable[[bytes], None] = lambda _: None
    written: list[bytes] = field(default_factory=list)

    def read(self) -> bytes:
        return self.path.read_bytes()

    def change(self, old: bytes, new: bytes) -> None:
        if list(changes.edited(etree.fromstring(old), etree.fromstring(self.read()))):
            raise Refused("the cluster did not take the change")
        self.before_change(new)
        self.written.append(new)
        self.path.write_bytes(new)
        self.happen()

    def facts(self, private: Sequence[str] = ()) -> Facts:
        return CibFile(self.path).facts(private)

    def happen(self, *events: str) -> None:
        """Let the scheduler have its way."""
        self.path.write_bytes(scheduler.settle(self.read(), events=events).cib)


def without_daemon(cib: bytes, node: str) -> bytes:
    """Return the CIB in which the daemon of a node does not run."""
    tree = etree.fromstring(cib)
    (history,) = tree.iterfind(f"status/node_state[@uname='{node}']/lrm/lrm_resources")
    (daemon,) = history.iterfind("lrm_resource[@type='daemon']")
    history.remove(daemon)
    return etree.tostring(tree)
