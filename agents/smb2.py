"""Is the SMB server that answers the virtual server's own, and which shares does it know?

As much of SMB2 (MS-SMB2) and NTLM (MS-NLMP) as it takes to ask without an
account. Every failure to answer is an OSError.
"""

from __future__ import annotations

import _socket
import time

_NEGOTIATE, _SESSION_SETUP, _TREE_CONNECT = 0, 1, 3
_MORE_PROCESSING_REQUIRED = 0xC0000016
_BAD_NETWORK_NAME = 0xC00000CC

_NTLM_FLAGS = bytes.fromhex("058a0820")
"""Unicode, request target, NTLM, anonymous, always sign, extended security, 128 bit."""

_ANONYMOUS = (
    # NEGOTIATE_MESSAGE, then AUTHENTICATE_MESSAGE without user, domain, machine or key, with one byte of LM answer.
    b"NTLMSSP\0\x01\0\0\0" + _NTLM_FLAGS + bytes(16),
    b"NTLMSSP\0\x03\0\0\0\x01\0\x01\0\x40\0\0\0" + b"\0\0\0\0\x41\0\0\0" * 5 + _NTLM_FLAGS + b"\0",
)


class Connection:
    """One connection to the SMB server on this side of the network namespace, not logged on.

    `name` is what the server calls itself: Samba puts its NetBIOS name, in
    small letters, where others put a random ServerGuid. Whatever is asked, all
    answers come within `patience` seconds or TimeoutError is raised.
    """

    def __init__(self, port: int, patience: float) -> None:
        self.socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.session = bytes(8)
        self.message = 0
        try:
            self.socket.settimeout(patience)
            self.end = time.monotonic() + patience
            self.socket.connect(("127.0.0.1", port))
            # StructureSize 36, one dialect (2.1), signing possible; no capabilities, ClientGuid or start time.
            _, reply = self._ask(_NEGOTIATE, b"\x24\0\x01\0\x01\0" + bytes(30) + b"\x10\x02")
            self.name = reply[72:88].rstrip(b"\0").decode(errors="replace")
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        self.socket.close()

    def log_on_as_nobody(self) -> None:
        """Begin an anonymous session, which Samba grants and which opens nothing."""
        for token in _ANONYMOUS:
            # StructureSize 25, signing possible; the token is at 88.
            body = b"\x19\0\0\x01" + bytes(8) + b"\x58\0" + len(token).to_bytes(2, "little") + bytes(8)
            status, reply = self._ask(_SESSION_SETUP, body + token)
            self.session = reply[40:48]
            if status not in (0, _MORE_PROCESSING_REQUIRED):
                raise OSError(13, f"an anonymous session is refused ({status:#x})")  # EACCES

    def knows(self, share: str) -> bool:
        """Say whether a share exists. It need not let nobody in: a share that does not is refused otherwise."""
        path = f"\\\\127.0.0.1\\{share}".encode("utf-16-le")
        # StructureSize 9; the path is at 72.
        status, _ = self._ask(_TREE_CONNECT, b"\x09\0\0\0\x48\0" + len(path).to_bytes(2, "little") + path)
        return status != _BAD_NETWORK_NAME

    def _ask(self, command: int, body: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the whole of the answer, 88 bytes at least."""
        header = (
            b"\xfeSMB\x40\0\0\0\0\0\0\0"
            + command.to_bytes(2, "little")
            + b"\x10\0"  # credits
            + bytes(8)
            + self.message.to_bytes(8, "little")
            + bytes(8)
            + self.session
            + bytes(16)
        )
        self.message += 1
        request = header + body
        self.socket.sendall(len(request).to_bytes(4, "big") + request)
        reply = self._exactly(int.from_bytes(self._exactly(4), "big") & 0xFFFFFF)
        if reply[:4] != b"\xfeSMB" or reply[12:14] != command.to_bytes(2, "little"):
            raise OSError(71, "the answer is not SMB2's")  # EPROTO
        return int.from_bytes(reply[8:12], "little"), reply.ljust(88, b"\0")

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            self.socket.settimeout(max(self.end - time.monotonic(), 0.001))
            if not (more := self.socket.recv(count - len(data))):
                raise OSError(104, "the connection was closed without an answer")  # ECONNRESET
            data += more
        return data
