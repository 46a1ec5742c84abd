"""Does the virtual server's NFS server live, and does it serve?"""

from __future__ import annotations

import time

from vsctl.agents import listeners, names, paths, ports, processes, rpc
from vsctl.agents import system as os
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log, words
from vsctl.agents.ports import IMPATIENCE, PATIENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vsctl.agents.allowance import Allowance

DAEMONS = ("ganesha.nfsd", "rpc.statd", "sm-notify", "rpcbind")
NOTIFIED = "/var/lib/nfs"
"""Where statd and sm-notify look for their state; in the view it is the server's own."""

HOSTS = "hosts"
"""What sm-notify is shown as /etc/hosts, beside its list."""


SHARE = 0.4
"""Share of the action's time that no step of a start exceeds: ending what is left, the storage, each daemon."""


def _seconds(most: int) -> Callable[[str], int]:
    """Return a parser of a whole number of seconds, as many as Ganesha takes."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise ValueError(f"a number of seconds from 1 to {most} is needed")
        return int(text)

    return parse


class Nfs(Agent):
    """Run the NFS server of a virtual server

    Ganesha with its rpcbind and rpc.statd, in the server's network namespace
    and with a /run of its own, serves NFS 3, 4.0 and 4.1. Locks and client
    records are on the root filesystem and move with it. It starts without
    exports: `ocf:vsctl:exports` adds those of each filesystem. While nobody
    has anything to reclaim it starts without a grace period.
    """

    server = Param(names.known, "Name of the virtual server")
    grace = Param(_seconds(180), "Seconds in which clients reclaim their locks after a start", default="15")
    lease = Param(
        _seconds(120), "Seconds after which an NFSv4 client must have renewed its lease", default="10"
    )

    @action("start", timeout=20)
    def start(self) -> None:
        from vsctl.agents.allowance import Allowance

        time_left = Allowance(self.timeout)
        if processes.running(self.server, "ganesha") and not self._problem(IMPATIENCE):
            return
        self._end(time_left.part(SHARE))
        some, lockers = self._lay_out(time_left.part(SHARE))
        self._configure(graceless=not some)
        try:
            self._start("rpcbind", ["rpcbind", "-f", "-w"], time_left)
            if lockers:
                self._tell_lockers(time_left)
            self._start("statd", ["rpc.statd", "-F", "-L", "-p", str(ports.STATD)], time_left)
            self._start("ganesha", self._ganesha, time_left)
        except OSError as problem:
            raise Failure(str(problem)) from None

    @action("stop", timeout=20)
    def stop(self) -> None:
        self._end(self.timeout * 0.8)

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if processes.running(self.server, "ganesha") is None:
            if left := processes.named(self.server, *DAEMONS):
                raise Failure(f"ganesha.nfsd has ended, {processes.describe(left)} is left")
            raise NotRunning(f"no NFS server runs in {self.server}")
        if problem := self._problem(PATIENCE):
            raise Failure(problem)

    def _end(self, patience: float) -> None:
        """End all daemons, and forget what they were to serve."""
        from vsctl.agents import ganesha, layout

        # Ganesha is killed, not asked: the gate is closed, what clients may reclaim is on disk since before
        # they got their answer, and data is in the page cache, which the unmount writes.
        layout.clear_away(self.server, DAEMONS, ganesha.directory(self.server), "exports", patience)

    def _problem(self, patience: float) -> str | None:
        """Say what keeps clients from being served, as far as no export is concerned."""
        end = time.monotonic() + patience
        lives = {name: processes.running(self.server, name) for name in _CALLS}
        for name, process in lives.items():
            if process is None:
                return f"{name} of {self.server} has ended"
        expected = {
            port: process for name, calls in _CALLS.items() for port in calls if (process := lives[name])
        }
        if foreign := listeners.unheld(self.server, expected):
            return f"another process, or none, listens on port {foreign[0]} of {self.server}"
        for name, ports_of in _CALLS.items():
            for port, calls in ports_of.items():
                try:
                    rpc.ask(self.server, port, calls, max(end - time.monotonic(), IMPATIENCE))
                except OSError as problem:
                    return f"{name} of {self.server} does not answer on port {port}: {words(problem)}"
        return None

    def _lay_out(self, limit: float) -> tuple[bool, bool]:
        """Prepare the state on the root filesystem, unless its storage hangs for so many seconds.

        Returns whether clients may have anything to reclaim, and whether some held NFSv3 locks.
        """
        from vsctl.agents import layout, lockers

        state = paths.state(self.server)

        def prepare() -> str:
            os.listdir(f"{state}/nfs")
            some = _anything_to_reclaim(state)
            clients = lockers.recall(self.server)
            _give_to_statd(f"{state}/statd")
            return f"{some} {clients}"

        some, clients = layout.prepare(self.server, state, limit, prepare).split()
        return some == str(True), clients == str(True)

    def _configure(self, *, graceless: bool) -> None:
        from vsctl.agents import fragments, ganesha, lockers

        directory = ganesha.directory(self.server)
        os.makedirs(directory, exist_ok=True)
        fragments.begin(f"{directory}/exports")
        with open(f"{directory}/ganesha.conf", "w") as file:
            file.write(ganesha.main(self.server, grace=self.grace, lease=self.lease, graceless=graceless))
        lockers.let_reclaim(self.server, 0 if graceless else self.grace)

    def _tell_lockers(self, time_left: Allowance) -> None:
        """Tell the clients that held NFSv3 locks to reclaim them.

        sm-notify takes the list away from statd and ends when every client has answered.
        """
        from vsctl.agents import background

        state = f"{paths.state(self.server)}/statd"
        addresses = _addresses(self.server, time_left.part(SHARE))

        def copy() -> str:
            for address in addresses:
                _copy(state, _list_for(state, address))
                _write_hosts(_list_for(state, address), address)
            return ""

        try:
            background.within(time_left.part(SHARE), copy)
        except OSError as problem:
            raise Failure(f"the list of clients with locks cannot be copied: {words(problem)}") from None
        for address in addresses:
            list_for = _list_for(state, address)
            shown = ((list_for, NOTIFIED), (f"{list_for}/{HOSTS}", "/etc/hosts"))
            processes.start(
                self.server, f"notify-{address}", _notify(address), time_left.part(SHARE), binds=shown
            )
            log(f"clients with locks are told that {address} is back")

    @property
    def _ganesha(self) -> list[str]:
        from vsctl.agents import ganesha

        log_file = f"{paths.logs(self.server)}/ganesha.log"
        configuration = f"{ganesha.directory(self.server)}/ganesha.conf"
        return ["ganesha.nfsd", "-F", "-f", configuration, "-L", log_file, "-p", "/run/ganesha.pid"]

    def _start(self, name: str, command: list[str], time_left: Allowance) -> None:
        """Start a daemon, and wait until it answers on all of its ports."""
        binds = ((f"{paths.state(self.server)}/statd", NOTIFIED),) if name == "statd" else ()
        processes.start(self.server, name, command, time_left.part(SHARE), binds=binds)
        self._await(name, time_left.part(SHARE) - IMPATIENCE)

    def _await(self, name: str, patience: float) -> None:
        left = dict(_CALLS[name])

        def answers() -> bool:
            if processes.running(self.server, name) is None:
                raise Failure(f"{name} of {self.server} ended at once: {paths.logs(self.server)} says why")
            try:
                while left:
                    port = next(iter(left))
                    rpc.ask(self.server, port, left[port], IMPATIENCE)
                    del left[port]
            except OSError:
                return False
            return True

        if not processes.until(answers, patience):
            raise Failure(f"{name} of {self.server} does not answer on port {next(iter(left))}")


_CALLS: dict[str, dict[int, tuple[tuple[int, int], ...]]] = {
    "ganesha": {
        ports.NFS: ((rpc.NFS, 3), (rpc.NFS, 4)),
        ports.MOUNTD: ((rpc.MOUNT, 3),),
        ports.NLOCKMGR: ((rpc.NLOCKMGR, 4),),
    },
    "statd": {ports.STATD: ((rpc.STATUS, 1),)},
    "rpcbind": {ports.PORTMAPPER: ((rpc.PORTMAPPER, 2),)},
}
"""What each daemon has to answer on which of its ports: program and version."""


def _anything_to_reclaim(state: str) -> bool:
    """Say whether a client may hold NFSv4 state or an NFSv3 lock from before."""
    return any(
        files
        for place in ("nfs", "statd/sm", "statd/sm.bak", "statd/held")
        for _, _, files in os.walk(f"{state}/{place}")
    ) or any(
        names
        for kind in ("v4recov", "v4old")
        for parent, names, _ in os.walk(f"{state}/nfs/{kind}")
        if parent != f"{state}/nfs/{kind}"
    )


def _give_to_statd(state: str) -> None:
    """Make statd's directories, its user's own: it gives up root for whoever owns them.

    What that user may have put there is never followed elsewhere.
    """
    import pwd

    try:
        user = pwd.getpwnam("statd").pw_uid
    except KeyError:
        user = 0
    for each in ("", "/sm", "/sm.bak"):
        os.makedirs(f"{state}{each}", mode=0o700, exist_ok=True)
        os.chown(f"{state}{each}", user, -1, follow_symlinks=False)
    for parent, _, files in os.walk(state):
        for each in files:
            os.chown(f"{parent}/{each}", user, -1, follow_symlinks=False)


def _copy(state: str, copy: str) -> None:
    import shutil

    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(state, copy, symlinks=True, ignore=shutil.ignore_patterns("notify", "held"))
    _give_to_statd(copy)


def _list_for(state: str, address: str) -> str:
    """Return where the copy of statd's list is from which the clients of an address are told."""
    return f"{state}/notify/{address}"


def _write_hosts(directory: str, address: str) -> None:
    """Write a hosts file in which the address is its own name.

    sm-notify speaks for no address without a name, and tells clients that name, which they may have to look up.
    """
    with open(f"{directory}/{HOSTS}", "w") as file:
        file.write(f"{address} {address}\n")


def _notify(address: str) -> list[str]:
    return ["sm-notify", "-d", "-f", "-v", address]


def _addresses(server: str, limit: float) -> list[str]:
    """Return the addresses of a server, without the loopback's own."""
    status, said = processes.run(
        server, ["ip", "-o", "addr", "show", "dev", "lo", "scope", "global"], limit=limit
    )
    if status != 0:
        raise OSError(f"the addresses of {server} cannot be read: {said}")
    return [line.split()[3].partition("/")[0] for line in said.splitlines()]
