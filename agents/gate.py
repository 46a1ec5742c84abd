"""When may clients reach the servers of a virtual server?

There are two ways in, `NFS` and `SMB`. A way is open unless somebody keeps it
closed. Whoever does has a name (`gate` for the resource itself, `smb` for the
SMB server's, a resource id for others) and a file of that name in
`/run/vsctl/<vs>/<way>/`. Closed means that the way's table is in the server's
network namespace; open, that it is not.

Closed, NFS is silent altogether: clients wait, instead of being told that a
file handle is stale or a connection ended. Of SMB only attempts to connect are
dropped: clients see their server end at once, and are not refused while it is
on its way, after which many would not try again for seconds.
"""

from __future__ import annotations

from vsctl.agents import connections, names, namespaces, nftables, paths, ports, relay
from vsctl.agents import system as os
from vsctl.agents.nftables import Chain, Set
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vsctl.agents import fragments

CLOSED_BY_GATE = "gate"
"""Under this name the resource itself keeps the way of NFS closed."""

CLOSED_BY_SMB = "smb"
"""Under this name the way of SMB is closed until the SMB server has shares."""

BOUND = 40
"""Seconds that anybody else may keep it closed: what has not come back by then must not hold up the rest."""


HEEDED = 0.1
"""Seconds that the node daemon may take until it keeps who calls at a way that is closed."""


class Way:
    """One way in: the table of the packet filter that closes it, and where it is noted who does; its TCP ports."""

    __slots__ = ("chains", "notes", "ports", "sets", "table")

    def __init__(
        self, table: str, notes: str, ports: tuple[int, ...], sets: list[Set], chains: list[Chain]
    ) -> None:
        self.table = table
        self.notes = notes
        self.ports = ports
        self.sets = [Set("own", "ifname", ["lo"]), *sets]
        self.chains = chains


_OF_NFS = [f"{by} . {port}" for by in ("tcp", "udp") for port in ports.OF_NFS]

_ATTEMPT = ["syn", "syn|ecn", "syn|cwr", "syn|ecn|cwr"]
"""What the first packet of a connection says, and no other."""

NFS = Way(
    "vsctl-gate",
    paths.NFS_GATE,
    ports.OF_NFS,
    [Set("nfs", "inet_proto . inet_service", _OF_NFS)],
    [
        Chain("input", ["iifname != @own meta l4proto . th dport @nfs drop"]),
        Chain("output", ["oifname != @own meta l4proto . th sport @nfs drop"]),
    ],
)
SMB = Way(
    "vsctl-gate-smb",
    paths.SMB_GATE,
    (ports.SMB,),
    [Set("smb", "inet_proto . inet_service", [f"tcp . {ports.SMB}"]), Set("attempt", "tcp_flag", _ATTEMPT)],
    [Chain("input", ["iifname != @own meta l4proto . th dport @smb tcp flags @attempt drop"])],
)
WAYS = (NFS, SMB)


class Gate(Agent):
    """Let clients reach the NFS server of a virtual server once all is ready

    Closed, a packet filter in the server's namespace drops everything of NFS
    without an answer, in both directions: clients wait, instead of being told
    that a file handle is stale or a connection ended. It starts closed; this
    resource starts last and opens it. Then it makes clients that were
    connected before, here or on another node, connect anew at once. While it is
    open it keeps a list of the connections on the root filesystem. New
    connections to SMB are dropped, too, until the SMB server has shares, or this
    resource starts without one.
    """

    server = Param(names.known, "Name of the virtual server")

    @action("start", timeout=20)
    def start(self) -> None:
        if not namespaces.exists(self.server):
            raise Failure(f"{self.server} is not on this node, there is no gate to open")
        former = self._former()  # before anybody can be added to the list
        for filesystem in relay.expect(self.server):  # its clients would be told that their handles are stale
            close(self.server, relay.resource(self.server, filesystem))
        open(self.server, CLOSED_BY_GATE)
        open(self.server, CLOSED_BY_SMB, SMB)  # what serves SMB has started by now, or does not
        if woken := connections.wake(self.server, former):
            log(f"{woken} clients of {self.server} were told to connect anew")

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if not namespaces.exists(self.server):
            raise NotRunning(f"{self.server} is not on this node")
        for way in WAYS:
            relent(self.server, way)
        with namespaces.inside(self.server):
            closed = [way for way in WAYS if nftables.has_table(way.table)]
        if CLOSED_BY_GATE in holders(self.server):
            if NFS not in closed and not self.probing:  # the namespace may be in the making
                raise Failure(f"the gate of {self.server} is open, though it should be closed")
            raise NotRunning(f"the gate of {self.server} is closed")
        for way in WAYS:
            closed_by = holders(self.server, way)
            if way in closed and not closed_by:
                raise Failure(f"the gate of {self.server} is closed, and nobody keeps it so")
            if closed_by and way not in closed:
                raise Failure(
                    f"the gate of {self.server} is open, though {' and '.join(closed_by)} keeps it closed"
                )
        relay.look_after(self.server)
        self._record()

    @action("stop", timeout=20)
    def stop(self) -> None:
        if not namespaces.exists(self.server):
            return
        if CLOSED_BY_GATE not in holders(self.server):
            self._record()
        try:
            close(self.server, CLOSED_BY_GATE)
            relay.end(self.server)
        except namespaces.Gone:  # and what was to be closed with it
            pass
        except (OSError, Failure) as problem:
            if CLOSED_BY_GATE not in holders(self.server):
                raise
            # All is closed, and what is left of it ends with the namespace: no reason to fence a node.
            log(f"the relay of {self.server} is not ended yet: {words(problem)}")

    def _record(self) -> None:
        """Keep the list; storage that does not take it is the filesystem's concern, not the gate's."""
        try:
            connections.record(self.server, connections.established(self.server))
        except OSError as problem:
            log(f"the connections of {self.server} could not be recorded: {problem.strerror}")

    def _former(self) -> list[str]:
        from vsctl.agents import background

        try:
            return background.within(
                connections.LIMIT, lambda: "\n".join(connections.recorded(self.server))
            ).splitlines()
        except OSError as problem:
            log(f"the former connections of {self.server} are not known: {words(problem)}")
            return []


