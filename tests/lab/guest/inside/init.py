"""The guest's process 1: do what the host asks over the control port, one request at a time.

A request is one line of JSON, and so is its answer:

    {"run": [...], "limit": S}    ->  {"status": N, "output": "..."}; no status: it did not end in time
    {"start": [...]}              ->  {"pid": N}
    {"read": PID, "from": BYTE}   ->  {"status": N or null, "output": "..."}, of a program that was started
    {"end": PID, "limit": S}      ->  {"status": N or null}, after SIGTERM
    {"clock": SECONDS}            ->  {}, and the guest's clock agrees with the host's

Programs are started with their output in a file: a pipe would stay open in a daemon that one leaves behind.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

MOUNTS = (
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/run"),
    ("tmpfs", "/tmp"),
)
MODULES = Path("/etc/modules")


class Program:
    def __init__(self, argv):
        self.path = Path(f"/tmp/output-{time.monotonic_ns()}")
        with self.path.open("wb") as output:
            nothing, both = subprocess.DEVNULL, subprocess.STDOUT
            self.process = subprocess.Popen(
                argv, stdin=nothing, stdout=output, stderr=both, start_new_session=True
            )

    def ended(self, limit):
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return False
        return True

    def told(self, start=0):
        status = self.process.poll()
        return {"status": status, "output": self.path.read_bytes()[start:].decode(errors="replace")}


def main():
    os.environ["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    for kind, place in MOUNTS:
        Path(place).mkdir(exist_ok=True)
        subprocess.run(["busybox", "mount", "-t", kind, kind, place], check=True)
    subprocess.run(["modprobe", "-a", *MODULES.read_text().split()], check=True)
    while not (ports := list(Path("/dev").glob("vport*"))):
        time.sleep(0.01)
    with ports[0].open("r+b", buffering=0) as control:
        serve(control)


def serve(control):
    started = {}
    say(control, {})
    for line in lines(control):
        try:
            answer = obey(json.loads(line), started)
        except OSError as problem:
            answer = {"status": 127, "output": str(problem)}
        say(control, answer)


def say(control, answer):
    """Write one line; the port takes 32 KiB at a time."""
    rest = json.dumps(answer).encode() + b"\n"
    while rest:
        rest = rest[control.write(rest) :]


def lines(control):
    """Split what arrives into lines; the port hands over as much as there is."""
    rest = b""
    while True:
        rest += control.read(65536)
        *whole, rest = rest.split(b"\n")
        yield from whole


def obey(request, started):
    match request:
        case {"run": argv, "limit": limit}:
            program = Program(argv)
            in_time = program.ended(limit)
            if not in_time:
                program.process.kill()
                program.ended(1)
            told = program.told()
            program.path.unlink()
            return told if in_time else {"output": told["output"]}
        case {"start": argv}:
            program = Program(argv)
            started[program.process.pid] = program
            return {"pid": program.process.pid}
        case {"read": pid, "from": start}:
            return started[pid].told(start)
        case {"end": pid, "limit": limit}:
            started[pid].process.terminate()
            started[pid].ended(limit)
            return {"status": started[pid].process.poll()}
        case {"clock": seconds}:
            time.clock_settime(time.CLOCK_REALTIME, seconds)
            return {}
    return {"status": 127, "output": f"the guest does not know what to do with {request}"}


if __name__ == "__main__":
    sys.exit(main())
