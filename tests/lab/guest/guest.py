"""How is the guest started, attached, told what to do, and ended?"""

from __future__ import annotations

import hashlib
import json
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NamedTuple

from tests.lab.guest.image import PLACE, QEMU, image
from tests.lab.lab import Lab
from tests.lab.problem import LabProblem
from tests.lab.topology import SUBNETS

BOOT = 60.0
ANSWER = 30.0
PYTHON = ("python3", "-ES")
MEMORY = "384M"


class Ended(NamedTuple):
    status: int
    output: str


class Guest:
    """A machine with a real kernel NFS client, on a bridge, for the length of a `with`.

    `name` is its host name and the name of its port on the bridge: at most 15
    letters. `enter` holds the words before a command that is to run where the
    bridge is, such as nsenter's; `environment` is QEMU's. The guest ends as by
    a power cut: nothing is unmounted. What its kernel says is in `console`.
    """

    def __init__(
        self,
        name: str,
        bridge: str,
        addresses: Sequence[str],
        gateways: Sequence[str] = (),
        *,
        enter: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.bridge = bridge
        self.addresses = addresses
        self.gateways = gateways
        self.enter = enter
        self.environment = environment
        self.console = PLACE / f"{name}.console"

    @classmethod
    def on(cls, lab: Lab, subnet: str, name: str, host: int) -> Guest:
        """Plug a guest into a subnet of the lab, as its host number `host` there."""
        switch = SUBNETS[subnet]
        return cls(
            name,
            switch.name,
            switch.addresses(host),
            switch.gateways,
            enter=lab.place.enter("--net"),
            environment=lab.place.environment(),
        )

    def __enter__(self) -> Guest:
        if shutil.which(QEMU) is None:
            raise LabProblem(f"{QEMU} is not installed: run python -m tests.lab.guest")
        with ExitStack() as stack:
            self._attach(stack)
            self._boot(stack)
            self._settle()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, command: Sequence[str], limit: float = 30) -> Ended:
        """Run a command to its end. LabProblem if that takes more than `limit` seconds; it is killed then."""
        answer = self._ask({"run": list(command), "limit": limit}, limit)
        if "status" not in answer:
            said = answer["output"]
            raise LabProblem(f"{self.name}: {' '.join(command)} did not end in {limit:g} s: {said}")
        return Ended(answer["status"], answer["output"])

    def check(self, command: Sequence[str], limit: float = 30) -> str:
        """Run a command that must succeed, and give what it says. LabProblem if it does not."""
        ended = self.run(command, limit)
        if ended.status:
            raise LabProblem(f"{self.name}: {' '.join(command)} exits {ended.status}: {ended.output}")
        return ended.output

    def start(self, command: Sequence[str]) -> Program:
        """Run a command in the background."""
        answer = self._ask({"start": list(command)})
        if "pid" not in answer:
            raise LabProblem(f"{self.name}: {answer['output']}")
        return Program(self, answer["pid"])

    def mount(self, source: str, options: str, target: str = "/mnt") -> None:
        """Mount an NFS export, such as 192.0.2.11:/data with vers=4.1; the directory is made."""
        self.check(["mkdir", "-p", target])
        self.check(["mount.nfs", source, target, "-o", options])

    def python(self, script: str, *arguments: str) -> Program:
        """Start one of the programs in `inside`."""
        return self.start([*PYTHON, f"/root/{script}", *arguments])

    def lock_is_free(self, file: str) -> bool:
        """Say whether a lock on the file is to be had by this guest."""
        ended = self.run([*PYTHON, "/root/lock.py", file], 60)
        if ended.status not in (0, 1) or ended.output:
            raise LabProblem(f"{self.name}: {file} cannot be locked: {ended.output}")
        return ended.status == 0

    def _attach(self, stack: ExitStack) -> None:
        """Give the bridge a port of ours; QEMU is the cable in it."""
        self._there("ip", "tuntap", "add", self.name, "mode", "tap")
        stack.callback(self._there, "ip", "tuntap", "del", self.name, "mode", "tap", check=False)
        self._there("ip", "link", "set", self.name, "master", self.bridge, "up")

    def _boot(self, stack: ExitStack) -> None:
        made = image()
        self._control, theirs = socket.socketpair()
        stack.callback(self._control.close)
        self._rest = b""
        mac = "52:54:00:" + hashlib.sha256(self.name.encode()).digest()[:3].hex(":")
        command = [
            QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", MEMORY,
            "-kernel", str(made.kernel), "-initrd", str(made.root),
            "-append", "console=ttyS0 panic=-1 mitigations=off",
            "-serial", f"file:{self.console}",
            "-netdev", f"tap,id=net,ifname={self.name},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=net,mac={mac},romfile=",
            "-chardev", f"socket,id=control,fd={theirs.fileno()}",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=control,nr=1",
        ]  # fmt: skip
        self._qemu = subprocess.Popen(
            [*self.enter, "nice", "-n", "10", *command],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, pass_fds=[theirs.fileno()],
            env=self.environment,
        )  # fmt: skip
        stack.callback(self._cut)
        theirs.close()
        self._answer(BOOT)

    def _settle(self) -> None:
        """Give the booted guest its name, its time and its network, and start what NFSv3 locks need."""
        self._ask({"clock": time.time()})
        self.check(["hostname", self.name])
        self.check(["ip", "link", "set", "lo", "up"])
        self.check(["sysctl", "-w", "net.ipv6.conf.eth0.accept_dad=0"])
        self.check(["ip", "link", "set", "eth0", "up"])
        for address in self.addresses:
            self.check(["ip", "address", "add", address, "dev", "eth0"])
        for gateway in self.gateways:
            self.check(["ip", "route", "add", "default", "via", gateway])
        self.check(["rpcbind"])
        self.check(["rpc.statd", "--no-notify"])

    def _cut(self) -> None:
        self._qemu.kill()
        self._qemu.communicate()

    def _ask(self, request: dict[str, Any], limit: float = 0) -> dict[str, Any]:
        self._control.sendall(json.dumps(request).encode() + b"\n")
        return self._answer(limit + ANSWER)

    def _answer(self, limit: float) -> dict[str, Any]:
        """Read one line. LabProblem if it does not come within `limit` seconds, or the guest has ended."""
        until = time.monotonic() + limit
        while b"\n" not in self._rest:
            if not select.select([self._control], [], [], max(0.0, until - time.monotonic()))[0]:
                raise LabProblem(f"the guest {self.name} says nothing: see {self.console}")
            data = self._control.recv(65536)
            if not data:
                said = self._qemu.communicate()[1]
                raise LabProblem(f"the guest {self.name} has ended: {said}see {self.console}")
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _there(self, *command: str, check: bool = True) -> None:
        subprocess.run([*self.enter, *command], check=check, capture_output=True)


class Program:
    """A program that runs in the background of a guest."""

    def __init__(self, guest: Guest, pid: int) -> None:
        self.guest = guest
        self.pid = pid
        self._said = ""

    def output(self) -> str:
        """Give all that it has said so far."""
        self._said += self.guest._ask({"read": self.pid, "from": len(self._said.encode())})["output"]
        return self._said

    def end(self, limit: float = 30) -> Ended:
        """Ask it to end. LabProblem if it has not after `limit` seconds."""
        status = self.guest._ask({"end": self.pid, "limit": limit}, limit)["status"]
        if status is None:
            raise LabProblem(f"{self.guest.name}: process {self.pid} has not ended after {limit} s")
        return Ended(status, self.output())
