"""Which exports do clients wait for, and how do those of the others get on?

While one filesystem is away, clients of its exports must not be told that
their handles are stale. They reach the NFS server by way of the relay then, a
process that makes another answer of that (`translation`, `relaying`). What a
server has served is noted on its root filesystem, a file for each filesystem
with a line `number path` for each export, until it is given up. So the next
node knows what to wait for, too.
"""

from __future__ import annotations

import time

from vsctl.agents import namespaces, paths, ports
from vsctl.agents import system as os
from vsctl.agents.ocf import Failure, log, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from vsctl.agents import fragments

TABLE = "vsctl-relay"
PORT = 2050
"""Where the relay listens, on the loopback of the server's namespace."""
RELAYED = (ports.NFS, ports.MOUNTD, ports.NLOCKMGR)
SILENT = (ports.NFS, ports.MOUNTD)
"""Where UDP is not answered meanwhile. That of NLM is: locks on what is served are to be had, and given back."""
STALE_LOCK = "@th,256,64 7"
"""What Ganesha says by UDP of a lock on an export that it has not: after eight words, of which two are UDP's own, a
cookie of no bytes (it gives the client's back with every other answer), and NLM4_STALE_FH."""
LIMIT = 2.0
"""Seconds for storage to take a note."""
READY = 3.0
"""Seconds for the relay to listen, or to end."""
TURNS = 2.0
"""Seconds in which it notices a connection, if it is not stuck."""
ENOUGH = 5.0
"""Seconds of a grace period for a client to reclaim its locks on what is served: Linux reclaims one after the other."""
PATIENCE = 3.0
"""Seconds for the cluster to answer: a stop that waited for it longer would cost the node."""
ENXIO = 105
"""What cibadmin exits with if there is no such object."""


def note(server: str, filesystem: str, exports: Iterable[tuple[int, str]]) -> None:
    """Remember what is served of a filesystem, with the server; clients need not wait for it any more."""
    _keep(server, {filesystem: _written(exports)})
    _come(server, filesystem)


def give_up(server: str, kept: Mapping[str, Sequence[tuple[int, str]]]) -> None:
    """Forget what is not to be served any more of some filesystems, all but `kept`: clients may be told so."""
    _keep(server, {filesystem: _written(exports) for filesystem, exports in kept.items()})
    for filesystem, exports in kept.items():
        _come(server, filesystem, exports)


def wait_for(server: str, exports: Mapping[str, Iterable[tuple[int, str]]]) -> None:
    """Let clients wait for these exports of some filesystems from now on; OSError if they cannot be made to."""
    from vsctl.agents import files

    with locked(server):
        for filesystem, each in exports.items():
            files.replace(f"{_waited(server)}/{filesystem}", _written(each))
        try:
            _stand_between(server)
        except OSError:
            for filesystem in exports:
                os.unlink(f"{_waited(server)}/{filesystem}")
            raise


def expect(server: str) -> list[str]:
    """Let clients wait for all that the server has served and does not serve now.

    Returns the filesystems for which they cannot be made to. Nothing is waited for once for each: a
    start of the gate has to end in time however many they are.
    """
    from vsctl.agents import fragments, ganesha

    whole = f"{ganesha.directory(server)}/exports"
    away = {
        filesystem: exports
        for filesystem, exports in _remembered(server).items()
        if not os.path.exists(fragments.path(whole, filesystem))
    }
    away.update(_taken_out(server, away))
    away = {filesystem: exports for filesystem, exports in away.items() if exports}
    if not away:
        return []
    try:
        wait_for(server, away)
    except (OSError, Failure) as problem:
        log(f"the relay of {server} cannot be had for {' and '.join(away)}: {words(problem)}")
        return list(away)
    return []


def look_after(server: str) -> None:
    """Bring the relay back if it is needed and gone, or stuck; wait no more for what is not configured any more.

    What cannot be done is said, and left to the next look: clients wait meanwhile.
    """
    from vsctl.agents import files, spawning

    if names := _names(_waited(server)):
        _taken_out(server, {each: _read(files.read(f"{_waited(server)}/{each}")) for each in names})
    if not _names(_waited(server)):
        return
    try:
        if _lives(server) and _is_in_between(server) and _turns(server):
            return
        with locked(server):
            if _names(_waited(server)):
                log(f"the relay of {server} is gone, or does not answer: it is started again")
                spawning.end(process_file(server), 0, READY)  # one that is stuck heeds no word
                _stand_between(server)
    except (OSError, Failure) as problem:
        log(f"the relay of {server} cannot be brought back: {words(problem)}")


def end(server: str) -> None:
    """Let nobody wait any more, and end the relay; that of a server that is leaving."""
    from vsctl.agents import nftables, spawning

    if not os.path.exists(_directory(server)):
        return
    with locked(server):
        for place in (_waited(server), _back(server)):
            for each in _names(place):
                os.unlink(f"{place}/{each}")
        spawning.end(process_file(server), READY, READY)
        with namespaces.inside(server):
            nftables.remove(TABLE)


