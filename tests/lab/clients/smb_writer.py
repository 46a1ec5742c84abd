"""Write through SMB, flushed, record by record, whatever happens to the server.

A connection that ended is made anew at once, one that could not be made 3 s
later, as Linux's kernel client does. How long a dead connection takes to be
noticed is TCP's business.
"""

from __future__ import annotations

import itertools
import logging
import time
import uuid

from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBException
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    ShareAccess,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from tests.lab.clients import record
from tests.lab.clients.journal import Journal

RECONNECT_DELAY = 3.0


class Share:
    """One open file on one connection."""

    def __init__(self, host: str, share: str, name: str, user: str, password: str) -> None:
        self.connection = Connection(uuid.uuid4(), host, 445)
        self.connection.connect(timeout=None)
        session = Session(self.connection, user, password, require_encryption=False)
        session.connect()
        tree = TreeConnect(session, rf"\\{host}\{share}")
        tree.connect()
        self.file = Open(tree, name)
        self.file.create(
            ImpersonationLevel.Impersonation,
            FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE,
            FileAttributes.FILE_ATTRIBUTE_NORMAL,
            ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE,
            CreateDisposition.FILE_OPEN_IF,
            CreateOptions.FILE_NON_DIRECTORY_FILE | CreateOptions.FILE_WRITE_THROUGH,
        )

    def write(self, offset: int, data: bytes) -> None:
        """Write, and return when it is on the server's disk."""
        self.file.write(data, offset, write_through=True)
        self.file.flush()

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes, fewer only at the end of the file."""
        end = self.file.end_of_file
        return bytes(self.file.read(offset, min(length, end - offset))) if offset < end else b""


def write(
    host: str, share: str, name: str, user: str, password: str, run: str, every: float, tell: Journal
) -> None:
    """Write for ever."""
    logging.disable()  # the library logs every end of a connection; the journal has it
    opened: Share | None = None
    for n in itertools.count():
        while True:
            try:
                if opened is None:
                    opened = Share(host, share, name, user, password)
                    tell("connected")
                opened.write(n * record.SIZE, record.record(run, n))
                break
            except (SMBException, OSError, ValueError) as problem:
                text = f"{type(problem).__name__}: {problem}"
                if opened is None:
                    tell("refused", text=text)
                    time.sleep(RECONNECT_DELAY)
                else:
                    tell("lost", text=text)
                    opened = None
        tell("ack", n=n)
        time.sleep(every)


def missing(
    host: str, share: str, name: str, user: str, password: str, run: str, acknowledged: list[int]
) -> list[int]:
    """Return the acknowledged records that the server does not have."""
    logging.disable()
    opened = Share(host, share, name, user, password)
    return record.missing(run, acknowledged, opened.read)
