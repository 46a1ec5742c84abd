"""The main job, told as it happens: six virtual servers, real clients, and a node that dies.

python -m tests.lab.demo [--shell]
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lab import history
from tests.lab.clients import Client
from tests.lab.lab import Lab
from tests.lab.problem import LabProblem

CLUSTER_FILE = Path(__file__).with_name("demo.yaml")
DISKS = {
    "vs1-root": "ext4", "vs1-data": "xfs", "vs2-root": "ext4", "vs3-root": "ext4",
    "vs4-root": "ext4", "vs5-root": "xfs", "vs6-root": "ext4",
}  # fmt: skip
USERS = {"vs1": ("alice", "wonderland"), "vs4": ("bob", "builder")}
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WIDTH = min(shutil.get_terminal_size().columns, 80)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.demo", description=__doc__)
    parser.add_argument("--shell", action="store_true", help="leave the cluster up, with a shell in n1")
    wanted = parser.parse_args()
    for end in ENDS:
        signal.signal(end, interrupt)
    try:
        with ExitStack() as stage:
            title("A cluster")
            with doing("starting three nodes with Corosync, Pacemaker and fencing"):
                lab = stage.enter_context(Lab(3, name=os.environ.get("VSCTL_LAB", "demo")))
            stage.callback(go_deaf)
            story = Story(lab)
            story.prepare()
            if wanted.shell:
                story.look_around()
            else:
                story.tell()
    except KeyboardInterrupt:
        print()
        say("Interrupted; everything the demo started is gone.")
        return 130
    except LabProblem as problem:
        print(f"\n{textwrap.fill(f'The story ends here: {problem}', WIDTH)}", file=sys.stderr)
        return 1
    return 0


class Story:
    """The acts of the demo, each a method; `prepare` comes first."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def prepare(self) -> None:
        lab = self.lab
        say("Each has two ports on lan-a and one on lan-b.")
        with doing("making seven shared disks, ext4 and XFS"):
            for name, type in DISKS.items():
                lab.disk(name, type)
        command("vsctl install", "put the agents on every node")
        for node in lab.nodes:
            node.run(["vsctl", "install"])
        command(f"vsctl apply --wait {CLUSTER_FILE.name}", "one file: six virtual servers")
        with doing("applying it, and waiting until all of them serve"):
            applied = lab.node("n1").run(["vsctl", "apply", "--wait", str(CLUSTER_FILE)], timeout=180)
        show(applied)
        for server, (user, password) in USERS.items():
            command(f"vsctl smb-user {server} add {user}")
            node = lab.node(lab.where(f"{server}-smb") or "n1")
            node.run(["vsctl", "smb-user", server, "add", user], input=f"{password}\n")

    def look_around(self) -> None:
        title("Look around")
        say(
            "This shell is in node n1. Try `vsctl status`, `vsctl move vs5 n1 --wait`, `vsctl drain n1`, "
            "`vsctl simulate --fail node:n2`, `crm_mon -1`, `ip netns`. From another terminal, in the checkout: "
            f"`VSCTL_LAB={self.lab.place.name} .venv/bin/python -m tests.lab kill n2`. `exit` ends it all."
        )
        subprocess.run(self.lab.node("n1").command(["bash"]), check=False)

    def tell(self) -> None:
        lab = self.lab
        self._status()
        with ExitStack() as all_clients:
            title("Clients write")
            clients = {what: all_clients.enter_context(each) for what, each in self._clients().items()}
            for each in clients.values():
                each.wait_for_progress()
            say(
                "Every client writes a record, waits until the server says it is on disk, and writes the next:"
            )
            print("\n".join(f"  {what}" for what in clients))
            self._a_node_dies(clients)
            self._it_comes_back(clients)
        title("What was written is there")
        for what, each in clients.items():
            report = each.report()
            lost = each.missing()
            print(
                f"  {what:<32} {report.acknowledged:>5} records acknowledged, {len(lost)} lost, {len(report.errors)} errors"
            )
            if lost or report.errors:
                raise LabProblem(f"{what}: {report}; lost {lost}")
        lab.check()
        say("No filesystem was mounted on two nodes at any moment.")
        title("Look around")
        say(
            "`make shell` starts the same cluster and leaves you in it. tests/lab/README.md shows how to play by hand."
        )

    def _clients(self) -> dict[str, Client]:
        c1, c2 = self.lab.client("c1"), self.lab.client("c2")
        return {
            "vs1  NFS  192.0.2.11": Client.nfs(c1, "192.0.2.11", "/data/projects", "c1"),
            "vs1  NFS  198.51.100.11": Client.nfs(c2, "198.51.100.11", "/data/projects", "c2"),
            "vs1  SMB  192.0.2.11": Client.smb(c1, "192.0.2.11", "projects", *USERS["vs1"]),
            "vs2  NFS  192.0.2.12": Client.nfs(c1, "192.0.2.12", "/root/home"),
            "vs3  NFS  192.0.2.13  (pinned)": Client.nfs(c1, "192.0.2.13", "/root/scratch"),
            "vs4  SMB  198.51.100.14": Client.smb(c2, "198.51.100.14", "office", *USERS["vs4"]),
            "vs5  NFS  192.0.2.15": Client.nfs(c1, "192.0.2.15", "/root/media"),
        }

    def _a_node_dies(self, clients: dict[str, Client]) -> None:
        lab = self.lab
        title("The power of n1 fails")
        before, clock = time.monotonic(), time.time()
        lab.kill("n1")
        with doing("n2 and n3 notice, fence n1, and only then start what was on it"):
            lab.wait_until_fenced("n1")
            fenced = time.monotonic() - before
            back = {
                what: each.wait_for_progress(since=before)
                for what, each in clients.items()
                if "pinned" not in what
            }
            for each in clients:
                if each in back:
                    clients[each].wait_for_progress()
        print(f"  after {fenced:4.1f} s  n1 has been fenced")
        for act in history.begun(lab, "start", clock):
            if act.resource.endswith("-net"):
                print(
                    f"  after {act.at - clock:4.1f} s  {act.resource.removesuffix('-net')} starts on {act.node}"
                )
        say("Clients stood still for:")
        for what, each in clients.items():
            print(f"  {what:<32} {still(each, before)}")
        self._status()

    def _it_comes_back(self, clients: dict[str, Client]) -> None:
        lab = self.lab
        title("n1 is switched on again")
        begin = time.monotonic()
        lab.boot("n1")
        with doing("n1 joins, and the server that is pinned to it starts"):
            lab.wait_for_nodes()
            pinned = next(each for what, each in clients.items() if "pinned" in what)
            pinned.wait_for_progress(since=begin, limit=90)
        command("vsctl failback", "the others return only when they are told to")
        show(lab.node("n2").run(["vsctl", "failback"], timeout=180))
        for each in clients.values():
            each.wait_for_progress()
        self._status()

    def _status(self) -> None:
        command("vsctl status")
        show(self.lab.any_node().run(["vsctl", "status"], check=False))


def still(client: Client, since: float) -> str:
    """Say how long a client got no answer after a moment."""
    gaps = [length for at, length in client.report().gaps if at + length > since]
    acks = [each for each in client.report().acks if each > since]
    longest = max(gaps, default=0.0)
    return f"{longest:5.2f} s" if acks and acks[-1] - since > longest / 2 else "waits for n1"


def interrupt(*_: object) -> None:
    """Have the lab taken down, whatever ends the demo."""
    go_deaf()
    raise KeyboardInterrupt


def go_deaf() -> None:
    """Let nobody interrupt the taking down."""
    for end in ENDS:
        signal.signal(end, signal.SIG_IGN)


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def say(text: str) -> None:
    print(textwrap.fill(text, WIDTH), flush=True)


def command(line: str, why: str = "") -> None:
    print(f"$ {line}" + (f"    # {why}" if why else ""), flush=True)


def show(command: subprocess.CompletedProcess[str]) -> None:
    """Show what a command said, which is as wide as the page."""
    print(command.stdout.rstrip("\n"), flush=True)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Say what takes a while, and how long it took."""
    begin = time.monotonic()
    print(f"  {what} ... ", end="", flush=True)
    yield
    print(f"{time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