def waited(server: str) -> list[tuple[int, str]]:
    """Return the exports that are waited for: number and path of each."""
    from vsctl.agents import files

    return [
        each
        for filesystem in _names(_waited(server))
        for each in _read(files.read(f"{_waited(server)}/{filesystem}"))
    ]


def waited_after(server: str, moment: float) -> list[tuple[int, str]]:
    """Return the exports that are waited for, and those that were after a moment (CLOCK_MONOTONIC)."""
    from vsctl.agents import files

    found = waited(server)  # first: what comes back is among the others before it is not among these any more
    for filesystem in _names(_back(server)):
        came, _, exports = files.read(f"{_back(server)}/{filesystem}").partition("\n")
        if came and float(came) > moment:
            found += _read(exports)
    return found


def holds_reclaims(server: str) -> bool:
    """Say whether who reclaims a lock on what is away is to wait for it: while there is time to reclaim others."""
    from vsctl.agents import lockers

    return lockers.time_to_reclaim(server) > ENOUGH


def resource(server: str, filesystem: str) -> str:
    """Return the resource that exports a filesystem."""
    return f"{server}-exp-{filesystem}"


def is_retired(resource: str) -> bool:
    """Say whether the cluster is not to keep a resource; False if it cannot be asked, or is slow to answer."""
    known = _configured([resource])
    return known is not None and resource not in known


def _taken_out(server: str, exports: Mapping[str, list[tuple[int, str]]]) -> dict[str, list[tuple[int, str]]]:
    """Give up what the configuration does not have any more of the exports of these filesystems.

    Returns what is left, of each filesystem for which that is another list now.
    """
    from vsctl.agents import entries

    changed: dict[str, list[tuple[int, str]]] = {}
    known = _configured([resource(server, each) for each in exports])
    if known is None:
        return changed
    for filesystem, listed in exports.items():
        text = known.get(resource(server, filesystem), "")
        try:
            paths = {each.id: each.seen_as for each in entries.exports(text)}
        except ValueError:  # its agent says so
            continue
        kept = [(number, paths[number]) for number, _ in listed if number in paths]
        if kept != listed:
            for path in (path for number, path in listed if number not in paths):
                log(f"{path} of {server} is not to be exported any more: its clients are told so")
            changed[filesystem] = kept
    if changed:
        give_up(server, changed)
    return changed


def _configured(resources: Collection[str]) -> dict[str, str] | None:
    """Return the parameter `exports` of those that the cluster is to keep, None if it does not answer in time.

    What the cluster file no longer has is stopped under a mark before it is removed.
    """
    if not resources:
        return {}
    from xml.etree import ElementTree

    from vsctl.agents import programs
    from vsctl.agents.ocf import NotInstalled

    these = " or ".join(f"@id='{each}'" for each in resources)
    kept = f"//primitive[{these}][not(.//nvpair[starts-with(@id,'vsctl-retired-')])]"
    try:
        status, said = programs.ask(["cibadmin", "--query", "--xpath", kept], limit=PATIENCE)
        if status == ENXIO:
            return {}
        if status != 0:
            return None
        found = ElementTree.fromstring(f"<all>{said}</all>").iter("primitive")
    except (NotInstalled, TimeoutError, ElementTree.ParseError):
        return None
    return {
        each.get("id", ""): nvpair.get("value", "")
        for each in found
        for nvpair in each.iterfind("./instance_attributes/nvpair[@name='exports']")
    }


def _remembered(server: str) -> dict[str, list[tuple[int, str]]]:
    """Return the exports of each filesystem that the server has noted, none if its storage does not answer."""
    from vsctl.agents import background, files

    def read() -> str:
        noted = _noted(server)
        return "".join(
            f"{filesystem} {line}\n"
            for filesystem in _names(noted)
            for line in files.read(f"{noted}/{filesystem}").splitlines()
        )

    try:
        said = background.within(LIMIT, read)
    except OSError as problem:
        log(f"what {server} has served is not known: {words(problem)}")
        return {}
    found: dict[str, list[tuple[int, str]]] = {}
    for line in said.splitlines():
        filesystem, _, export = line.partition(" ")
        found.setdefault(filesystem, []).extend(_read(export))
    return {filesystem: exports for filesystem, exports in found.items() if exports}


def _read(text: str) -> list[tuple[int, str]]:
    """Return the exports of a note, as far as it is whole."""
    lines = (line.partition(" ") for line in text.splitlines())
    return [(int(number), path) for number, _, path in lines if number.isdigit() and path]


def _written(exports: Iterable[tuple[int, str]]) -> str:
    return "".join(f"{number} {path}\n" for number, path in exports)


def process_file(server: str) -> str:
    return f"{_directory(server)}/process"


