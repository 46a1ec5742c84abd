"""What can a test do with a lab?"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from lxml import etree

from tests.lab import guard, waiting
from tests.lab.cluster import Cluster, has_quorum, online, status
from tests.lab.disk import Disk, Disks
from tests.lab.journal import Entry
from tests.lab.machine import Machine
from tests.lab.network import Network
from tests.lab.place import CHECKOUT, OWNER, Place
from tests.lab.power import Power
from tests.lab.problem import LabProblem
from tests.lab.topology import ROUTER, plan

if TYPE_CHECKING:
    from tests.lab.announcers import Announcers

T = TypeVar("T")

STORE_SIZE = "75%"  # of memory, at most; files are sparse


@dataclass(frozen=True)
class Settings:
    """Everything that makes one lab differ from another. See `topology.plan` for ports and clients.

    `boots`: a node that was fenced comes back by itself. `venv` holds the
    vsctl of the nodes.
    """

    nodes: int = 3
    ports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    clients: Mapping[str, str] = field(default_factory=dict)
    boots: bool = False
    venv: str = str(CHECKOUT / ".venv")


class Lab:
    """A cluster of `nodes` nodes, its switches, router, clients, disks and power switches.

    As a context manager it is up inside of the `with`, and gone afterwards.
    `Lab.attach(name)` takes hold of one that is up.
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        name: str | None = None,
        ports: Mapping[str, Mapping[str, str]] | None = None,
        clients: Mapping[str, str] | None = None,
        boots: bool = False,
        venv: str | None = None,
    ) -> None:
        venv = venv or os.environ.get("VSCTL_VENV") or Settings.venv
        self._setup(Place(name or default_name()), Settings(nodes, ports or {}, clients or {}, boots, venv))

    def _setup(self, place: Place, settings: Settings) -> None:
        self.place = place
        self.settings = settings
        self.topology = plan(settings.nodes, settings.ports, settings.clients)
        self.network = Network(place, self.topology)
        self.disks = Disks(place)
        self.cluster = Cluster(place, self.topology, settings.venv)
        self.power = Power(place, self.network, self.disks, self.cluster)
        self._machines = {spec.name: Machine(place, spec) for spec in self.topology.machines}
        self.announcers: Announcers | None = None

    @classmethod
    def attach(cls, name: str | None = None) -> Lab:
        place = Place(name or default_name())
        saved = place.load("lab")
        if saved is None or place.pid("holder") is None:
            raise LabProblem(f"lab {place.name} is not up: start it with python -m tests.lab up")
        lab = cls.__new__(cls)
        lab._setup(place, Settings(**saved))
        return lab

    # up and down

    def __enter__(self) -> Lab:
        self.up(owner=os.getpid())
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.down()

    def up(self, owner: int | None = None) -> None:
        """Start everything and wait until the cluster has quorum, a DC and all its nodes.

        Clears what a crash has left of a lab of this name. `owner` is a process
        that no other may take the lab from while it lives.
        """
        if os.geteuid() != 0:
            raise LabProblem("a lab needs root")
        if (pid := self.place.pid(OWNER)) is not None:
            raise LabProblem(
                f"lab {self.place.name} is in use by process {pid}: wait for it, or name another by VSCTL_LAB"
            )
        self.place.clear()
        try:
            self._up(owner)
        except BaseException:
            self.place.clear()
            raise

    def _up(self, owner: int | None) -> None:
        self.place.make()
        self.place.save("lab", asdict(self.settings))
        self._hold()
        if owner is not None:
            self.place.record(OWNER, owner)
        self.network.build()
        self._help()
        with ThreadPoolExecutor(max_workers=4) as pool:
            for done in [pool.submit(self.power.restore, each, "the lab starts") for each in self.machines]:
                done.result()
        self.wait_for_nodes()

    def _hold(self) -> None:
        """Start the process that keeps the switches' network namespace and the tmpfs of disks and roots."""
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--net", "--propagation", "private", "--", "sh", "-ec"),
                'mount -t tmpfs -o "size=$2" vsctl-lab "$1"; echo up; exec sleep infinity >/dev/null 2>&1',
                *("sh", str(self.place.store), STORE_SIZE),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.place.environment(),
            start_new_session=True,
        )
        assert process.stdout
        with process.stdout as said:
            first = said.readline()
            if first != "up\n":
                raise LabProblem(f"the lab's namespaces cannot be made: {(first + said.read()).strip()}")
        self.place.record("holder", process.pid)
        self._holder = process

    def _help(self) -> None:
        """Start the helper: fencing and guard."""
        with (self.place.path / "helper.log").open("w") as log:
            self._helper = subprocess.Popen(
                [sys.executable, "-m", "tests.lab.helper", self.place.name],
                cwd=CHECKOUT,
                env=self.place.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.place.record("helper", self._helper.pid)
        self.wait((self.place.shared / "power").exists, "the lab's helper listens (see helper.log)")

    def down(self) -> None:
        """End everything, and leave nothing."""
        self.place.clear()
        if self.announcers is not None:
            self.announcers.end()
            self.announcers = None
        for name in ("_helper", "_holder"):
            if (process := getattr(self, name, None)) is not None:
                process.wait()

    # machines

    @property
    def machines(self) -> tuple[Machine, ...]:
        return tuple(self._machines.values())

    @property
    def nodes(self) -> tuple[Machine, ...]:
        return tuple(self._machines[spec.name] for spec in self.topology.nodes)

    @property
    def nodes_on(self) -> tuple[Machine, ...]:
        return tuple(each for each in self.nodes if each.is_on)

    def machine(self, name: str) -> Machine:
        return self._machines[self.topology.machine(name).name]

    def node(self, name: str) -> Machine:
        return self._of_kind(name, "node")

    def client(self, name: str) -> Machine:
        return self._of_kind(name, "client")

    def _of_kind(self, name: str, kind: str) -> Machine:
        machine = self.machine(name)
        if machine.spec.kind != kind:
            raise LabProblem(f"{name} is no {kind}, it is a {machine.spec.kind}")
        return machine

    def kill(self, node: str) -> None:
        """Cut a machine's power."""
        self.power.cut(self.machine(node), "the tester")

    def wait_until_fenced(self, node: str, limit: float = 30) -> None:
        """Wait until the cluster has fenced a node since it was last switched on."""
        on = self.journal("on", node)[-1].at
        self.wait(
            lambda: [
                each for each in self.journal("off", node) if each.at > on and each.why.startswith("reboot ")
            ],
            f"the cluster fences {node}",
            limit,
        )

    def boot(self, node: str) -> None:
        """Switch a machine on; `wait_for_nodes` waits until it has joined.

        A node that comes back before it was fenced is fenced then:
        `wait_until_fenced` first.
        """
        self.power.restore(self.machine(node), "the tester")

    # cables and switches: n1/e0a, n1/lan-a, lan-a or n1

    def cut(self, target: str) -> None:
        """Pull a cable, or all of a subnet: no carrier."""
        self.network.fault(target, "down")

    def mend(self, target: str) -> None:
        """Put a cable back."""
        self.network.fault(target, "up")

    def mute(self, target: str) -> None:
        """Let a switch fall silent: there is carrier, and nothing passes."""
        self.network.fault(target, "mute")

    def unmute(self, target: str) -> None:
        self.network.fault(target, "unmute")

    # disks

    def disk(self, name: str, type: str = "ext4", size: str | None = None, failing: bool = False) -> Disk:
        """Make a shared disk with an empty filesystem; 64M, or 300M for XFS. Each node can lose a failing one."""
        size = size or ("300M" if type == "xfs" else "64M")
        return self.disks.add(name, type, size, list(self.nodes), failing)

    def mounted(self) -> dict[str, frozenset[str]]:
        """Return the nodes on which each disk is mounted now."""
        return guard.mounted(self.disks.all())

    # the cluster

    def any_node(self) -> Machine:
        """Return a node that is part of the cluster, with quorum and a DC, to ask and command it there."""
        for node in self.nodes_on:
            if node.name in online(node):
                return node
        raise LabProblem(f"no node of lab {self.place.name} has quorum and a DC")

    def cib(self) -> etree._Element:
        """Return the live CIB, configuration and status."""
        return etree.fromstring(self.any_node().run(["cibadmin", "--query"]).stdout.encode())

    def status(self) -> etree._Element | None:
        """Return what crm_mon says, as XML; None while no node has quorum and a DC."""
        return next(filter(has_quorum, map(status, self.nodes_on)), None)

    def where(self, resource: str) -> str | None:
        """Return the node on which a resource is active, None if it is on none or nobody knows."""
        if (now := self.status()) is None:
            return None
        found = now.xpath(
            "//resource[@id=$id and @role!='Stopped' and @active='true']/node/@name", id=resource
        )
        return str(found[0]) if found else None

    def online(self) -> set[str]:
        """Return the nodes that are online, by Pacemaker; none without quorum and a DC."""
        return next(filter(None, map(online, self.nodes_on)), set())

    def wait_for_nodes(self, limit: float = 60) -> None:
        """Wait until every node that is on is online."""
        self.cluster.wait_until_up(list(self.nodes_on), limit)

    def heal(self) -> None:
        """Mend every cable, switch and disk, boot every machine that is off, wait until the cluster is whole."""
        self.disks.heal()
        for kind, verb in (("down", "up"), ("mute", "unmute")):
            for port in self.network.faults()[kind]:
                self.network.fault(port, verb)
        if all(each.is_on for each in self.machines):
            return

        def whole() -> bool:
            for machine in self.machines:  # again and again: one that comes back too early is fenced
                self.power.restore(machine, "the lab is healed")
            return len(self.online()) == len(self.nodes)

        self.wait(whole, "all nodes are on and online", 90)

    def wait(self, condition: Callable[[], T], sentence: str, limit: float = 30) -> T:
        """Return the condition's first true value; LabProblem with the sentence after `limit` seconds."""
        return waiting.wait(condition, sentence, limit)

    # what happened

    def journal(self, event: str | None = None, machine: str | None = None) -> list[Entry]:
        """Return what was done to the power of machines: `cut`, `off`, `on`."""
        return self.power.journal.read(event, machine)

    def watch_announcers(self, addresses: Collection[str]) -> None:
        """From now on let `check` see, too, that no two nodes ever announce one of these addresses."""
        from tests.lab.announcers import Announcers  # which needs vsctl, and a lab does not

        self.announcers = Announcers(self.machine(ROUTER), self.topology, addresses)

    def check(self) -> None:
        """LabProblem if two nodes ever mounted a filesystem or announced an address, or nobody has looked."""
        if self.place.pid("helper") is None:
            log = (self.place.path / "helper.log").read_text()
            raise LabProblem(f"the lab's helper has died, nobody watched for double mounts: {log[-2000:]}")
        if twice := self.journal(guard.EVENT):
            raise LabProblem("; ".join(f"{each.time}: {each.why}" for each in twice))
        if self.announcers is not None:
            self.announcers.check()

    def collect(self, into: Path) -> Path:
        """Copy the logs of all machines, the journal, the CIB and crm_mon to a directory."""
        into.mkdir(parents=True, exist_ok=True)
        for each in self.place.path.glob("*.json*"):
            (into / each.name).write_bytes(each.read_bytes())
        (into / "helper.log").write_bytes((self.place.path / "helper.log").read_bytes())
        mounted = [f"{disk}: {' '.join(sorted(nodes))}\n" for disk, nodes in self.mounted().items()]
        (into / "mounted.txt").write_text("".join(mounted))
        trees = {each.name: each.saved("/var/log") for each in self.machines}
        for name, tree in {**trees, "clients": self.place.shared}.items():
            for file in (
                each for each in tree.rglob("*") if each.is_file()
            ):  # the rest marks what is deleted
                copy = into / name / file.relative_to(tree)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
        with contextlib.suppress(LabProblem):
            asked = self.any_node()
            for name, command in {
                "crm_mon.txt": ["crm_mon", "-1rfA"],
                "cib.xml": ["cibadmin", "--query"],
            }.items():
                (into / name).write_text(asked.run(command, check=False, timeout=20).stdout)
        return into


def default_name() -> str:
    return os.environ.get("VSCTL_LAB") or "lab"
