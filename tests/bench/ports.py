"""How long do clients stand still when the port dies by which they reach their servers?

Two servers are on that port, one for NFS and one for SMB. The node has a second
port on the subnet, and a third on another one. Stock is IPaddr2 with ethmonitor,
set as quick as it can be: it moves the whole servers to other nodes, as nothing
of it knows a second port. Once each it is also set as it comes, and left out.
"Ping" is the longest time without an echo, two hundred questions a second. Where
the node announces by host route the clients are behind a router, and nothing stock
is beside it.
"""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from math import inf
from tempfile import TemporaryFile
from typing import ClassVar

import yaml

from tests.bench.sides import HERE, Ours, Side, Stock, address, protocol, up
from tests.bench.table import Row, Table
from tests.lab import history, routing
from tests.lab.clients import Client
from tests.lab.machine import Machine
from tests.lab.problem import LabProblem

SERVER, OTHER = "vs1", "vs2"
"""Both are at home on n1."""
IPV6 = "2001:db8:a::11"
"""An address of the first."""
MOVES, HOST_ROUTE = "last port, move", "host route"
TARGETS = {
    "cable pulled: ping": "<= 0.05",
    "port silent: ping": "<= 1.5",
    "last port: NFS": "<= 1.5",
    "last port silent: NFS": "<= 1.5",
    f"{HOST_ROUTE}: NFS": "stated",
    f"{MOVES}: NFS": "<= 4",
    "flapping: failovers": "1",
}
FLAPS = 10
NEVER = 35.0
"""Seconds after which nobody will notice any more what three monitors of IPaddr2 have not."""
PING = 'ping -D -n -i 0.005 "$1" & read -r end; kill -INT $!; wait'
CHATTER = "ping -q -b -i 0.2 192.0.2.255 >/dev/null 2>&1 & read -r end; kill $!"
LAN_B = {"networks": ["198.51.100.0/24"], "gateways": ["198.51.100.1"]}
PASSWORD_FILE = "/etc/vsctl-bgp"
BESIDE_ROUTERS = {
    "networks": ["198.51.100.0/24", "2001:db8:b::/64"],
    "gateways": ["198.51.100.1", "2001:db8:b::1"],
    "routers": {
        "bgp": {
            "as": 64512,
            "peers": {"198.51.100.1": 64500, "2001:db8:b::1": 64500},
            "password_file": PASSWORD_FILE,
        }
    },
}
BEHIND_ROUTER = "203.0.113.0/24"


class Routed(Ours):
    """With a second subnet, over which nodes reach each other, and an IPv6 address."""

    clients: ClassVar[Mapping[str, str]] = {"c1": "lan-a", "c3": "lan-c"}

    def configure(self) -> None:
        super().configure()
        self.answer("route")

    def answer(self, on_subnet_loss: str, lan_b: Mapping[str, object] = LAN_B) -> None:
        """Let the two servers be routed when their node has lost the subnet, or move."""
        document = yaml.safe_load((HERE / "ours.yaml").read_text())
        document["subnets"]["lan-a"]["networks"].append("2001:db8:a::/64")
        document["subnets"]["lan-b"] = lan_b
        for node in document["nodes"].values():
            node["ports"] = {**node["ports"], "e1a": "lan-b"}
        servers = document["virtual_servers"]
        servers[SERVER]["addresses"].append(f"{IPV6}/64")
        (export,) = servers[SERVER]["filesystems"]["root"]["exports"]
        export["nfs"]["clients"][BEHIND_ROUTER] = "rw"
        for each in (SERVER, OTHER):
            servers[each]["on_subnet_loss"] = on_subnet_loss
        node = self.lab.node("n1")
        node.write("/etc/vsctl.yaml", yaml.safe_dump(document))
        node.run(["vsctl", "apply", "--yes", "--wait", "/etc/vsctl.yaml"], timeout=180)

    def gather(self) -> None:
        self.lab.any_node().run(["vsctl", "failback"], timeout=120)
        _wait_until_together(self)

    def port(self) -> str:
        shown = self.lab.node(_place(self)).run(["ip", "neighbour", "show", "proxy"]).stdout
        lines = (line.split() for line in shown.splitlines())
        return next(words[2] for words in lines if words[0] == address(SERVER) and words[2] != "e1a")

    def failovers(self, since: float) -> int:
        """Count in the node's diary how often another port began to announce."""
        said = self.lab.node(_place(self)).path("/var/log/vsctl/events").read_text().splitlines()
        events = [each.split() for each in said]
        return sum(
            float(when) >= since and kind == "address" and about == f"{SERVER}/lan-a" and now != "-"
            for when, kind, about, now in events
        )

    def wait_until_good(self) -> None:
        for each in (f"{node.name}/{port}" for node in self.lab.nodes for port in ("e0a", "e0b")):
            self.lab.wait(
                lambda it=each: (
                    self.lab.any_node().run(["vsctl", "release", it], check=False).returncode == 0
                ),
                f"{each} is good again",
                60,
            )
        for server in (SERVER, OTHER):
            self.lab.wait(
                lambda it=server: self.lab.where(f"{it}-vip-lan-a") == self.node_of(it),
                f"{server} is announced directly",
                60,
            )


