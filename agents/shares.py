"""Are the SMB shares of one filesystem served, and only while it is mounted?"""

from __future__ import annotations

from vsctl.agents import (
    entries,
    fragments,
    listeners,
    mounts,
    names,
    namespaces,
    paths,
    places,
    ports,
    processes,
    samba,
    smb2,
)
from vsctl.agents import system as os
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log

SIGKILL = 9


class Shares(Agent):
    """Serve directories of one filesystem by SMB

    Adds the shares to the running SMB server of the virtual server and
    returns when it knows them; the others are not disturbed. A directory that
    does not exist is made once, mode 1777; one that is not on the mounted
    filesystem is refused. Stop closes the connections to these shares, so
    that the filesystem is free. The monitor asks the server for each share;
    having no account, it cannot look inside.
    """

    server = Param(names.known, "Name of the virtual server")
    filesystem = Param(names.known, "Name of the filesystem in the server")
    shares = Param(
        entries.shares,
        "Shares separated by `;`, each `share path access=rw|ro users=alice,@staff`",
        reloadable=True,
    )

    @property
    def whole(self) -> str:
        return f"{samba.directory(self.server)}/shares"

    @property
    def fragment(self) -> str:
        return fragments.path(self.whole, self.filesystem)

    @action("start", timeout=20)
    def start(self) -> None:
        if self._smbd() is None:
            raise Failure(f"the SMB server of {self.server} does not run")
        text = "".join(
            samba.share(places.place(self.server, self.filesystem, each.path), each) for each in self.shares
        )
        with fragments.Lock(f"{self.whole}.lock"):
            gone = self._served() - {each.name for each in self.shares}
            fragments.publish(self.whole, self.filesystem, text)
            self._control("reload-config")
            for name in sorted(gone):
                self._control("close-share", name)
            if not processes.until(lambda: not self._problem(), self.timeout * 0.4):
                raise Failure(f"{self._problem() or ''}: {paths.logs(self.server)}/smbd.log says why")

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self.start()

    @action("stop", timeout=20)
    def stop(self) -> None:
        if not os.path.exists(self.fragment):
            return
        with fragments.Lock(f"{self.whole}.lock"):
            names = sorted(self._served())
            fragments.publish(self.whole, self.filesystem, "".join(f"# [{name}]\n" for name in names))
            if self._smbd() is not None:
                self._control("reload-config")
                for name in names:
                    self._control("close-share", name)
                self._let_go()
            os.unlink(self.fragment)

    @action("monitor", timeout=20, interval=20)
    def monitor(self) -> None:
        if not os.path.exists(self.fragment):
            raise NotRunning(f"filesystem {self.filesystem} of {self.server} is not shared")
        problem = self._problem() if self._smbd() else None
        if self._smbd() is None:
            if self.probing:
                raise NotRunning(f"the SMB server of {self.server} does not run")
            return  # its own monitor says so, and its recovery includes this; alone, a start here could only fail
        if problem:
            raise Failure(problem)

    def _smbd(self) -> int | None:
        return processes.running(self.server, "smbd")

    def _served(self) -> set[str]:
        """Return the shares that are in the fragment, also those a stop was interrupted at."""
        lines = (line.removeprefix("# ") for line in fragments.read(self.fragment).splitlines())
        return {line[1:-1] for line in lines if line.startswith("[")}

    def _control(self, *message: str) -> None:
        """Send a message to smbd and all its children."""
        command = ["smbcontrol", "-s", samba.configuration(self.server), "smbd", *message]
        status, said = processes.run(self.server, command, binds=samba.binds(self.server))
        if status != 0 and self._smbd() is not None:
            log(f"{' '.join(message)} did not reach the SMB server of {self.server}: {said}")

    def _let_go(self) -> None:
        """Wait until no child of smbd has the filesystem in use; end those that do not obey."""
        from vsctl.agents import holders

        mount = mounts.at(paths.mount_point(self.server, self.filesystem))
        if mount is None or self.filesystem == "root":
            return  # the state of smbd itself is on root, which is unmounted after smbd has ended
        device = mount.device

        def users() -> list[int]:
            return [each for each in processes.named(self.server, "smbd") if holders.uses(each, device)]

        if not processes.until(lambda: not users(), self.timeout * 0.2):
            log(
                f"{processes.describe(users())} of {self.server} does not let go of {self.filesystem}: it is killed"
            )
            processes.kill(users, SIGKILL, self.timeout * 0.3)

    def _problem(self) -> str | None:
        """Name the first share that clients cannot use, as far as can be told without an account."""
        process = self._smbd()
        mount = mounts.at(paths.mount_point(self.server, self.filesystem))
        if mount is None:
            return f"filesystem {self.filesystem} of {self.server} is not mounted"
        if process is None or not listeners.listens(self.server, process, ports.SMB):
            return f"smbd ({process}) of {self.server} does not listen on port {ports.SMB}"
        try:
            with namespaces.inside(self.server):
                connection = smb2.Connection(ports.SMB)
            try:
                connection.log_on_as_nobody()
                for each in self.shares:
                    if not connection.knows(each.name):
                        return f"the SMB server of {self.server} does not know share {each.name}"
                    os.stat(f"{mount.point}{each.path}")
            finally:
                connection.close()
        except OSError as problem:
            return f"shares of {self.filesystem} do not answer: {problem.strerror or problem}"
        return None