def hold(server: str) -> None:
    """Note that all ways in are closed, before the server has a namespace; `shut` closes them."""
    for way, who in _AT_FIRST:
        with _locked(server, way):
            _note(server, who, way)


def shut(server: str) -> None:
    """Close all ways into a namespace that is new; `tell` when somebody can come as far."""
    for way, who in _AT_FIRST:
        _close(server, who, way)


def close(server: str, who: str, way: Way = NFS) -> None:
    """Close a way for as long as `who` keeps it closed; where the server is not, there is none."""
    if namespaces.exists(server) and _close(server, who, way):
        tell(server, HEEDED)


def _close(server: str, who: str, way: Way) -> bool:
    """Close a way; say whether it was open."""
    with _locked(server, way):
        with namespaces.inside(server):
            opened = not nftables.has_table(way.table)
            if opened:
                nftables.replace(way.table, way.sets, way.chains)
        _note(server, who, way)
    return opened


def open(server: str, who: str, way: Way = NFS) -> None:
    """Let `who` not keep a way closed any more; it opens if nobody else does."""
    if not namespaces.exists(server):
        return
    with _locked(server, way):
        try:
            os.unlink(f"{_directory(server, way)}/{who}")
        except FileNotFoundError:
            pass
        opens = not holders(server, way)
        if opens:
            with namespaces.inside(server):
                nftables.remove(way.table)
    if opens:
        tell(server)


def tell(server: str, patience: float = 0.0) -> None:
    """Have the node daemon look which ways are closed: it lets those in who have called meanwhile."""
    from vsctl.agents import resident

    resident.tell(f"ways {server}", patience)


def holders(server: str, way: Way = NFS) -> list[str]:
    """Return who keeps a way closed."""
    try:
        return sorted(each for each in os.listdir(_directory(server, way)) if each != _LOCK)
    except FileNotFoundError:
        return []


def relent(server: str, way: Way) -> None:
    """Open a way for those who have kept it closed for too long; the gate itself may for ever."""
    for each in _overdue(server, way):
        log(f"{each} has kept the gate of {server} closed for {BOUND} seconds: it is opened")
        open(server, each, way)


def _overdue(server: str, way: Way) -> list[str]:
    import time

    late = []
    for each in holders(server, way):
        try:
            since = os.stat(f"{_directory(server, way)}/{each}").st_mtime
        except FileNotFoundError:
            continue
        if each != CLOSED_BY_GATE and time.time() - since > BOUND:
            late.append(each)
    return late


_AT_FIRST = ((NFS, CLOSED_BY_GATE), (SMB, CLOSED_BY_SMB))
_LOCK = ".lock"


def _note(server: str, who: str, way: Way) -> None:
    os.close(os.open(f"{_directory(server, way)}/{who}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _directory(server: str, way: Way) -> str:
    return paths.closed_by(server, way.notes)


def _locked(server: str, way: Way) -> fragments.Lock:
    """Keep others from opening or closing a way meanwhile."""
    from vsctl.agents import fragments

    os.makedirs(_directory(server, way), mode=0o700, exist_ok=True)
    return fragments.Lock(f"{_directory(server, way)}/{_LOCK}")
