"""Are the NFS exports of one filesystem served, and only while it is mounted?"""

from __future__ import annotations

from vsctl.agents import entries, ganesha, namespaces, ports, processes, rpc
from vsctl.agents import system as os
from vsctl.agents.ocf import Failure, Param, log, words
from vsctl.agents.ports import IMPATIENCE
from vsctl.agents.served import LONG, Part, Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

SIGHUP = 1


class Exports(Served):
    """Serve directories of one filesystem by NFS

    Adds the exports to the running NFS server of the virtual server and
    returns when each answers with the right file handle. The others of the
    server are not disturbed. A directory that does not exist is made once,
    mode 1777; one that is not on the mounted filesystem is refused; one that
    clients rename while it is exported stays exported. The monitor mounts each
    export as a client would. A server that is dead or hung is left to its own
    monitor.
    """

    exports = Param(
        entries.exports,
        "Exports separated by `;`, each `path seen_as id=ID squash=root|all|none CLIENT=rw CLIENT=ro`",
        reloadable=True,
    )

    PROTOCOL = "NFS"
    DAEMON = "ganesha"
    PROCESSES = "ganesha.nfsd"

    @property
    def parts(self) -> Sequence[Part]:
        return [
            Part(each.identity, each.path, ganesha.export(self.place(each.path), each))
            for each in self.exports
        ]

    @property
    def whole(self) -> str:
        return f"{ganesha.directory(self.server)}/exports"

    def reread(self, process: int) -> None:
        try:
            os.kill(process, SIGHUP)
        except ProcessLookupError:
            return  # who starts it again has it read everything

    def withdraw(self, process: int, names: Collection[str]) -> None:
        self.reread(process)
        paths = [entries.seen_as(each) for each in names]

        def gone() -> bool:
            try:
                return not any(self._handles(paths, IMPATIENCE))
            except OSError:
                return self.process is None

        if not processes.until(gone, self.timeout * LONG):
            log(f"the NFS server of {self.server} does not let go of {' '.join(paths)}")

    def answers(self, patience: float) -> bool:
        try:
            rpc.ask(self.server, ports.NFS, ((rpc.NFS, 3),), patience)
        except OSError:
            return False
        return True

    def problem(self, inodes: dict[str, int], patience: float) -> str | None:
        handles = self._handles([each.seen_as for each in self.exports], patience)
        with namespaces.inside(self.server):
            nfs = rpc.Connection(ports.NFS, patience)
        try:
            for export, handle in zip(self.exports, handles, strict=True):
                if handle is None:
                    return f"{export.seen_as} is not exported by the NFS server of {self.server}"
                wanted = inodes.get(export.identity)
                if rpc.export_id(handle) != export.id or rpc.file_id(nfs, handle) != wanted:
                    return f"{export.seen_as} is exported, but is not {export.path} of {self.filesystem}"
        finally:
            nfs.close()
        return None

    def before_stop(self) -> None:
        """Let clients wait until all is served again: who asks meanwhile would be told ESTALE.

        When the whole server stops, the gate is closed already. When the
        exports are taken away for good, that is what clients are to be told.
        """
        from vsctl.agents import gate, lockers, relay

        if gate.CLOSED_BY_GATE not in gate.holders(self.server):
            if relay.is_retired(self._resource):
                relay.give_up(self.server, {self.filesystem: ()})
            else:
                self._let_wait()
        lockers.set_aside(self.server)

    def after_start(self) -> None:
        from vsctl.agents import gate, relay

        if self._resource in gate.holders(self.server):
            gate.open(self.server, self._resource)
        relay.note(self.server, self.filesystem, self._seen)

    def _let_wait(self) -> None:
        """Have the relay answer for the exports; where there can be none, all clients of the server wait."""
        from vsctl.agents import gate, relay

        try:
            relay.wait_for(self.server, {self.filesystem: self._seen})
        except (OSError, Failure) as problem:
            log(
                f"there is no relay for {self.server}: {words(problem)}; "
                f"all its NFS clients wait for {self.filesystem}"
            )
            gate.close(self.server, self._resource)

    @property
    def _seen(self) -> list[tuple[int, str]]:
        return [(each.id, each.seen_as) for each in self.exports]

    @property
    def _resource(self) -> str:
        return os.getenv("OCF_RESOURCE_INSTANCE", f"{self.server}-exp-{self.filesystem}")

    def _handles(self, paths: Sequence[str], patience: float) -> list[bytes | None]:
        """Return the file handle that each of these paths leads a client to."""
        with namespaces.inside(self.server):
            mountd = rpc.Connection(ports.MOUNTD, patience)
        try:
            return [rpc.mount(mountd, each) for each in paths]
        finally:
            mountd.close()
