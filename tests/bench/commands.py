"""How long does an operator wait for the command line?

One virtual server more, in a CIB on disk that has five: `vsctl apply`, which
also asks the scheduler what would move, against pcs (one command a resource
or constraint) and crmsh (one session). No cluster takes part.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.bench.sides import HERE
from tests.bench.table import Row, Table
from tests.lab.place import CHECKOUT

VSCTL = CHECKOUT / ".venv/bin/vsctl"
DEVICE, ADDRESS = "/dev/disk/by-id/vsctl-lab-vs6", "192.0.2.16"


def measure(trials: int) -> Table:
    values: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        empty = subprocess.run(["cibadmin", "--empty"], check=True, capture_output=True, text=True).stdout
        five, six = place / "five.yaml", HERE / "ours.yaml"
        five.write_text(six.read_text().partition("  vs6:\n")[0])
        base = place / "base.xml"
        base.write_text(empty)
        _run([VSCTL, "apply", "--yes", "--cib", base, five])
        for _ in range(trials):
            for what, commands in (
                ("vsctl", [[VSCTL, "apply", "--yes", "--cib", place / "cib.xml", six]]),
                ("pcs", _pcs(place / "cib.xml")),
                ("crmsh", _crm(place)),
                ("check", [[VSCTL, "check", six]]),
                ("plan", [[VSCTL, "plan", "--cib", place / "cib.xml", six]]),
                ("nothing", [[VSCTL, "apply", "--cib", place / "cib.xml", five]]),
            ):
                (place / "cib.xml").write_text(base.read_text())
                began = time.monotonic()
                for each in commands:
                    _run(each, place / "cib.xml")
                values[what].append(time.monotonic() - began)

    def row(what: str, ours: str, peer: str = "", target: str = "") -> Row:
        return Row(what, "s", tuple(values[ours]), tuple(values[peer]) if peer else (), target)

    return Table(
        "The operator's commands: one virtual server more, in a CIB of five",
        "vsctl",
        "peer",
        (
            row("apply, pcs", "vsctl", "pcs", "<= 0.25 s"),
            row("apply, crmsh", "vsctl", "crmsh", "<= 0.25 s"),
            row("apply, nothing to do", "nothing"),
            row("plan", "plan"),
            row("check", "check"),
        ),
        (f"pcs: {len(_pcs(Path()))} commands; crmsh: one session, as many objects.",),
    )


def _run(command: list[object], cib: Path | None = None) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    if cib is not None and command[0] == "crm":
        environment["CIB_file"] = str(cib)
    subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, env=environment)


_PARTS = (
    ("fs", "Filesystem", {"device": DEVICE, "directory": "/srv/stock/vs6", "fstype": "ext4"}),
    ("ip", "IPaddr2", {"ip": ADDRESS, "cidr_netmask": "24", "nic": "e0a"}),
    ("server", "anything", {"binfile": "/usr/sbin/smbd", "cmdline_options": "-F", "pidfile": "/run/x.pid"}),
    ("share", "anything", {"binfile": "/usr/sbin/nmbd", "cmdline_options": "-F", "pidfile": "/run/y.pid"}),
    ("block", "portblock", {"protocol": "tcp", "portno": "445", "action": "unblock"}),
)
"""A group of five, as far as one can be written for one SMB server."""


def _pcs(cib: Path) -> list[list[object]]:
    pcs = ["pcs", "-f", cib]
    created: list[list[object]] = [
        [
            *(*pcs, "resource", "create", f"vs6-{part}", f"ocf:heartbeat:{agent}"),
            *(f"{key}={value}" for key, value in its.items()),
            "--force",
        ]
        for part, agent, its in _PARTS
    ]
    group: list[object] = [
        *pcs,
        "resource",
        "group",
        "add",
        "vs6s",
        *(f"vs6-{part}" for part, _, _ in _PARTS),
    ]
    located: list[list[object]] = [
        [*pcs, "constraint", "location", "vs6s", "prefers", f"{node}={score}", "--force"]
        for node, score in (("n1", 10), ("n2", 20), ("n3", 50))
    ]
    return [*created, group, *located]


def _crm(place: Path) -> list[list[object]]:
    lines = [
        f"primitive vs6-{part} ocf:heartbeat:{agent} params "
        + " ".join(f'{key}="{value}"' for key, value in its.items())
        for part, agent, its in _PARTS
    ]
    lines.append(f"group vs6s {' '.join(f'vs6-{part}' for part, _, _ in _PARTS)}")
    lines += [
        f"location vs6-{node} vs6s {score}: {node}" for node, score in (("n1", 10), ("n2", 20), ("n3", 50))
    ]
    (place / "vs6.crm").write_text("\n".join(lines) + "\n")
    return [["crm", "-F", "configure", "load", "update", place / "vs6.crm"]]