class Behind(Routed):
    """The same with clients behind a router, which the nodes tell of host routes."""

    @property
    def client(self) -> Machine:
        return self.lab.client("c3")

    def tell_router(self) -> None:
        for node in self.lab.nodes:
            node.write(PASSWORD_FILE, "a word\n")
        routing.speak(self.lab, "bgp")
        self.answer("route", BESIDE_ROUTERS)
        self.lab.wait(
            lambda: routing.sessions(self.lab) == 2 * len(self.lab.nodes),
            "the router listens to every node",
            60,
        )

    def wait_until_good(self) -> None:
        super().wait_until_good()
        self.lab.wait(lambda: not routing.learnt(self.lab), "the router is told of nothing any more", 60)


QUICK, USUAL = ("repeat_count=1 repeat_interval=1 pktcnt_timeout=1", "1"), ("", "10")
"""What ethmonitor is told, and every how many seconds it looks."""


class Monitored(Stock):
    """Stock agents, and ethmonitor on the port with the addresses once it is set."""

    @staticmethod
    def name() -> str:
        return "with ethmonitor"

    def configure(self) -> None:
        super().configure()
        self.lab.node("n1").run(["crm", "-F", "configure", "load", "update", HERE / "stock/ipv6.crm"])

    def gather(self) -> None:
        """Bring the other server to the one; it sticks where it is when the order is taken back."""
        if self.node_of(OTHER) != _place(self):
            self.move(OTHER, _place(self))
            _wait_until_together(self)
            self.lab.any_node().run(["crm_resource", "--clear", "--resource", OTHER])
        _wait_until_together(self)

    def monitor(self, settings: tuple[str, str]) -> None:
        """Let ethmonitor look at the port with the addresses."""
        parameters, every = settings
        text = (HERE / "stock/ports.crm").read_text()
        node = self.lab.node("n1")
        node.write("/etc/stock/ports.crm", text.replace("@SETTINGS@", parameters).replace("@EVERY@", every))
        node.run(["crm", "-F", "configure", "load", "update", "/etc/stock/ports.crm"])
        self.wait_until_good()
        self.wait_until_idle()

    @property
    def is_monitored(self) -> bool:
        return self.lab.cib().find(".//clone[@id='ports']") is not None

    def port(self) -> str:
        return "e0a"

    def failovers(self, since: float) -> int:
        """Count how often the server was started again, wherever.

        What flaps has ethmonitor stop all of it, and start it where it was as soon
        as the port is back: nothing goes to another node, and clients wait.
        """
        return sum(each.resource == f"{SERVER}-server" for each in history.begun(self.lab, "start", since))

    def wait_until_good(self) -> None:
        def good() -> bool:
            now = self.lab.status()
            found = (
                [] if now is None else now.xpath("//node_attributes/node/attribute[@name='port-e0a']/@value")
            )
            return found == ["1"] * len(self.lab.nodes)

        if self.is_monitored:
            self.lab.wait(good, "ethmonitor finds every port good", 90)


Watched = Routed | Monitored


def _place(side: Side) -> str:
    return side.node_of(SERVER) or "n1"


def _wait_until_together(side: Side) -> None:
    side.lab.wait(
        lambda: side.node_of(SERVER) and side.node_of(SERVER) == side.node_of(OTHER),
        f"{SERVER} and {OTHER} are on one node",
        90,
    )


def measure(trials: int) -> Table:
    """Let the port in use fail in every way, as often as said."""
    with up(Routed) as side, _chatter(side):
        assert isinstance(side, Routed)
        side.wait_until_good()
        ours = _trials(side, FAULTS, trials)
        side.answer("move")
        ours.update(_trials(side, {MOVES: _lose}, trials))
        behind = Behind(side.lab)
        behind.tell_router()
        ours.update(_trials(behind, {HOST_ROUTE: _lose}, trials))
    with up(Monitored) as side, _chatter(side):
        assert isinstance(side, Monitored)
        once = {"alone": _trials(side, UNNOTICED, 1)}
        side.monitor(USUAL)
        once["usual"] = _trials(side, UNNOTICED, 1)
        side.monitor(QUICK)
        theirs = _trials(side, FAULTS, trials)
    rows = [
        Row(
            what,
            "" if "failovers" in what else "s",
            tuple(values),
            tuple(theirs[what.replace(MOVES, "last port")]),
            TARGETS.get(what, ""),
        )
        for what, values in ours.items()
    ]
    for setting, seen in once.items():
        for what, values in seen.items():
            fault, _, name = what.partition(": ")
            rows.append(Row(f"{BRIEFLY[fault]}, {setting}: {name}", "s", tuple(ours[what]), tuple(values)))
    notes = (
        f"{trials} trials of each, in one cluster of three nodes a side; flapping: ten times in ten seconds.",
        "move: with `on_subnet_loss: move`; beside it what ethmonitor does whenever the last port is lost.",
        "host route: to clients behind a router that speaks BGP; stock has no such thing.",
        "failovers: to another port; of stock: how often the server was started, until all was at rest.",
        "ethmonitor is set as quick as it can be. Once each: as it comes (usual), and none (alone);",
        f"never: not within {NEVER:g} s, in which IPaddr2 has looked three times.",
        "ethmonitor takes a port for good on which anything comes; five broadcasts a second do.",
    )
    return Table(
        "A port dies: the longest time without an answer", Ours.name(), Monitored.name(), tuple(rows), notes
    )