def _come(server: str, filesystem: str, kept: Sequence[tuple[int, str]] = ()) -> None:
    """Wait no more for a filesystem, or for what is not kept of it.

    Without any, new connections go past the relay, which ends with its last. What was asked until now
    may have been answered before the export was back, so the moment is noted.
    """
    from vsctl.agents import files, nftables

    place = f"{_waited(server)}/{filesystem}"
    if not os.path.exists(place):
        return
    with locked(server):
        if not (before := files.read(place)):
            return  # somebody else was faster
        files.replace(f"{_back(server)}/{filesystem}", f"{time.monotonic()!r}\n{before}")
        if kept:
            files.replace(place, _written(kept))
            return
        if list(_names(_waited(server))) == [filesystem]:
            with namespaces.inside(server):
                nftables.remove(TABLE)  # first: nobody would, if this were cut short
        os.unlink(place)


def _stand_between(server: str) -> None:
    """Have the relay run, and every client of the NFS server connected to it."""
    from vsctl.agents import connections, nftables, processes, resident, spawning
    from vsctl.agents.nftables import Chain, Set

    if not _lives(server):
        child = spawning.start("relaying", f"{paths.logs(server)}/relay.log", server)
        processes.until(lambda: _lives(server) or resident.born(child) is None, READY)
        if not _lives(server):
            raise TimeoutError(
                110, f"it does not begin; {paths.logs(server)}/relay.log says why"
            )  # ETIMEDOUT
    elif _is_in_between(server):
        return
    relayed = [f"tcp . {port}" for port in RELAYED]
    asked = [*relayed, *(f"udp . {port}" for port in SILENT)]
    with namespaces.inside(server):
        nftables.replace(
            TABLE,
            [
                Set("own", "ifname", ["lo"]),
                Set("relayed", "inet_proto . inet_service", relayed),
                Set("asked", "inet_proto . inet_service", asked),
                Set("locks", "inet_proto . inet_service", [f"udp . {ports.NLOCKMGR}"]),
            ],
            [
                Chain(
                    "prerouting",
                    [
                        f"iifname != @own meta l4proto . th dport @relayed tproxy ip to 127.0.0.1:{PORT} accept",
                        f"iifname != @own meta l4proto . th dport @relayed tproxy ip6 to [::1]:{PORT} accept",
                        "iifname != @own meta l4proto . th dport @asked drop",  # UDP, and while the relay is dead
                    ],
                ),
                Chain("output", [f"oifname != @own meta l4proto . th sport @locks {STALE_LOCK} drop"]),
            ],
        )
        try:
            connections.end(RELAYED)
        except OSError:
            nftables.remove(TABLE)
            raise


def _lives(server: str) -> bool:
    from vsctl.agents import resident

    return resident.living(process_file(server)) is not None


def _turns(server: str) -> bool:
    """Say whether it notices a connection that nobody has sent there, which it ends at once."""
    from _socket import AF_INET, SOCK_STREAM, socket

    with namespaces.inside(server):
        line = socket(AF_INET, SOCK_STREAM)
    try:
        line.settimeout(TURNS)
        line.connect(("127.0.0.1", PORT))
        return line.recv(1) == b""
    except ConnectionResetError:
        return True
    except OSError:
        return False
    finally:
        line.close()


def _is_in_between(server: str) -> bool:
    from vsctl.agents import nftables

    with namespaces.inside(server):
        return nftables.has_table(TABLE)


def _keep(server: str, texts: Mapping[str, str]) -> None:
    """Have notes on the root filesystem, by filesystem, say this, whatever happens next; an empty text removes one."""
    from vsctl.agents import background

    def write() -> None:
        for filesystem, text in texts.items():
            _keep_one(server, f"{_noted(server)}/{filesystem}", text)

    try:
        background.within(LIMIT, write)
    except OSError as problem:
        log(f"what {server} serves of {' and '.join(texts)} cannot be noted: {words(problem)}")


def _keep_one(server: str, path: str, text: str) -> None:
    from vsctl.agents import files

    if files.read(path) == text:
        return
    if not text:
        os.unlink(path)
    elif os.path.isdir(paths.state(server)):
        os.makedirs(_noted(server), mode=0o700, exist_ok=True)
        file = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(file, text.encode())
        os.fsync(file)
        os.close(file)
        os.rename(f"{path}.new", path)
        directory = os.open(_noted(server), os.O_RDONLY | os.O_CLOEXEC)
        os.fsync(directory)
        os.close(directory)


def _names(directory: str) -> Sequence[str]:
    try:
        return sorted(each for each in os.listdir(directory) if "." not in each)
    except FileNotFoundError:
        return []


def _noted(server: str) -> str:
    return f"{paths.state(server)}/served"


def _directory(server: str) -> str:
    return f"{paths.run(server)}/relay"


def _waited(server: str) -> str:
    return f"{_directory(server)}/waited"


def _back(server: str) -> str:
    return f"{_directory(server)}/back"


def locked(server: str) -> fragments.Lock:
    """Keep others from beginning or ending it meanwhile."""
    from vsctl.agents import fragments

    for each in (_waited(server), _back(server)):
        os.makedirs(each, mode=0o700, exist_ok=True)
    return fragments.Lock(f"{_directory(server)}/lock")
