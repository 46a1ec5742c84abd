"""What does a client notice of its virtual server's address, to the millisecond?

An echo server in the server's namespace, and clients of it: a session is a TCP
connection that is held open and in use all the time, a pulse a datagram every 2 ms,
which no retransmission of TCP blurs.
"""

from __future__ import annotations

import subprocess
from types import TracebackType

from tests.lab.machine import Machine

PYTHON = "/usr/bin/python3"
PORT = 7777

SERVER = f"""
import socket, sys, threading
listener = socket.create_server(('::', {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
datagrams = {{}}
for family, name in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
    one = datagrams[family] = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind((name, {PORT}))
def answer(one):
    while True:
        data, who = one.recvfrom(100)
        try:
            one.sendto(data, who)
        except OSError:
            pass
def talk(connection):
    while data := connection.recv(4096):
        connection.sendall(data)
for one in datagrams.values():
    threading.Thread(target=answer, args=(one,), daemon=True).start()
def accept():
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection,), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
print('ready', flush=True)
sys.stdin.read()
"""

SESSION = f"""
import select, socket, sys
connection = socket.create_connection((sys.argv[1], {PORT}), timeout=10)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
connection.settimeout(60)
print('ready', flush=True)
while True:
    connection.sendall(b'still there?')
    if connection.recv(4096) != b'still there?':
        sys.exit('the connection has ended')
    if select.select([sys.stdin], [], [], 0.05)[0]:
        if not (line := sys.stdin.readline()):
            break
        print(line, end='', flush=True)
"""

PULSE = f"""
import select, socket, sys, time
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
one = socket.socket(family, socket.SOCK_DGRAM)
one.connect((sys.argv[1], {PORT}))
one.setblocking(False)
last, longest, told = None, 0.0, False
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        one.send(b'x')
    except OSError:
        pass
    select.select([one], [], [], 0.002)
    try:
        while one.recv(100):
            now = time.monotonic()
            if last is None:
                print('ready', flush=True)
            elif now - last > longest:
                longest = now - last
            last = now
    except OSError:
        pass
    time.sleep(0.001)
print(max(longest, time.monotonic() - last))
"""


class Program:
    """A Python program in a machine that says `ready` when it is, and ends with the `with`."""

    def __init__(self, machine: Machine, code: str, *arguments: str, server: str | None = None) -> None:
        inside = ["ip", "netns", "exec", server] if server else []
        self._process = machine.popen(
            [*inside, PYTHON, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin and self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        assert self._stdout.readline() == "ready\n", f"{arguments} on {machine.name} is not ready"

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()  # the end of its input is its end

    def answers(self) -> bool:
        """Say whether a session has carried what was said both ways, all the time."""
        try:
            self._stdin.write("still there?\n")
            self._stdin.flush()
        except BrokenPipeError:
            return False
        return self._stdout.readline() == "still there?\n"

    def outage(self) -> float:
        """End a pulse and return the longest time without an answer, in seconds."""
        self._stdin.write("end\n")
        self._stdin.flush()
        return float(self._stdout.readline())


def serve(node: Machine, server: str) -> Program:
    return Program(node, SERVER, server=server)


def session(client: Machine, address: str) -> Program:
    return Program(client, SESSION, address)


def pulse(client: Machine, address: str) -> Program:
    return Program(client, PULSE, address)