def _trials(side: Watched, faults: Faults, trials: int) -> dict[str, list[float]]:
    """Return what was seen, by fault and what was looked at."""
    seen: dict[str, list[float]] = defaultdict(list)
    for _ in range(trials):
        for what, fail in faults.items():
            for name, value in _lived_through(side, fail).items():
                seen[f"{what}: {name}"].append(value)
    return seen


def _lived_through(side: Watched, fail: Callable[[Watched], Callable[[], None]]) -> dict[str, float]:
    with ExitStack() as clients:
        writers = {
            protocol(each).upper(): clients.enter_context(side.writer(each)) for each in (SERVER, OTHER)
        }
        echoes = {
            "ping": clients.enter_context(_pinged(side, address(SERVER))),
            "ping6": clients.enter_context(_pinged(side, IPV6)),
        }
        for each in writers.values():
            each.wait_for_progress()
        began, clock = time.monotonic(), time.time()
        mend = fail(side)
        since = time.monotonic() + 2
        noticed = all(_gets_on(side, each, since) for each in writers.values())
        gaps = {
            name: max(length for at, length in each.report().gaps if at + length > began)
            for name, each in writers.items()
        }
        if not noticed:
            clients.callback(mend)  # first, as a client ends only when it hears from its server
    if noticed:
        mend()
    side.wait_until_good()
    side.wait_until_idle()
    failovers = side.failovers(clock)  # what flapped may be acted on when clients have long got on
    side.gather()
    side.wait_until_idle()
    if not noticed:
        return dict.fromkeys((*echoes, *gaps), inf)
    pauses = {name: max(later - sooner for sooner, later in pairwise(each)) for name, each in echoes.items()}
    found = {**pauses, **gaps}
    return {**found, "failovers": float(failovers)} if fail is _flap else found


def _gets_on(side: Watched, writer: Client, since: float) -> bool:
    """Say whether somebody notices that a client has no way to its server, and does something about it."""
    watched = isinstance(side, Routed) or side.is_monitored
    try:
        writer.wait_for_progress(since=since, limit=120 if watched else NEVER)
    except LabProblem:
        if watched:
            raise
        return False
    return True


def _pull(side: Watched) -> Callable[[], None]:
    port = f"{_place(side)}/{side.port()}"
    side.lab.cut(port)
    return lambda: side.lab.mend(port)


def _mute(side: Watched) -> Callable[[], None]:
    port = f"{_place(side)}/{side.port()}"
    side.lab.mute(port)
    return lambda: side.lab.unmute(port)


def _silence(side: Watched) -> Callable[[], None]:
    subnet = f"{_place(side)}/lan-a"
    side.lab.mute(subnet)
    return lambda: side.lab.unmute(subnet)


def _lose(side: Watched) -> Callable[[], None]:
    subnet = f"{_place(side)}/lan-a"
    side.lab.cut(subnet)
    return lambda: side.lab.mend(subnet)


def _flap(side: Watched) -> Callable[[], None]:
    port = f"{_place(side)}/{side.port()}"
    for _ in range(FLAPS):
        began = time.monotonic()
        for act, until in ((side.lab.cut, 0.5), (side.lab.mend, 1.0)):
            act(port)
            time.sleep(max(0.0, began + until - time.monotonic()))
    return lambda: None


Faults = Mapping[str, Callable[[Watched], Callable[[], None]]]
BRIEFLY = {"cable pulled": "cable", "port silent": "silent"}
UNNOTICED: Faults = {"cable pulled": _pull, "port silent": _mute}
FAULTS: Faults = {**UNNOTICED, "last port": _lose, "last port silent": _silence, "flapping": _flap}


@contextmanager
def _pinged(side: Side, host: str) -> Iterator[list[float]]:
    """Ping a server; when it ends the list has the time of each echo."""
    echoes: list[float] = []
    command = ["sh", "-c", PING, "sh", host]
    with TemporaryFile("w+") as said:
        with side.client.popen(command, stdin=subprocess.PIPE, stdout=said):
            yield echoes  # the end of its input is its end
        said.seek(0)
        echoes += [float(line[1 : line.index("]")]) for line in said if " bytes from " in line]


@contextmanager
def _chatter(side: Side) -> Iterator[None]:
    """Let something come on every port all the time, as on any network with people on it."""
    with side.client.popen(["sh", "-c", CHATTER], stdin=subprocess.PIPE):
        yield
