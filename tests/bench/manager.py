"""Run Pacemaker's CIB manager alone, and count what changes cost it. Started by `cib`, in namespaces of its own.

Arguments: a folder with the files 0.xml, 1.xml, ..., how many changes lie between them, how many trials.
Standard output: JSON, for each trial and change how much is said (kB), CPU seconds of the manager
from the request to its answer, and seconds by the clock of all that vsctl does.

The manager talks to a Corosync of one node, as it does in every cluster: a request goes to
all nodes, and each of them carries it out.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from lxml import etree

from tests.lab.command import call
from tests.lab.waiting import wait
from vsctl.cli import amending
from vsctl.cli.programs import Failed, run
from vsctl.cli.store import LiveCluster

CIB = Path("/var/lib/pacemaker/cib")
MANAGER = "/usr/lib/pacemaker/pacemaker-based"
FRESH = ("/dev/shm", "/run", "/var/lib/pacemaker", "/var/lib/corosync", "/var/log/pacemaker")
"""What belongs to the machine's own cluster, if it has one."""
BUFFER = str(16 << 20)
"""What the cluster has to set PCMK_ipc_buffer to: a CIB is one message. More than it needs costs CPU for each client."""
LIMIT = 600
"""Seconds that anything may take, on a busy machine."""
PATIENCE = "--timeout", str(LIMIT)
COROSYNC = """\
totem {
    version: 2
    cluster_name: bench
    transport: knet
    crypto_cipher: none
    crypto_hash: none
}
quorum {
    provider: corosync_votequorum
}
nodelist {
    node {
        name: n1
        nodeid: 1
        ring0_addr: 127.0.0.1
    }
}
"""


def main(folder: Path, changes: int, trials: int) -> None:
    os.environ.update(PCMK_logfile="none", PCMK_ipc_buffer=BUFFER)
    manager = start(folder)
    files = [(folder / f"{number}.xml").read_bytes() for number in range(changes + 1)]
    found = []
    for _ in range(trials):
        found.append([changed(manager, each) for each in files[1:]])
        replace(files[0])
    json.dump(found, sys.stdout)


def start(folder: Path) -> int:
    """Start Corosync and the manager, with the first of the files; return the manager's process id."""
    if Path("/proc/sysrq-trigger").exists():  # where Pacemaker resets a machine; that would be this one
        call(["mount", "--bind", "/dev/null", "/proc/sysrq-trigger"])
    for each in FRESH:
        call(["mount", "-t", "tmpfs", "-o", "mode=755", "bench", each])
    socket.sethostname("n1")
    call(["ip", "link", "set", "lo", "up"])
    for place in (CIB, Path("/run/crm")):
        place.mkdir(mode=0o750)
        shutil.chown(place, "hacluster", "haclient")
    (folder / "corosync.conf").write_text(COROSYNC)
    call(["corosync", "-c", str(folder / "corosync.conf")])
    wait(lambda: answers("corosync-cmapctl", "totem.cluster_name"), "Corosync answers", LIMIT)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([MANAGER], stdout=log, stderr=log)
    wait(lambda: answers("cibadmin", "--query", "--scope", "crm_config"), "the CIB manager answers", LIMIT)
    replace((folder / "0.xml").read_bytes())
    return process.pid


def replace(cib: bytes) -> None:
    """Let the manager have another CIB, status and all, which it would not read from its disk."""
    tree = etree.fromstring(cib)
    tree.set("epoch", str(int(root().get("epoch", "0")) + 1))
    run("cibadmin", "--replace", "--sync-call", *PATIENCE, "--xml-pipe", input=etree.tostring(tree))


def root() -> etree._Element:
    return etree.fromstring(run("cibadmin", "--query", "--xpath", "/cib", "--no-children"))


def answers(*question: str) -> bool:
    try:
        run(*question)
    except Failed:
        return False
    return True


def changed(manager: int, cib: bytes) -> dict[str, float]:
    """Give the cluster another configuration as vsctl does, and return what that has cost."""
    cluster = LiveCluster()
    old = cluster.read()
    new, wanted = etree.fromstring(old), etree.fromstring(cib).find("configuration")
    there = new.find("configuration")
    assert there is not None and wanted is not None
    new.replace(there, wanted)
    begun, busy = time.monotonic(), spent(manager)
    cluster.change(old, etree.tostring(new))
    found = {"CIB": spent(manager) - busy, "vsctl": time.monotonic() - begun}
    return {**found, "said": len(amending.amendment(old, etree.tostring(new)) or b"") / 1000}


def spent(process: int) -> float:
    """Return the CPU seconds that a process has used itself; the one that writes the disk is its child."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
