"""How do directories of one filesystem come to be served, and stop being served?

What exports and shares have in common: a daemon of the virtual server that
reads its configuration anew when told to, a fragment of that configuration for
each filesystem, and directories that clients must not be able to exchange
(`grafts`).

A daemon that is dead or does not answer is the business of its own resource,
whose recovery includes this one. Start and monitor leave it to that: a start
that failed would send the whole server away, and nothing is wrong with it.
"""

from __future__ import annotations

import time

from vsctl.agents import fragments, grafts, names, paths, processes
from vsctl.agents import system as os
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log, words
from vsctl.agents.ports import IMPATIENCE, PATIENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

SIGKILL = 9

SHORT, LONG = 0.15, 0.3
"""Shares of the action's time, for one step of many and for the one that is waited for."""


class Part:
    """One entry as a daemon is told of it: by its name, with the directory's path on the filesystem."""

    __slots__ = ("name", "path", "text")

    def __init__(self, name: str, path: str, text: str) -> None:
        self.name = name
        self.path = path
        self.text = text


class Served(Agent):
    """The base of `exports` and `shares`."""

    server = Param(names.known, "Name of the virtual server")
    filesystem = Param(names.known, "Name of the filesystem in the server")

    PROTOCOL = ""
    DAEMON = ""
    """The name under which the daemon was started."""
    PROCESSES = ""
    """How the names of its processes begin."""

    @property
    def parts(self) -> Sequence[Part]:
        """What is to be served."""
        raise NotImplementedError

    @property
    def whole(self) -> str:
        """The configuration that the fragments of all filesystems make, without `.conf`."""
        raise NotImplementedError

    def reread(self, process: int) -> None:
        """Have the daemon read its configuration anew."""
        raise NotImplementedError

    def withdraw(self, process: int, names: Collection[str]) -> None:
        """Have the daemon read its configuration, and end what it still does with entries that are no longer in it."""
        raise NotImplementedError

    def problem(self, inodes: dict[str, int], patience: float) -> str | None:
        """Name the first entry that clients cannot use; OSError if the daemon does not answer in time.

        `inodes` are the directories that were given to the daemon, by the names of their entries.
        """
        raise NotImplementedError

    def answers(self, patience: float) -> bool:
        """Say whether the daemon answers anything at all."""
        raise NotImplementedError

    def before_stop(self) -> None:
        """Do what has to be done while everything is still served."""

    def after_start(self) -> None:
        """Do what has to be done when everything is served."""

    @action("start", timeout=20)
    def start(self) -> None:
        if not os.path.isdir(f"{self.whole}.d"):
            raise Failure(f"{self._daemon} has not been started on this node")
        process = self.process
        texts = self._prepare(process) if process else None
        if process is None or texts is None:
            fragments.publish(self.whole, self.filesystem, "")
            log(f"{self._daemon} does not run: its own recovery brings what it serves of {self.filesystem}")
            return
        gone = self._published() - texts.keys()
        if gone:
            # A daemon cannot turn one entry into another: what goes is gone before anything comes.
            stay = {each: text for each, text in texts.items() if each in self._published()}
            self._publish(stay | dict.fromkeys(gone, ""))
            self.withdraw(process, [_name(each) for each in gone])
        self._publish(texts)
        self.reread(process)
        if self._await_service():
            self.after_start()

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self.start()

    @action("stop", timeout=20)
    def stop(self) -> None:
        from vsctl.agents import silence

        end = time.monotonic() + self.timeout * (1 - 2 * SHORT)
        process = self.process
        if process is not None and (self._is_wanted() or self._view(process).grafts):
            if why := silence.of_server(self.server, "root", self.filesystem):
                raise Failure(f"{self._daemon} cannot let go of {self.filesystem}: {why}")
            self.before_stop()
            known = self._published()
            self._publish(dict.fromkeys(known, ""))
            if self.answers(IMPATIENCE):
                self.withdraw(process, [_name(each) for each in known])
                if not processes.until(lambda: not self._users(), end - time.monotonic()):
                    self._end(self._users(), f"does not let go of {self.filesystem}")
            else:
                self._end(processes.named(self.server, self.PROCESSES), "does not answer")
            self._hide()
        fragments.forget(self.whole, self.filesystem)

    @action("monitor", timeout=20, interval=20)
    def monitor(self) -> None:
        if not self._is_wanted():
            raise NotRunning(
                f"nothing of filesystem {self.filesystem} of {self.server} is served by {self.PROTOCOL}"
            )
        process = self.process
        if process is None:
            if self.probing:
                raise NotRunning(f"{self._daemon} does not run")
            return  # its own monitor says so, and its recovery includes this; alone, a start here could do nothing
        view = self._view(process)
        if view.device is None:
            raise Failure(f"filesystem {self.filesystem} of {self.server} is not mounted")
        try:
            problem = self.problem(self._inodes(), PATIENCE)
        except OSError as silence:
            if self.answers(IMPATIENCE):
                raise Failure(
                    f"what it serves of {self.filesystem} does not answer: {words(silence)}"
                ) from None
            log(f"{self._daemon} does not answer: its own monitor says so, and its recovery includes this")
            return
        if problem:
            raise Failure(problem)
        if not self.probing:
            self._look_after(view)

    def place(self, path: str) -> str:
        """Return where the daemon finds a directory of the filesystem."""
        return grafts.place(self.filesystem, path)

    @property
    def process(self) -> int | None:
        return processes.running(self.server, self.DAEMON)

    @property
    def _daemon(self) -> str:
        return f"the {self.PROTOCOL} server of {self.server}"

    def _view(self, process: int) -> grafts.View:
        return grafts.View(process, self.server, self.filesystem)

    def _is_wanted(self) -> bool:
        return os.path.exists(fragments.path(self.whole, self.filesystem))

    def _published(self) -> set[str]:
        """Return what is served of this filesystem, also what an interrupted action was about to withdraw.

        An entry is known by the inode of its directory and its name: that is what clients hold on to.
        """
        from vsctl.agents import files

        lines = files.read(fragments.path(self.whole, self.filesystem)).split("\n")
        return {line[2:] for line in lines if line.startswith("# ")}

    def _inodes(self) -> dict[str, int]:
        return {_name(each): int(each.partition(" ")[0]) for each in self._published()}

    def _publish(self, texts: dict[str, str]) -> None:
        whole = "".join(f"# {identity}\n{text}" for identity, text in texts.items())
        fragments.publish(self.whole, self.filesystem, whole)

    def _prepare(self, process: int) -> dict[str, str] | None:
        """Show the daemon the directories; return the configuration of each entry, None if it has ended."""
        wanted = list(dict.fromkeys(each.path for each in self.parts))
        try:
            inodes = grafts.show(process, self.server, self.filesystem, wanted, self.timeout * SHORT)
        except OSError as problem:
            if self.process is None:
                return None
            raise Failure(
                f"the directories of {self.filesystem} cannot be shown to {self._daemon}: {words(problem)}"
            ) from None
        return {f"{inodes[each.path]} {each.name}": each.text for each in self.parts}

    def _hide(self) -> None:
        """Take from the daemon all that it was shown of this filesystem.

        Never less, while it serves any of it: Ganesha asks by the first path how much room there is.
        """
        process = self.process
        if process is None:
            return  # with the daemon its view has ended
        try:
            grafts.hide(process, self._view(process).grafts, self.timeout * SHORT)
        except OSError as problem:
            log(f"{self._daemon} still sees a directory of {self.filesystem}: {words(problem)}")

    def _await_service(self) -> bool:
        """Wait until all is served and say so; False if the daemon itself does not answer."""
        inodes = self._inodes()
        last = ""

        def served() -> bool:
            nonlocal last
            try:
                last = self.problem(inodes, IMPATIENCE) or ""
            except OSError as silence:
                last = words(silence)
            return not last

        if processes.until(served, self.timeout * LONG):
            return True
        if self.process is not None and self.answers(IMPATIENCE):
            raise Failure(f"{self._daemon} does not serve it: {last}: {paths.logs(self.server)} says why")
        log(f"{self._daemon} does not answer: its own recovery brings what it serves of {self.filesystem}")
        return False

    def _users(self) -> list[int]:
        """Return the daemon's processes that have the filesystem in use."""
        from vsctl.agents import holders, mounts

        mount = mounts.at(paths.mount_point(self.server, self.filesystem))
        if mount is None or self.filesystem == "root":
            return []  # the state of the daemon itself is on root, which is unmounted after the daemon has ended
        return holders.among(processes.named(self.server, self.PROCESSES), mount.device)

    def _end(self, users: list[int], why: str) -> None:
        log(
            f"{processes.describe(users)} of {self.server} {why}: it is killed, and comes back where it has to"
        )
        left = processes.kill(lambda: [each for each in users if _lives(each)], SIGKILL, self.timeout * SHORT)
        if left:
            raise Failure(f"{processes.describe(left)} did not end after SIGKILL: it waits for a device")

    def _look_after(self, view: grafts.View) -> None:
        """Say which directories clients have moved, and make those anew that they have removed."""
        for each in self.parts:
            graft = view.grafts.get(self.place(each.path))
            if graft is None or graft.device != view.device:
                raise Failure(f"{self._daemon} does not see {each.path} of {self.filesystem}")
            if graft.now is None:
                log(f"{each.path} of {self.filesystem} was removed by somebody: it is made anew")
                return self.start()
            if graft.now != each.path:
                log(
                    f"{each.path} of {self.filesystem} was moved to {graft.now} by somebody: it is served from there"
                    f" until {self._daemon} starts again; move it back"
                )
        return None


def _name(identity: str) -> str:
    return identity.partition(" ")[2]


def _lives(process: int) -> bool:
    from vsctl.agents import resident

    return resident.born(process) is not None
