"""How does root talk to the daemon? A line to its socket, a line back."""

from __future__ import annotations

import os
from _socket import AF_UNIX, SO_PEERCRED, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET
from _struct import unpack
from collections.abc import Callable, Sequence
from socket import socket

from vsctl.agents import resident
from vsctl.agents.noded.loop import Loop

PATIENCE = 0.2
"""Seconds that who connects gets for what it has to say: the daemon has other things to do."""


class Door:
    """Answers on the daemon's socket; `obey` gets the words of each line, and says what became of them."""

    def __init__(self, loop: Loop, obey: Callable[[Sequence[str]], str]) -> None:
        self._obey = obey
        if os.path.exists(resident.SOCKET):
            os.unlink(resident.SOCKET)
        self._door = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
        before = os.umask(0o177)
        self._door.bind(resident.SOCKET)
        os.umask(before)
        self._door.listen(16)
        loop.watch(self._door.fileno(), self._answer)

    def _answer(self) -> None:
        try:
            line, _ = self._door.accept()
        except BlockingIOError:
            return
        with line:
            line.settimeout(PATIENCE)
            try:
                _, user, _ = unpack("=iII", line.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))
                if user == 0:
                    line.sendall(f"{self._obey(line.recv(4096).decode().split())}\n".encode())
            except OSError:
                return
