"""Does the virtual server's SMB server live, and does it answer?"""

from __future__ import annotations

from vsctl.agents import listeners, names, namespaces, paths, ports, processes, smb2
from vsctl.agents import system as os
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, words
from vsctl.agents.ports import IMPATIENCE, PATIENCE

DAEMONS = ("smbd", "samba-dcerpcd", "rpcd_")
SIGTERM = 15

ENDING, LAYING_OUT, BEGINNING = 0.4, 0.2, 0.5
"""Shares of the start's time: for what is left to end, for storage to answer, for smbd to begin; it has the rest."""


def _netbios(text: str) -> str:
    if not 1 <= len(text) <= 15 or not all(
        (each.isascii() and each.isalnum()) or each in "-_" for each in text
    ):
        raise ValueError("a NetBIOS name is 1 to 15 letters a to z, digits, - and _")
    return text


class Smb(Agent):
    """Run the SMB server of a virtual server

    smbd as a standalone server, in the server's network namespace, with a
    /run and with users and groups of its own; its databases are on the root
    filesystem and move with it. It starts without shares: `ocf:vsctl:shares`
    adds those of each filesystem. Stop ends every process that smbd has
    started, at once: its clients see the end of their connections. Until it
    serves shares again, here or on another node, attempts to connect are dropped
    in silence: clients that are refused wait for seconds until the next one.
    """

    server = Param(names.known, "Name of the virtual server")
    netbios = Param(_netbios, "NetBIOS name that clients see", unique=True)

    @action("start", timeout=20)
    def start(self) -> None:
        from vsctl.agents import samba
        from vsctl.agents.allowance import Allowance

        time_left = Allowance(self.timeout)
        if processes.running(self.server, "smbd") and not self._problem(IMPATIENCE):
            return
        self._end(time_left.part(ENDING))
        self._configure(time_left.part(LAYING_OUT))
        command = ["smbd", "-F", "--no-process-group", "-s", samba.configuration(self.server)]
        binds = samba.binds(self.server)
        try:
            processes.start(self.server, "smbd", command, time_left.part(BEGINNING), binds=binds)
        except OSError as problem:
            raise Failure(str(problem)) from None
        if why := self._until_it_answers(time_left.left - IMPATIENCE):
            raise Failure(f"{why}: {paths.logs(self.server)}/smbd.log says why")

    @action("stop", timeout=20)
    def stop(self) -> None:
        self._end(self.timeout * 0.8)

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if processes.running(self.server, "smbd") is None:
            if left := processes.named(self.server, *DAEMONS):
                raise Failure(f"smbd has ended, {processes.describe(left)} is left")
            raise NotRunning(f"no SMB server runs in {self.server}")
        if problem := self._problem(PATIENCE):
            raise Failure(problem)
        if not self.probing:
            self._let_late_ones_in()

    def _end(self, patience: float) -> None:
        """End smbd with all that it has started, and forget what it was to serve."""
        from vsctl.agents import gate, layout, samba

        gate.close(self.server, gate.CLOSED_BY_SMB, gate.SMB)  # those that are connected are not concerned
        # smbd keeps nothing that needs a farewell: its databases are made to survive a crash, and its
        # clients' data is in the page cache, which the unmount writes. Its helpers would outlive SIGTERM.
        layout.clear_away(self.server, DAEMONS, samba.directory(self.server), "shares", patience)

    def _let_late_ones_in(self) -> None:
        """Open the way for new clients again, if a share of a server without its gate has closed it."""
        if os.path.exists(f"{paths.closed_by(self.server, paths.SMB_GATE)}/smb"):  # seldom, so import no gate
            from vsctl.agents import gate

            gate.relent(self.server, gate.SMB)

    def _until_it_answers(self, patience: float) -> str | None:
        """Wait until smbd answers or has ended; say what is wrong, None if nothing is."""
        problem: str | None = None

        def settled() -> bool:
            nonlocal problem
            problem = self._problem(IMPATIENCE)  # smbd begins a process for each: the last one is believed
            return problem is None or processes.running(self.server, "smbd") is None

        processes.until(settled, patience)
        return problem

    def _problem(self, patience: float) -> str | None:
        process = processes.running(self.server, "smbd")
        if process is None or not listeners.listens(self.server, process, ports.SMB):
            return f"smbd ({process}) of {self.server} does not listen on port {ports.SMB}"
        try:
            with namespaces.inside(self.server):
                connection = smb2.Connection(ports.SMB, patience)
            connection.close()
        except OSError as problem:
            return f"port {ports.SMB} of {self.server} does not answer: {words(problem)}"
        if connection.name != self.netbios.lower():
            return f"port {ports.SMB} of {self.server} is answered by {connection.name!r}, not {self.netbios}"
        return None

    def _configure(self, limit: float) -> None:
        from vsctl.agents import fragments, samba

        self._lay_out(limit)
        directory = samba.directory(self.server)
        os.makedirs(directory, exist_ok=True)
        fragments.begin(f"{directory}/shares")
        os.makedirs(f"{paths.daemons_run(self.server)}/samba/ncalrpc", exist_ok=True)
        with open(samba.configuration(self.server), "w") as file:
            file.write(samba.main(self.server, self.netbios))

    def _lay_out(self, limit: float) -> None:
        """Prepare the accounts and the places of smbd's databases, unless storage hangs for so many seconds."""
        from vsctl.agents import accounts, layout, samba

        state = samba.state(self.server)

        def prepare() -> str:
            try:
                accounts.prepare(self.server)
            except accounts.Refused as problem:
                return str(problem)
            for each in samba.STATE:
                os.makedirs(f"{state}/{each}", mode=0o755, exist_ok=True)
            os.chmod(f"{state}/private", 0o700)
            return ""

        if refused := layout.prepare(self.server, state, limit, prepare):
            raise Failure(refused)
