"""Are the SMB shares of one filesystem served, and only while it is mounted?"""

from __future__ import annotations

from vsctl.agents import entries, listeners, namespaces, ports, processes, samba, smb2
from vsctl.agents import system as os
from vsctl.agents.ocf import Param, log
from vsctl.agents.ports import IMPATIENCE
from vsctl.agents.served import Part, Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


SIGHUP = 1


class Shares(Served):
    """Serve directories of one filesystem by SMB

    Adds the shares to the running SMB server of the virtual server and
    returns when it knows them; the others are not disturbed. A directory that
    does not exist is made once, mode 1777; one that is not on the mounted
    filesystem is refused; one that clients rename while it is shared stays
    shared. Stop closes the connections to these shares, so that the filesystem
    is free. The monitor asks the server for each share; having no account, it
    cannot look inside. A server that is dead or hung is left to its own monitor.
    """

    shares = Param(
        entries.shares,
        "Shares separated by `;`, each `share path access=rw|ro users=alice,@staff`",
        reloadable=True,
    )

    PROTOCOL = "SMB"
    DAEMON = "smbd"
    PROCESSES = "smbd"

    @property
    def parts(self) -> Sequence[Part]:
        return [Part(each.name, each.path, samba.share(self.place(each.path), each)) for each in self.shares]

    @property
    def whole(self) -> str:
        return f"{samba.directory(self.server)}/shares"

    def before_stop(self) -> None:
        """Let nobody connect anew to a server that is about to end.

        A client whose share is closed connects again at once: it would be
        thrown out once more, and then not try for seconds. A gate that is closed
        says that the whole server stops.
        """
        from vsctl.agents import gate

        if gate.CLOSED_BY_GATE in gate.holders(self.server):
            gate.close(self.server, gate.CLOSED_BY_SMB, gate.SMB)

    def after_start(self) -> None:
        from vsctl.agents import gate

        self._tell_connected()
        gate.open(self.server, gate.CLOSED_BY_SMB, gate.SMB)

    def reread(self, process: int) -> None:
        """Have smbd serve whoever connects from now on by the new configuration.

        Those who are connected have processes of their own, which `_tell_connected` tells.
        """
        try:
            os.kill(process, SIGHUP)
        except ProcessLookupError:
            return  # who starts it again has it read everything

    def withdraw(self, process: int, names: Collection[str]) -> None:
        self.reread(process)
        if self._tell_connected():
            all(self._control("close-share", each) for each in sorted(names))

    def answers(self, patience: float) -> bool:
        try:
            self._connect(patience).close()
        except OSError:
            return False
        return True

    def problem(self, inodes: dict[str, int], patience: float) -> str | None:
        process = self.process
        if process is None or not listeners.listens(self.server, process, ports.SMB):
            return f"smbd ({process}) of {self.server} does not listen on port {ports.SMB}"
        connection = self._connect(patience)
        try:
            connection.log_on_as_nobody()
            for each in self.shares:
                if each.name not in inodes or not connection.knows(each.name):
                    return f"the SMB server of {self.server} does not know share {each.name}"
        finally:
            connection.close()
        return None

    def _connect(self, patience: float) -> smb2.Connection:
        with namespaces.inside(self.server):
            return smb2.Connection(ports.SMB, patience)

    def _tell_connected(self) -> bool:
        """Have the processes of connected clients read the configuration; say whether they can be told more.

        Samba's program for that takes as long as all else that a start does, and after a failover nobody is there yet.
        """
        from vsctl.agents import connections

        return bool(connections.established(self.server, (ports.SMB,))) and self._control("reload-config")

    def _control(self, *message: str) -> bool:
        """Send a message to smbd and all its children; say whether another may follow."""
        command = ["smbcontrol", "-s", samba.configuration(self.server), "smbd", *message]
        try:
            status, said = processes.run(
                self.server, command, binds=samba.binds(self.server), limit=IMPATIENCE
            )
        except TimeoutError as problem:
            log(f"{' '.join(message)} did not reach the SMB server of {self.server}: {problem}")
            return False
        if status != 0 and self.process is not None:
            log(f"{' '.join(message)} did not reach the SMB server of {self.server}: {said}")
        return True
