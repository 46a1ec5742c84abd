"""What becomes of a TCP session that is held open?

A program in a virtual server's namespace says back what it hears; a client
keeps a connection to it, and counts how long it waited.
"""

from __future__ import annotations

import subprocess
import time

from tests.lab.machine import Machine

PORT = 7777

_SERVER = """
import os, socket, sys, threading
listener = socket.create_server(('::', {port}), family=socket.AF_INET6, dualstack_ipv6=True)
def talk(connection):
    while data := connection.recv(4096):
        connection.sendall(data)
def accept():
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection,), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
print('ready', flush=True)
sys.stdin.read()
os._exit(0)
"""

_CLIENT = """
import socket, sys, time
connection = socket.create_connection(('{host}', {port}), timeout=10)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
connection.settimeout(120)
print('ready', flush=True)
for line in sys.stdin:
    connection.sendall(line.encode())
    data = connection.recv(4096).decode()
    if not data:
        break
    print(data, end='', flush=True)
"""


def serve(node: Machine, server: str) -> subprocess.Popen[str]:
    """Start the program that answers, in a server's namespace; it ends with its input or the namespace."""
    command = ["ip", "netns", "exec", server, "/usr/bin/python3", "-c", _SERVER.format(port=PORT)]
    process = node.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


class Session:
    """A connection that a client keeps."""

    def __init__(self, client: Machine, host: str) -> None:
        command = ["/usr/bin/python3", "-c", _CLIENT.format(host=host, port=PORT)]
        self._process = client.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout and self._process.stdout.readline() == "ready\n", (
            f"{host} does not answer"
        )

    def answers(self) -> bool:
        """Say something, and whether the answer came, however late."""
        assert self._process.stdin and self._process.stdout
        said = f"{time.monotonic()}\n"
        try:
            self._process.stdin.write(said)
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        return self._process.stdout.readline() == said

    def close(self) -> None:
        self._process.communicate()
