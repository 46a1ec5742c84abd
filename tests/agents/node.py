"""A node, two subnets and clients, in network namespaces of their own: no cluster, agents only.

The node has ports e0a and e0b on lan-a, e1a on lan-b. A client is on each
subnet. Nothing here touches the machine's own network, mounts or /run.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import vsctl.agents

PYTHON = "/usr/bin/python3"
ROOT = Path(next(iter(vsctl.agents.__path__))).parent.parent
PATIENCE = 30.0

NODE_PORTS = {
    "e0a": ("lan-a", ("192.0.2.2/24", "2001:db8:a::2/64")),
    "e0b": ("lan-a", ("192.0.2.3/24", "2001:db8:a::3/64")),
    "e1a": ("lan-b", ("198.51.100.2/24",)),
}
CLIENTS = {
    "client-a": ("lan-a", ("192.0.2.99/24", "2001:db8:a::99/64")),
    "client-b": ("lan-b", ("198.51.100.99/24",)),
}


def until(condition: Callable[[], object], sentence: str, patience: float = PATIENCE) -> None:
    """Wait until a condition holds; the sentence says what did not happen."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"within {patience:g} s: {sentence}"
        time.sleep(0.02)


class Place:
    """A network namespace, and a mount namespace with an empty /run, held by a process that waits."""

    def __init__(self) -> None:
        script = "mount --make-rprivate / && mount -t tmpfs tmpfs /run && echo ready && exec sleep infinity"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout and self._holder.stdout.readline() == "ready\n"
        self._programs: list[subprocess.Popen[str]] = []
        self.ip("link", "set", "lo", "up")
        self.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")

    @property
    def pid(self) -> int:
        return self._holder.pid

    def command(self, *command: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", *command]

    def run(self, *command: str, text: str = "") -> str:
        done = subprocess.run(self.command(*command), input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def ip(self, *words: str) -> str:
        return self.run("ip", *words)

    def python(self, code: str, *arguments: str, server: str | None = None) -> subprocess.Popen[str]:
        """Start a Python program here, or in the namespace of a virtual server here."""
        there = ["ip", "netns", "exec", server] if server else []
        return self.start(*there, PYTHON, "-u", "-c", code, *arguments)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a program that ends with this place at the latest."""
        program = subprocess.Popen(
            self.command(*command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._programs.append(program)
        return program

    def hardware(self, port: str) -> str:
        return self.ip("-o", "link", "show", port).split("link/ether ")[1].split()[0]

    def processes(self) -> set[int]:
        """Return the processes in this network namespace, without the one that holds it."""
        found = set()
        for each in Path("/proc").glob("[0-9]*/ns/net"):
            with contextlib.suppress(OSError):
                if each.readlink() == Path(f"/proc/{self.pid}/ns/net").readlink():
                    found.add(int(each.parts[2]))
        return found - {self.pid}

    def close(self) -> None:
        for program in self._programs:
            program.kill()
            program.communicate()
        self._holder.send_signal(signal.SIGKILL)
        self._holder.wait()


def listening(client: Place, told: str, frames: int) -> subprocess.Popen[str]:
    """Start to listen on a client's port for so many frames of a kind, as tcpdump writes it."""
    heard = client.start("tcpdump", "-lnn", "-c", str(frames), "-i", "eth0", told)
    assert heard.stderr
    while "listening" not in heard.stderr.readline():
        pass
    return heard


@contextlib.contextmanager
def told_of(client: Place, hardware: str, ipv4: str, ipv6: str, times: int) -> Iterator[None]:
    """Let a client be told so often that two addresses are at a port, by ARP requests and replies and by NDP."""
    told = f"ether src {hardware} and (arp src host {ipv4} or (ip6 src host {ipv6} and ip6[40]=136))"
    heard = listening(client, told, 3 * times)
    yield
    lines = heard.communicate(timeout=PATIENCE)[0].splitlines()
    for what in (
        f"Request who-has {ipv4} ",
        f"Reply {ipv4} is-at {hardware}",
        f"neighbor advertisement, tgt is {ipv6}",
    ):
        assert len([line for line in lines if what in line]) == times, what


@dataclass(frozen=True)
class Answer:
    """What an agent answered: its exit code, what it said, the CPU milliseconds it took."""

    code: int
    said: str
    cpu: float


class Node(Place):
    """A place with ports on switches, where agents run."""

    def agent(
        self,
        name: str,
        action: str,
        *,
        interval: int | None = None,
        killed_after: float = 0,
        **parameters: str,
    ) -> Answer:
        """Run an action of an agent as Pacemaker would, on the node n1.

        After `killed_after` seconds, unless 0, it and its group are killed.
        """
        environment = {f"OCF_RESKEY_{key}": value for key, value in parameters.items()}
        environment["PATH"] = os.environ["PATH"]
        environment["OCF_RESKEY_CRM_meta_on_node"] = "n1"
        if interval is not None:
            environment["OCF_RESKEY_CRM_meta_interval"] = str(interval * 1000)
        script = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
            f"from vsctl.agents.{name} import {name.capitalize()}; {name.capitalize()}.main()"
        )
        limit = ["timeout", "-s", "KILL", f"{killed_after:.3f}"] if killed_after else []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            self.command(*limit, PYTHON, "-IS", "-c", script, action),
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Answer(done.returncode, done.stderr, cpu * 1000)

    def mount_root(self, server: str) -> str:
        """Give a virtual server a root filesystem, in memory and the node's own; return its mount point."""
        where = f"/srv/vsctl/{server}/root"
        self.run("mount", "-t", "tmpfs", "tmpfs", "/srv")
        self.run("mkdir", "-p", where)
        self.run("mount", "-t", "tmpfs", "tmpfs", where)
        return where

    def dump(self) -> list[str]:
        """Return all that agents may change in a node's network, to compare before and after."""
        found = []
        for command in (
            ("ip", "-o", "link", "show"),
            ("ip", "-o", "address", "show"),
            ("ip", "rule", "show"),
            ("ip", "-6", "rule", "show"),
            ("ip", "route", "show", "table", "all"),
            ("ip", "-6", "route", "show", "table", "all"),
            ("ip", "neighbour", "show", "proxy"),
            ("ip", "-6", "neighbour", "show", "proxy"),
            ("nft", "list", "ruleset"),
            ("find", "/run", "-not", "-path", "/run/netns", "-not", "-path", "/run/vsctl*"),
            ("grep", "-r", "", "/proc/sys/net/ipv4/conf", "/proc/sys/net/ipv4/neigh"),
            ("sh", "-c", "grep -rs '' /proc/sys/net/ipv6/conf /proc/sys/net/ipv6/neigh || true"),
            (
                "sh",
                "-c",
                "cat /proc/sys/net/ipv4/ip_forward; cd /run/vsctl && find . -type f -not -name lock || true",
            ),
        ):
            lines = self.run(*command).splitlines()
            found += [f"{' '.join(command)}: {' '.join(line.split())}" for line in lines]
        return sorted(found)


class Lan:
    """The switches, the node on them, and a client on each."""

    def __init__(self) -> None:
        self.switches = Place()
        self.node = Node()
        self.clients = {name: Place() for name in CLIENTS}
        for lan in ("lan-a", "lan-b"):
            self.switches.ip("link", "add", lan, "type", "bridge", "mcast_snooping", "0")
            self.switches.ip("link", "set", lan, "up")
        for port, (lan, addresses) in NODE_PORTS.items():
            self.plug(self.node, port, port, lan, addresses)
        for name, (lan, addresses) in CLIENTS.items():
            self.plug(self.clients[name], "eth0", name, lan, addresses)
        until(
            lambda: not any("tentative" in each.ip("address") for each in self._hosts()),
            "addresses are ready",
        )

    def _hosts(self) -> list[Place]:
        return [self.node, *self.clients.values()]

    def plug(self, host: Place, port: str, socket: str, lan: str, addresses: Sequence[str]) -> None:
        self.switches.ip("link", "add", socket, "type", "veth", "peer", "name", port, "netns", str(host.pid))
        self.switches.ip("link", "set", socket, "master", lan, "up")
        for each in addresses:
            host.ip("address", "add", each, "dev", port, *(["nodad"] if ":" in each else []))
        host.ip("link", "set", port, "up")

    def cable(self, port: str, state: str) -> None:
        """Pull or plug a cable of the node: `state` is `down` or `up`."""
        self.switches.ip("link", "set", port, state)
        wanted = "LOWER_UP" if state == "up" else "NO-CARRIER"
        until(lambda: wanted in self.node.ip("link", "show", port), f"{port} is {state}")

    def close(self) -> None:
        for each in (*self._hosts(), self.switches):
            each.close()


SERVER = """
import socket, sys, threading
listeners = [
    socket.create_server(('::', int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    for port in sys.argv[1:]
]
def talk(connection):
    while data := connection.recv(4096):
        connection.sendall(data)
def accept(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection,), daemon=True).start()
for each in listeners:
    threading.Thread(target=accept, args=(each,), daemon=True).start()
print('ready')
threading.Event().wait()
"""

CLIENT = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
print(connection.getsockname()[1])
for line in sys.stdin:
    connection.sendall(line.encode())
    print(connection.recv(4096).decode(), end='')
"""

TRY = """
import socket, sys
try:
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
    connection.sendall(b'x')
    print('answered' if connection.recv(1) == b'x' else 'ended')
except TimeoutError:
    print('silence')
except OSError as problem:
    print(problem.strerror)
"""


class Session:
    """A TCP connection that a client keeps, to a server that says back what it hears."""

    def __init__(self, client: Place, address: str, port: int) -> None:
        self._process = client.python(CLIENT, address, str(port))
        assert self._process.stdout
        said = self._process.stdout.readline()
        assert said, f"{address} port {port} does not answer"
        self.local_port = int(said)

    def answers(self) -> bool:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write("still there?\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return self._process.stdout.readline() == "still there?\n"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def serve(node: Place, server: str, *ports: int) -> subprocess.Popen[str]:
    """Start a server of this kind in a virtual server's namespace."""
    process = node.python(SERVER, *map(str, ports), server=server)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def attempt(client: Place, address: str, port: int, *, within: str | None = None) -> str:
    """Return what a new connection, from within a server if named, gets: `answered`, `silence`, an error."""
    said, _ = client.python(TRY, address, str(port), "1", server=within).communicate()
    return said.strip()


@contextlib.contextmanager
def watching(nodes: Sequence[Node], daemon: dict[str, str]) -> Iterator[None]:
    """Let a node daemon run on each node."""
    try:
        for node in nodes:
            node.run("mount", "-t", "tmpfs", "tmpfs", "/var/log")
            assert node.agent("daemon", "start", **daemon).code == 0
        yield
    finally:
        for node in nodes:
            assert node.agent("daemon", "stop", **daemon).code == 0
