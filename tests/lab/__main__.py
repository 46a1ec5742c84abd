"""The lab by hand: python -m tests.lab COMMAND."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.lab.lab import Lab, default_name
from tests.lab.network import VERBS
from tests.lab.place import CHECKOUT, Place, names
from tests.lab.problem import LabProblem

EPILOG = """examples:
  up --nodes 3 --port n3=ens5:lan-a,ens6:lan-b
  disk data1 --type ext4 --size 300M     /dev/disk/by-id/vsctl-lab-data1 in every node
  exec n1 crm_mon -1                     client c1 ping -c1 192.0.2.101
  kill n1; boot n1
  port n1/e0a down                       no carrier
  subnet lan-a mute                      carrier, and nothing passes
  subnet n1/lan-a up                     every port of n1 on lan-a
"""


def main(words: list[str] | None = None) -> int:
    wanted = _parser().parse_args(words)
    try:
        return int(wanted.do(wanted) or 0)
    except LabProblem as problem:
        print(problem, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab",
        description="A real Pacemaker cluster with fencing, on this machine, in namespaces.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lab", default=default_name(), help="name of the lab (default: $VSCTL_LAB or lab)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="start it, after clearing what is left of one of its name")
    up.add_argument("--nodes", type=int, default=3, help="2 to 8 (default: 3)")
    up.add_argument("--port", action="append", default=[], metavar="NODE=PORT:SUBNET,...", help="its ports")
    up.add_argument("--boots", action="store_true", help="a node that was fenced boots again by itself")
    up.add_argument("--venv", help="where the nodes' vsctl is installed (default: $VSCTL_VENV or .venv)")
    up.set_defaults(do=_up)

    down = commands.add_parser("down", help="end it, and leave nothing")
    down.set_defaults(do=_down)

    listing = commands.add_parser("list", help="the labs that are up, and what is left of others")
    listing.set_defaults(do=_list)

    status = commands.add_parser("status", help="its machines, ports and disks, and the power journal")
    status.set_defaults(do=_status)

    for name, kind in (("exec", "node"), ("client", "client")):
        run = commands.add_parser(name, help=f"run a command in a {kind}")
        run.add_argument("machine", metavar=kind.upper())
        run.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
        run.set_defaults(do=_exec)

    shell = commands.add_parser("shell", help="a shell in a node, client or the router")
    shell.add_argument("machine", metavar="MACHINE", nargs="?", default="n1")
    shell.set_defaults(do=_exec, command=["bash"])

    for name, does, text in (("kill", _kill, "cut a machine's power"), ("boot", _boot, "switch it on again")):
        power = commands.add_parser(name, help=text)
        power.add_argument("machine", metavar="MACHINE")
        power.set_defaults(do=does)

    for name, metavar in (("port", "n1/e0a"), ("subnet", "lan-a | n1/lan-a")):
        cable = commands.add_parser(name, help="pull a cable: down, up; silence the switch: mute, unmute")
        cable.add_argument("target", metavar=metavar)
        cable.add_argument("verb", choices=VERBS)
        cable.set_defaults(do=_fault)

    disk = commands.add_parser("disk", help="make a shared disk with an empty filesystem")
    disk.add_argument("disk", metavar="NAME")
    disk.add_argument("--type", default="ext4", choices=("ext4", "xfs", "none"))
    disk.add_argument("--size", help="such as 300M or 2G (default: 64M, xfs 300M)")
    disk.set_defaults(do=_disk)

    logs = commands.add_parser("logs", help="collect the logs of all machines")
    logs.add_argument("into", nargs="?", type=Path, metavar="DIR", help="default: build/lab-logs/NAME")
    logs.set_defaults(do=_logs)
    return parser


def _up(wanted: argparse.Namespace) -> None:
    ports = dict(map(_ports, wanted.port))
    lab = Lab(wanted.nodes, name=wanted.lab, ports=ports, boots=wanted.boots, venv=wanted.venv)
    lab.up()
    print(f"lab {wanted.lab} is up: {' '.join(each.name for each in lab.machines)}; `status` says more")


def _ports(text: str) -> tuple[str, dict[str, str]]:
    node, _, ports = text.partition("=")
    pairs = [each.partition(":") for each in ports.split(",")]
    if not node or not all(port and subnet for port, _, subnet in pairs):
        raise LabProblem(f"--port {text}: write n3=ens5:lan-a,ens6:lan-b")
    return node, {port: subnet for port, _, subnet in pairs}


def _down(wanted: argparse.Namespace) -> None:
    print(f"lab {wanted.lab} is gone" if Place(wanted.lab).clear() else f"there is no lab {wanted.lab}")


def _list(wanted: argparse.Namespace) -> None:
    for name in names():
        is_up = Place(name).pid("holder") is not None
        print(f"{name:16} {'up' if is_up else f'left behind: python -m tests.lab --lab {name} down'}")


def _status(wanted: argparse.Namespace) -> None:
    lab = Lab.attach(wanted.lab)
    faults = lab.network.faults()
    for machine in lab.machines:
        print(f"{machine.name}: {'on' if machine.is_on else 'off'}")
        for port in machine.spec.ports:
            states = [kind for kind in ("down", "mute") if port.name in faults[kind]]
            print(f"  {port.interface:8} {port.subnet.name:6}", *port.addresses, *states)
    mounted = lab.mounted()
    for disk in lab.disks.all():
        print(f"{disk.device} {disk.type}:", *(mounted[disk.name] or ["not mounted"]))
    for entry in lab.journal():
        print(f"{entry.time} {entry.machine} {entry.event}: {entry.why}")
    lab.check()


def _exec(wanted: argparse.Namespace) -> int:
    machine = Lab.attach(wanted.lab).machine(wanted.machine)
    command = wanted.command[1:] if wanted.command[:1] == ["--"] else wanted.command
    if not command:
        raise LabProblem(f"say what to run in {wanted.machine}, or use shell {wanted.machine}")
    process = machine.popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # meant for the command, which has got it too
            continue


def _kill(wanted: argparse.Namespace) -> None:
    Lab.attach(wanted.lab).kill(wanted.machine)
    print(f"{wanted.machine} is off")


def _boot(wanted: argparse.Namespace) -> None:
    lab = Lab.attach(wanted.lab)
    lab.boot(wanted.machine)
    lab.wait_for_nodes()
    print(f"{wanted.machine} is on")


def _fault(wanted: argparse.Namespace) -> None:
    Lab.attach(wanted.lab).network.fault(wanted.target, wanted.verb)


def _disk(wanted: argparse.Namespace) -> None:
    print(Lab.attach(wanted.lab).disk(wanted.disk, wanted.type, wanted.size).device)


def _logs(wanted: argparse.Namespace) -> None:
    print(Lab.attach(wanted.lab).collect(wanted.into or CHECKOUT / "build/lab-logs" / wanted.lab))


if __name__ == "__main__":
    sys.exit(main())
