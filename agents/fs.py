"""Is the filesystem mounted here, healthy, and nowhere else?"""

from __future__ import annotations

from vsctl.agents import damage, mounts, names, paths
from vsctl.agents import system as os
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vsctl.agents.allowance import Allowance

STATE = ("nfs", "statd", "smb")
"""The directories of server state on the root filesystem, under `.vsctl`."""
PROBE = 2.0
"""Seconds for a device to open when it is only asked who holds it."""
PATIENCE = 0.4
"""Share of the start's time for storage to show what is on a device; the mount has what is left, but for"""
REPORTING = 0.2
"""the share that it takes to put a damaged filesystem into quarantine."""


class Damaged(Failure):
    """What a repair may mend, if it is not the storage that fails."""


class Fs(Agent):
    """Mount one filesystem of a virtual server

    The device must exist, hold the declared type of filesystem and be in use
    nowhere else, or the start is refused; nothing is ever formatted. A
    filesystem that has found damage in itself, has shut itself down, or cannot
    be mounted for what is on it is put into quarantine: the cluster stops it
    and lets it be repaired. Where its storage fails instead that is reported.
    Stop unmounts first; only if that says busy does it look for the users of
    the filesystem and end them, and it succeeds only once nothing holds the
    device any more. A filesystem that somebody has mounted elsewhere on the
    node is never reported as stopped, and left alone. Storage that does not
    answer makes start and stop fail in time, and they say so.
    """

    server = Param(names.known, "Name of the virtual server")
    filesystem = Param(names.known, "Name of the filesystem in the server: root, or another")
    device = Param(str, "Block device, best by a name that is the same on every node", unique=True)
    type = Param(str, "Type of the filesystem, such as ext4 or xfs")
    options = Param(str, "Mount options, separated by commas", default="")

    @property
    def point(self) -> str:
        return paths.mount_point(self.server, self.filesystem)

    @action("start", timeout=20)
    def start(self) -> None:
        from vsctl.agents.allowance import Allowance

        time_left = Allowance(self.timeout)
        try:
            if mounts.at(self.point) is None:
                self._refuse_what_is_not_ours(time_left.part(PATIENCE))
                mounts.share(paths.MOUNTS)
                _seal(self.point)
                self._mount(max(0.0, time_left.left - self.timeout * REPORTING))
            self._check()
            if self.filesystem == "root":
                self._make_state()
        except Damaged as damaged:
            unlike = self._report(damaged, time_left)
            raise Failure(f"{damaged}; {unlike or 'it is in quarantine now'}") from None

    @action("stop", timeout=20)
    def stop(self) -> None:
        from vsctl.agents import silence, unmounting
        from vsctl.agents.allowance import Allowance

        time_left = Allowance(self.timeout)
        if self._is_alive() and (why := silence.of_device(self.device)):
            raise Failure(f"{self.point} cannot be unmounted: {why}")
        device = None
        while mount := mounts.at(self.point):
            device = mount.device
            unmounting.unmount(self.point, mount, time_left)
        unmounting.release(self.device, device, time_left)

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if mounts.at(self.point) is None:
            if mounts.has_superblock(self.device) or (self.probing and self._is_being_mounted()):
                # Without a stop first, which ends that or says who has it, the next node would mount it as well.
                raise Failure(
                    f"nothing is mounted on {self.point}, but {self.device} is still in use on this node"
                    f"{self._elsewhere()}"
                )
            raise NotRunning(f"nothing is mounted on {self.point}")
        try:
            self._check()
        except Damaged as damaged:
            from vsctl.agents.allowance import Allowance

            # The check asks memory alone: all of the time is left.
            # Nothing is reported that the quarantine ends: each failure counts, and the third would move the server.
            if unlike := self._report(damaged, Allowance(self.timeout)):
                raise Failure(f"{damaged}; {unlike}") from None
            log(f"{damaged}: {self.filesystem} of {self.server} is in quarantine")

    def _report(self, damaged: Damaged, time_left: Allowance) -> str:
        return damage.report(self.server, self.filesystem, self.device, str(damaged), time_left)

    def _is_alive(self) -> bool:
        """Say whether the kernel has the filesystem, also where an unmount waits and nobody sees a mount any more."""
        return mounts.has_superblock(self.device) or mounts.at(self.point) is not None

    def _is_being_mounted(self) -> bool:
        """Say whether a mount that was killed is still waiting for storage in the kernel: nobody else holds the device.

        Storage that does not answer at all is believed: most nodes that have lost it never had it mounted.
        """
        from vsctl.agents import background, unmounting

        try:
            held = background.within(PROBE, lambda: "" if mounts.is_free(self.device) else "held")
            return bool(held) and not unmounting.is_others(self.device, mounts.number(self.device))
        except OSError:
            return False

    def _refuse_what_is_not_ours(self, limit: float) -> None:
        from vsctl.agents import background

        def look() -> str:
            found = mounts.type_of(self.device) or ""
            return f"{found} {mounts.is_free(self.device)}"

        try:
            number = mounts.number(self.device)
            found, _, said = background.within(limit, look).partition(" ")
        except TimeoutError:
            raise Failure(
                f"device {self.device} cannot be used here: it has not answered for {limit:g} s"
            ) from None
        except OSError as problem:
            raise Failure(f"device {self.device} cannot be used here: {problem.strerror}") from None
        free = said == str(True)
        for mount in mounts.table():
            if mount.device == number or (not free and mounts.on(mount, self.device)):
                raise Failure(f"{self.device} is already mounted, on {mount.point}: unmount it there")
        if not free:
            raise Failure(f"{self.device} is held by something else on this node: {_holder(number)}")
        if not mounts.matches(found, self.type):
            there = f"{found} is on it" if found else f"no {self.type} is on it"
            raise Failure(f"{self.device} should hold {self.type}, but {there}: it is left alone")

    def _mount(self, limit: float) -> None:
        from vsctl.agents import kernellog, programs

        log_of_kernel = kernellog.at_end()
        options = ("-o", self.options) if self.options else ()
        try:
            status, said = programs.ask(
                ["mount", "-t", self.type, *options, self.device, self.point], limit=limit
            )
        except TimeoutError:
            raise Failure(
                f"{self.device} is being mounted on {self.point} for {limit:.0f} s: its storage does not answer, "
                "or is very slow"
            ) from None
        if status != 0:
            words = f"{self.device} cannot be mounted on {self.point}: {said or f'mount exited {status}'}"
            is_damaged = damage.keeps_from_mounting(said, self.device, log_of_kernel)
            raise Damaged(words) if is_damaged else Failure(words)
        log(f"{self.device} is mounted on {self.point}")

    def _elsewhere(self) -> str:
        """Say, as the end of a sentence, where else the device is mounted, if that can be seen."""
        number = mounts.number(self.device)
        places = [mount.point for mount in mounts.table() if mount.device == number]
        return f": it is mounted on {places[0]}, unmount it there" if places else ""

    def _make_state(self) -> None:
        """Make the directories of the server's state, root's alone, and follow no link that a client left there."""
        here = os.open(self.point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            state = _private(".vsctl", here)
            for each in STATE:
                os.close(_private(each, state))
            os.close(state)
        except NotADirectoryError as problem:
            raise Failure(
                f"{self.point} has a link or a file named {problem.filename} in the place of a directory for the "
                "server's state: see who left it there, and move it away"
            ) from None
        except OSError as problem:
            words = f"{self.point} cannot keep the server's state: {problem.strerror}"
            raise Damaged(words) if problem.errno in damage.OF_DAMAGE else Failure(words) from None
        finally:
            os.close(here)

    def _check(self) -> None:
        """Raise Failure unless what is mounted is our device, of our type, and in good health: Damaged if it is not."""
        mount = mounts.at(self.point)
        if mount is None:
            raise Failure(f"{self.point} is not mounted")
        if not mounts.on(mount, self.device):
            raise Failure(f"{mount.source} is mounted on {self.point}, not {self.device}")
        if mount.type != self.type:
            raise Failure(f"{self.point} is {mount.type}, not {self.type}")
        if "shutdown" in mount.options:
            raise Damaged(f"{self.type} on {self.device} has shut itself down: it needs a repair")
        if errors := damage.noted(mount):
            raise Damaged(f"{self.device} needs a repair: {errors}")
        if "emergency_ro" in mount.options:
            if damage.stopped_by_storage(mount):
                raise Failure(f"{self.type} on {self.device} has stopped writing: its storage failed")
            raise Damaged(f"{self.type} on {self.device} has stopped writing: it needs a repair")
        if "ro" in mount.options and "ro" not in self.options.split(","):
            raise Failure(
                f"{self.point} has become read-only: {self.type} on {self.device} may need a repair"
            )
        try:
            # A shut down XFS looks healthy in mountinfo and answers statvfs.
            directory = os.open(self.point, os.O_RDONLY | os.O_DIRECTORY)
            sick = self.type == "xfs" and damage.is_sick(directory)
            os.close(directory)
            os.stat(self.point)
        except OSError as problem:
            words = f"{self.point} does not answer: {problem.strerror}"
            raise Damaged(words) if problem.errno in damage.OF_DAMAGE else Failure(words) from None
        if sick:
            raise Damaged(f"xfs on {self.device} has found parts of itself damaged: it needs a repair")


def _private(name: str, inside: int) -> int:
    """Open a directory that is nobody else's, made if it is missing; statd's is its own user's, who gives up root."""
    try:
        os.mkdir(name, 0o700, dir_fd=inside)
    except FileExistsError:
        pass
    directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=inside)
    os.fchmod(directory, 0o700)
    if name != "statd":
        os.fchown(directory, 0, 0)
    return directory


def _seal(point: str) -> None:
    """Make the mount point, immutable: nobody writes below it while nothing is mounted."""
    import fcntl

    get_flags, set_flags, immutable = 0x80086601, 0x40086602, 0x10
    os.makedirs(point, mode=0o755, exist_ok=True)
    descriptor = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = int.from_bytes(fcntl.ioctl(descriptor, get_flags, bytes(8))[:4], "little")
        fcntl.ioctl(descriptor, set_flags, (flags | immutable).to_bytes(8, "little"))
    except OSError:
        pass  # a filesystem without such flags; exports ask for the mount themselves
    finally:
        os.close(descriptor)


def _holder(number: int) -> str:
    made = " ".join(mounts.made_of(number))
    return made or "another mount namespace, or a program that checks or repairs it"
