"""Is a damaged filesystem being repaired on this node?"""

from __future__ import annotations

from vsctl.agents import names, paths, resident, spawning
from vsctl.agents import system as os
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log

TERM, KILL = 15, 9
ENDING = 0.3
"""Share of the stop's time for a checker to end by itself, as much again to be ended, and for its last mount."""


def _yes(text: str) -> bool:
    if text not in ("", "yes"):
        raise ValueError("it is yes, or left out")
    return text == "yes"


class Repair(Agent):
    """Check and repair one filesystem of a virtual server while it is in quarantine

    It runs where the storage is reached, never while the filesystem is mounted
    anywhere, and begins anew elsewhere when its node dies. The checker is a
    process of its own with little weight: no action waits for it. What comes of
    it is written into the cluster's configuration, which ends the quarantine,
    or says what a person has to do; both stop this resource.
    """

    server = Param(names.known, "Name of the virtual server")
    filesystem = Param(names.known, "Name of the filesystem in the server: root, or another")
    device = Param(str, "Block device, by a name that is the same on every node")
    type = Param(str, "Type of the filesystem: ext4 and xfs can be repaired")
    mode = Param(
        str,
        "auto repairs, check replays the journal and looks, off does neither unless an operator asks for it",
        default="auto",
        reloadable=True,
    )
    keep_image = Param(
        _yes, "yes if the metadata are to be saved before a repair", default="", reloadable=True
    )

    @property
    def place(self) -> str:
        return paths.repair(self.server, self.filesystem)

    @property
    def process(self) -> int | None:
        return resident.living(f"{self.place}/process")

    @action("start", timeout=20)
    def start(self) -> None:
        from vsctl.agents import node

        if self.process is not None:
            return
        if self._left():
            raise Failure(f"{self._checker} that was begun before still lives: see {self._log}")
        self._clear()
        os.makedirs(self.place, mode=0o700, exist_ok=True)
        child = self._begin()
        # Written here, not by the child: a stop finds whatever was begun, however slow that is.
        node.write_lines(f"{self.place}/process", [resident.mark(child)])
        log(f"{self.filesystem} of {self.server} is being repaired by process {child}: see {self._log}")

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        """Leave a repair that has begun as it is: the next one heeds the change."""

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if self.process is not None:
            return
        if self._left():  # a checker that waits for its device may still write when it answers
            raise Failure(f"{self._checker} still lives, and what began it has ended: see {self._log}")
        if not os.path.exists(f"{self.place}/process") or self.probing:
            raise NotRunning(f"{self.filesystem} of {self.server} is not being repaired here")
        if os.path.exists(f"{self.place}/done"):
            return  # the cluster has heard of it, and will stop this
        from vsctl.agents import node

        said = node.read_lines(f"{self.place}/unreached") or ["it ended before its time"]
        raise Failure(f"the repair of {self.filesystem} is not finished: {said[0]}; see {self._log}")

    @action("stop", timeout=20)
    def stop(self) -> None:
        from vsctl.agents import mounts, node, processes, progress

        begun = bool(node.read_lines(f"{self.place}/process"))
        for signal in (TERM, KILL):
            if not processes.kill(self._left, signal, self.timeout * ENDING):
                break
        else:
            raise Failure(
                f"the repair of {self.filesystem} does not end: its storage does not answer; see {self._log}"
            )
        # The mount for an XFS's log ends with the process that made it, and a moment later.
        mounted = begun and self.type == "xfs"
        if mounted and not processes.until(
            lambda: not mounts.has_superblock(self.device), self.timeout * ENDING
        ):
            raise Failure(f"the kernel is not done with {self.device} yet, which was mounted for its log")
        if begun:
            progress.forget(f"repair-{self.server}.{self.filesystem}")
        self._clear()

    @property
    def _log(self) -> str:
        return paths.repair_log(self.server, self.filesystem)

    @property
    def _checker(self) -> str:
        return f"a repair of {self.filesystem} of {self.server}"

    def _left(self) -> list[int]:
        """Return what lives of the repair that was begun here last, its checkers included."""
        from vsctl.agents import node

        return _session(node.read_lines(f"{self.place}/process"))

    def _clear(self) -> None:
        for each in ("process", "done", "unreached"):
            try:
                os.unlink(f"{self.place}/{each}")
            except FileNotFoundError:
                pass
        for directory in (self.place, paths.REPAIRS):
            try:
                os.rmdir(directory)
            except OSError:  # another repair has its place there, or there is none
                return

    def _begin(self) -> int:
        """Begin the repair, with a log of its own; return its process id."""
        import json

        if os.path.exists(self._log):
            os.rename(self._log, f"{self._log}.1")
        task = {each.name: getattr(self, each.name) for each in self.params()}
        return spawning.start(
            "repairing", self._log, json.dumps(task), names.this_node(), environment=os.environ
        )


def _session(lines: list[str]) -> list[int]:
    """Return what lives of the session that a process has begun, of which a file says id and time of birth."""
    found = []
    for line in lines:
        leader, _, born = line.partition(" ")
        if resident.born(int(leader)) not in (born, None):
            continue  # a process of another session by now
        for each in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{each}/stat") as file:
                    state, _, _, session = file.read().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if session == leader and state not in "ZX":
                found.append(int(each))
    return found
