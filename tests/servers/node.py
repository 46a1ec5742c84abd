"""A node without a cluster: private mounts, networks and processes, and agents run as Pacemaker runs them."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import vsctl.agents.ocf
from tests.lab.faulty import Failing

ROOT = Path(vsctl.agents.ocf.__file__).parents[2]
PRIVATE = """
set -e
mount --make-rprivate /
for each in /run /srv /var/log; do mount -t tmpfs none $each; done
mkdir /run/netns
ip link set lo up
echo ready
exec sleep infinity
"""


@dataclass(frozen=True)
class Done:
    status: int
    said: str
    seconds: float = 0.0


class Node:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.devices: list[str] = []
        self.left: list[subprocess.Popen[str]] = []
        self.faulty: list[Failing] = []

    def __enter__(self) -> "Node":
        self.holder = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                PRIVATE,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout
        assert self.holder.stdout.readline() == "ready\n", "the node could not be made"
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text()
        self.init = int(children.split()[0])
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.faulty:
            each.end()  # first, so that whoever waits for it gets an error and can be ended
        os.kill(self.init, signal.SIGKILL)  # takes every process and mount of the node with it
        self.holder.wait()
        for each in self.left:
            each.wait()
        for device in self.devices:
            wait_for(lambda device=device: is_free(device), f"{device} is still in use after its node ended")
            subprocess.run(["losetup", "-d", device], check=True)

    def command(self, *arguments: str, netns: str | None = None) -> list[str]:
        inside = ["ip", "netns", "exec", netns] if netns else []
        return ["nsenter", "-t", str(self.init), "-m", "-n", "-p", *inside, *arguments]

    def run(
        self, line: str, netns: str | None = None, ok: bool = True, env: dict[str, str] | None = None
    ) -> Done:
        begun = time.monotonic()
        done = subprocess.run(
            self.command(*shlex.split(line), netns=netns),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(env or {})},
            timeout=60,
            check=False,
        )
        assert not ok or done.returncode == 0, f"{line}: {done.stdout}"
        return Done(done.returncode, done.stdout, time.monotonic() - begun)

    def begin(self, line: str, netns: str | None = None, files: Sequence[int] = ()) -> subprocess.Popen[str]:
        """Start something that goes on until the node ends, with these files open."""
        self.left.append(
            subprocess.Popen(
                self.command(*shlex.split(line), netns=netns),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=files,
            )
        )
        return self.left[-1]

    def python(self, code: str, ok: bool = True) -> Done:
        """Run code that has `vsctl` in the node."""
        return self.run(shlex.join(["/usr/bin/python3", "-IS", "-c", f"{_PATH}\n{code}"]), ok=ok)

    def begin_python(self, code: str) -> subprocess.Popen[str]:
        """Start code that has `vsctl` in the node."""
        return self.begin(shlex.join(["/usr/bin/python3", "-IS", "-c", f"{_PATH}\n{code}"]))

    def agent(
        self,
        agent: str,
        action: str,
        *,
        timeout: int = 20,
        interval: int = 10,
        killed_after: float = 0,
        **parameters: str,
    ) -> Done:
        """Run an action as Pacemaker does; after `killed_after` seconds, unless 0, it and its group are killed."""
        limit = ["timeout", "-s", "KILL", f"{killed_after:.3f}"] if killed_after else []
        return self.run(
            shlex.join([*limit, *_launch(agent, action)]), ok=False, env=_told(timeout, interval, parameters)
        )

    def cut_short(self, agent: str, action: str, after: float, **parameters: str) -> bool:
        """Run an action and kill it, with all it started, after some seconds; say whether it had not ended."""
        running = subprocess.Popen(
            self.command(*_launch(agent, action)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_told(20, 10, parameters)},
            start_new_session=True,
        )
        try:
            running.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            return True
        return False

    def disk(self, type: str, size: str = "") -> str:
        """Make a device with a filesystem on it."""
        return self.attach(self._image(type, size))

    def failing_disk(self, type: str) -> tuple[str, Callable[[str], None]]:
        """Make a device that fails on demand, and what to call with good, eio, hang or slow S."""
        disk = Failing(self._image(type, ""))
        self.faulty.append(disk)
        self.devices.append(disk.device)
        return disk.device, disk.become

    @contextmanager
    def dead_file(self) -> Iterator[int]:
        """Open a file that even to look at takes for ever."""
        _, become = self.failing_disk("empty")
        disk = self.faulty[-1]
        file = os.open(f"/proc/{disk.program.pid}/root{disk.control}.disk", os.O_RDONLY)
        become("hang")
        try:
            yield file
        finally:
            os.close(file)
            become("good")

    def _image(self, type: str, size: str) -> Path:
        image = self.directory / f"disk{len(self.devices)}"
        subprocess.run(["truncate", "-s", size or {"xfs": "320M"}.get(type, "32M"), image], check=True)
        if type != "empty":
            force = ["-q"] if type == "xfs" else ["-q", "-F"]
            subprocess.run([f"mkfs.{type}", *force, image], check=True)
        return image

    def attach(self, image: Path) -> str:
        device = subprocess.run(
            ["losetup", "-f", "--show", image], check=True, capture_output=True, text=True
        ).stdout.strip()
        self.devices.append(device)
        return device

    def server(self, name: str, address: str) -> None:
        """Make a server's namespace and join it to the namespace `client`, 192.0.2.100."""
        if self.run("ip -n client link", ok=False).status:
            for line in ("netns add client", "-n client link set lo up"):
                self.run(f"ip {line}")
            self.run("ip -n client addr add 192.0.2.100/32 dev lo")
        self.python(f"from vsctl.agents import namespaces; namespaces.create({name!r})")
        self.run(f"ip link add node netns {name} type veth peer name c-{name} netns client")
        for netns, line in (
            (name, "link set lo up"),
            (name, "link set node up"),
            (name, f"addr add {address}/32 dev lo"),
            (name, f"route add 192.0.2.100 dev node src {address}"),
            ("client", f"link set c-{name} up"),
            ("client", f"route add {address} dev c-{name} src 192.0.2.100"),
        ):
            self.run(f"ip -n {netns} {line}")


def _launch(agent: str, action: str) -> list[str]:
    code = f"{_PATH}; from vsctl.agents.{agent} import {agent.capitalize()} as A; A.main()"
    return ["/usr/bin/python3", "-IS", "-c", code, action]


def _told(timeout: int, interval: int, parameters: dict[str, str]) -> dict[str, str]:
    """Return what Pacemaker puts into an agent's environment; seconds."""
    return {f"OCF_RESKEY_{key}": value for key, value in parameters.items()} | {
        "OCF_RESKEY_CRM_meta_interval": str(interval * 1000),
        "OCF_RESKEY_CRM_meta_timeout": f"{timeout}000",
    }


_PATH = f"import sys; sys.path.insert(0, {str(ROOT)!r})"


def is_free(device: str) -> bool:
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError:
        return False
    return True


def wait_for(condition, sentence: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, sentence
        time.sleep(0.01)
