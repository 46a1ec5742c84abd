"""Are the NFS exports of one filesystem served, and only while it is mounted?"""

from __future__ import annotations

import os

from vsctl.agents import (
    entries,
    fragments,
    ganesha,
    lockers,
    mounts,
    names,
    namespaces,
    paths,
    places,
    ports,
    processes,
    rpc,
)
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ENXIO = 105
"""What cibadmin exits with if there is no such object."""

PATIENCE = "3"
"""Seconds for the cluster to answer: a stop that waited for it longer would cost the node."""

SIGHUP = 1
SIGKILL = 9


class Exports(Agent):
    """Serve directories of one filesystem by NFS

    Adds the exports to the running NFS server of the virtual server and
    returns when each answers with the right file handle. The others of the
    server are not disturbed. A directory that does not exist is made once,
    mode 1777; one that is not on the mounted filesystem is refused. The
    monitor mounts each export as a client would.
    """

    server = Param(names.known, "Name of the virtual server")
    filesystem = Param(names.known, "Name of the filesystem in the server")
    exports = Param(
        entries.exports,
        "Exports separated by `;`, each `path seen_as id=ID squash=root|all|none CLIENT=rw CLIENT=ro`",
        reloadable=True,
    )

    @property
    def whole(self) -> str:
        return f"{ganesha.directory(self.server)}/exports"

    @property
    def fragment(self) -> str:
        return fragments.path(self.whole, self.filesystem)

    @action("start", timeout=20)
    def start(self) -> None:
        process = self._ganesha()
        if process is None:
            raise Failure(f"the NFS server of {self.server} does not run")
        texts = {
            each.identity: ganesha.export(places.place(self.server, self.filesystem, each.path), each)
            for each in self.exports
        }
        with fragments.Lock(f"{self.whole}.lock"):
            old = self._identities()
            if old - texts.keys():
                # Ganesha cannot turn one export into another: what goes is gone before anything comes.
                self._publish(process, {each: text for each, text in texts.items() if each in old})
                fresh = [each.seen_as for each in self.exports if each.identity not in old]
                self._await(lambda: not self._served(fresh), "did not let go of a former export")
            self._publish(process, texts)
            self._await(lambda: not self._problem(), "does not serve its exports")
        self._release_gate()

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self.start()

    @action("stop", timeout=20)
    def stop(self) -> None:
        if not os.path.exists(self.fragment):
            return
        with fragments.Lock(f"{self.whole}.lock"):
            process = self._ganesha()
            if process is not None:
                self._hold_gate()
                lockers.set_aside(self.server)
                self._publish(process, {})
                self._let_go(process)
            os.unlink(self.fragment)

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if not os.path.exists(self.fragment):
            raise NotRunning(f"filesystem {self.filesystem} of {self.server} is not exported")
        problem = self._problem() if self._ganesha() else None
        if self._ganesha() is None:
            if self.probing:
                raise NotRunning(f"the NFS server of {self.server} does not run")
            return  # its own monitor says so, and its recovery includes this; alone, a start here could only fail
        if problem:
            raise Failure(problem)

    def _ganesha(self) -> int | None:
        return processes.running(self.server, "ganesha")

    def _identities(self) -> set[str]:
        """Return what this filesystem exports now."""
        lines = fragments.read(self.fragment).splitlines()
        return {line[2:] for line in lines if line.startswith("# ")}

    def _publish(self, process: int, texts: dict[str, str]) -> None:
        """Export just these of the filesystem, by their identities, and have Ganesha read it."""
        whole = "".join(f"# {identity}\n{text}" for identity, text in texts.items())
        fragments.publish(self.whole, self.filesystem, whole)
        os.kill(process, SIGHUP)

    @property
    def _resource(self) -> str:
        return os.environ.get("OCF_RESOURCE_INSTANCE", f"{self.server}-exp-{self.filesystem}")

    def _hold_gate(self) -> None:
        """Keep the gate closed until the next start: a client that asks meanwhile would be told ESTALE.

        When the whole server stops, the gate is closed already. When the
        exports are taken away for good, that is what clients are to be told.
        """
        from vsctl.agents import gate

        if gate.CLOSED_BY_GATE not in gate.holders(self.server) and self._is_configured():
            gate.close(self.server, self._resource)

    def _release_gate(self) -> None:
        from vsctl.agents import gate

        if self._resource in gate.holders(self.server):
            gate.open(self.server, self._resource)

    def _is_configured(self) -> bool:
        """Say whether the cluster is to keep this resource; believe so if it cannot be asked, or is slow to answer.

        What the cluster file no longer has is stopped under this mark before it is removed.
        """
        this = f"//primitive[@id='{self._resource}'][not(.//nvpair[@id='vsctl-retired-{self._resource}'])]"
        return processes.here(["timeout", PATIENCE, "cibadmin", "--query", "--xpath", this])[0] != ENXIO

    def _await(self, condition: Callable[[], bool], failing: str) -> None:
        if not processes.until(condition, self.timeout * 0.4):
            where = f"{paths.logs(self.server)}/ganesha.log"
            raise Failure(
                f"the NFS server of {self.server} {failing}: {self._problem() or ''} {where} says why"
            )

    def _let_go(self, process: int) -> None:
        """Wait until Ganesha has nothing of the filesystem open; end it if it does not obey."""
        from vsctl.agents import holders

        mount = mounts.at(paths.mount_point(self.server, self.filesystem))

        def free() -> bool:
            served = self._served([each.seen_as for each in self.exports])
            return not served and not (mount and holders.uses(process, mount.device))

        if not processes.until(free, self.timeout * 0.4) and processes.running(self.server, "ganesha"):
            log(f"ganesha.nfsd does not let go of {self.filesystem}: it is killed, and will be started again")
            processes.kill(lambda: processes.named(self.server, "ganesha"), SIGKILL, self.timeout * 0.3)

    def _answers(self) -> list[bytes | None]:
        """Return the file handle that each export's path leads a client to."""
        with namespaces.inside(self.server):
            mountd = rpc.Connection(ports.MOUNTD)
        try:
            return [rpc.mount(mountd, each.seen_as) for each in self.exports]
        finally:
            mountd.close()

    def _served(self, paths: list[str]) -> bool:
        """Say whether any of these paths is still exported; a server that does not answer may do so."""
        try:
            with namespaces.inside(self.server):
                mountd = rpc.Connection(ports.MOUNTD)
            try:
                return any(rpc.mount(mountd, each) for each in paths)
            finally:
                mountd.close()
        except OSError:
            return True

    def _problem(self) -> str | None:
        """Name the first export that a client cannot use; a foreign one in its place counts too."""
        point = paths.mount_point(self.server, self.filesystem)
        if mounts.at(point) is None:
            return f"{point} is not mounted"
        try:
            handles = self._answers()
            with namespaces.inside(self.server):
                nfs = rpc.Connection(ports.NFS)
            try:
                for export, handle in zip(self.exports, handles, strict=True):
                    if handle is None:
                        return f"{export.seen_as} is not exported by the NFS server of {self.server}"
                    wanted = os.stat(f"{point}{export.path}").st_ino
                    if rpc.export_id(handle) != export.id or rpc.file_id(nfs, handle) != wanted:
                        return f"{export.seen_as} is exported, but is not {export.path} of {self.filesystem}"
            finally:
                nfs.close()
        except OSError as problem:
            return f"exports of {self.filesystem} do not answer: {problem.strerror or problem}"
        return None
