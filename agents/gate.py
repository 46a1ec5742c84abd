"""When may clients reach the NFS server of a virtual server?

The gate is open unless somebody keeps it closed. Whoever does has a name
(`gate` for the resource itself, a resource id for others) and a file of that
name in `/run/vsctl/<vs>/gate/`. Closed means that the table `inet vsctl-gate`
is in the server's network namespace; open, that it is not.
"""

from __future__ import annotations

from vsctl.agents import connections, names, namespaces, nftables, paths, ports
from vsctl.agents import system as os
from vsctl.agents.nftables import Chain, Set
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

TABLE = "vsctl-gate"
CLOSED_BY_GATE = "gate"
"""Under this name the resource itself keeps the gate closed."""

BOUND = 40
"""Seconds that anybody else may keep it closed: what has not come back by then must not hold up the rest."""


class Gate(Agent):
    """Let clients reach the NFS server of a virtual server once all is ready

    Closed, a packet filter in the server's namespace drops everything of NFS
    without an answer, in both directions: clients wait, instead of being told
    that a file handle is stale or a connection ended. It starts closed; this
    resource starts last and opens it. Then it makes clients that were
    connected before, here or on another node, connect anew at once. While it is
    open it keeps a list of the connections on the root filesystem.
    """

    server = Param(names.known, "Name of the virtual server")
    nfs = Param(lambda text: text == "1", "1 if the server serves NFS", default="1")

    @action("start", timeout=20)
    def start(self) -> None:
        if not namespaces.exists(self.server):
            raise Failure(f"{self.server} is not on this node, there is no gate to open")
        open(self.server, CLOSED_BY_GATE)
        self._wake()

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if not namespaces.exists(self.server):
            raise NotRunning(f"{self.server} is not on this node")
        for each in _overdue(self.server):
            log(f"{each} has kept the gate of {self.server} closed for {BOUND} seconds: it is opened")
            open(self.server, each)
        with namespaces.inside(self.server):
            closed = nftables.has_table(TABLE)
        closed_by = holders(self.server)
        if CLOSED_BY_GATE in closed_by:
            if not closed and not self.probing:  # the namespace may be in the making
                raise Failure(f"the gate of {self.server} is open, though it should be closed")
            raise NotRunning(f"the gate of {self.server} is closed")
        if closed and not closed_by:
            raise Failure(f"the gate of {self.server} is closed, and nobody keeps it so")
        if closed_by and not closed:
            raise Failure(
                f"the gate of {self.server} is open, though {' and '.join(closed_by)} keeps it closed"
            )
        self._record()

    @action("stop", timeout=20)
    def stop(self) -> None:
        if not namespaces.exists(self.server):
            return
        if CLOSED_BY_GATE not in holders(self.server):
            self._record()
        try:
            close(self.server, CLOSED_BY_GATE)
        except namespaces.Gone:  # and what was to be closed with it
            pass

    def _record(self) -> None:
        """Keep the list; storage that does not take it is the filesystem's concern, not the gate's."""
        try:
            with namespaces.inside(self.server):
                established = connections.established()
            connections.record(self.server, established)
        except OSError as problem:
            log(f"the connections of {self.server} could not be recorded: {problem.strerror}")

    def _wake(self) -> None:
        try:
            woken = connections.wake(self.server)
        except OSError as problem:
            log(f"the former connections of {self.server} could not be ended: {problem.strerror}")
        else:
            if woken:
                log(f"{woken} clients of {self.server} were told to connect anew")


def hold(server: str, who: str) -> None:
    """Note that `who` keeps the gate closed, also before the server has a namespace with a gate; `close` closes it."""
    with _Locked(server) as directory:
        _note(directory, who)


def close(server: str, who: str) -> None:
    """Close the gate for as long as `who` keeps it closed; where the server is not, there is none."""
    if not namespaces.exists(server):
        return
    with _Locked(server) as directory:
        with namespaces.inside(server):
            if not nftables.has_table(TABLE):
                nftables.replace(TABLE, *content())
        _note(directory, who)


def open(server: str, who: str) -> None:
    """Let `who` not keep the gate closed any more; it opens if nobody else does."""
    if not namespaces.exists(server):
        return
    with _Locked(server) as directory:
        try:
            os.unlink(f"{directory}/{who}")
        except FileNotFoundError:
            pass
        if not holders(server):
            with namespaces.inside(server):
                nftables.remove(TABLE)


def holders(server: str) -> list[str]:
    """Return who keeps the gate closed."""
    try:
        return sorted(each for each in os.listdir(_directory(server)) if each != _LOCK)
    except FileNotFoundError:
        return []


def _overdue(server: str) -> list[str]:
    import time

    late = []
    for each in holders(server):
        try:
            since = os.stat(f"{_directory(server)}/{each}").st_mtime
        except FileNotFoundError:
            continue
        if each != CLOSED_BY_GATE and time.time() - since > BOUND:
            late.append(each)
    return late


def content() -> tuple[list[Set], list[Chain]]:
    """Return the table that makes NFS silent to everybody but the namespace itself."""
    sets = [
        Set("own", "ifname", ["lo"]),
        Set(
            "nfs",
            "inet_proto . inet_service",
            [f"{by} . {port}" for by in ("tcp", "udp") for port in ports.OF_NFS],
        ),
    ]
    chains = [
        Chain("input", ["iifname != @own meta l4proto . th dport @nfs drop"]),
        Chain("output", ["oifname != @own meta l4proto . th sport @nfs drop"]),
    ]
    return sets, chains


_LOCK = ".lock"


def _note(directory: str, who: str) -> None:
    os.close(os.open(f"{directory}/{who}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _directory(server: str) -> str:
    return f"{paths.run(server)}/gate"


class _Locked:
    """Keep others from opening or closing a server's gate meanwhile."""

    def __init__(self, server: str) -> None:
        self._directory = _directory(server)

    def __enter__(self) -> str:
        import fcntl

        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        self._file = os.open(f"{self._directory}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self._directory

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)
