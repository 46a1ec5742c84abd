"""How does a daemon serve one very directory, whatever clients do to the way there?

Each directory is opened once, link by link, and bound to a place of its own in
the daemon's view, `/srv/vsctl/_served/`, where no client has any say. Clients
that may write above it can rename it, or put a link in its place: the daemon
goes on with the directory that it was given. These mounts are in the daemon's
mount namespace only. They end with it, or before their filesystem is unmounted.

Where a directory has gone is read from the kernel's table of mounts: storage
that hangs is not asked.
"""

from __future__ import annotations

from vsctl.agents import mounts, names, paths
from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_DELETED = "//deleted"


class Graft:
    """One directory as a daemon is shown it.

    `now` is the path that it has on its filesystem today, None if it was deleted.
    """

    __slots__ = ("device", "now", "point")

    def __init__(self, mount: mounts.Mount, top: str) -> None:
        self.point = mount.point
        self.device = mount.device
        gone = mount.root.endswith(_DELETED)
        self.now = None if gone else mount.root.removeprefix(top.rstrip("/")) or "/"


class View:
    """What a daemon sees of one filesystem, read from the kernel when it is made.

    `device` is the number of the filesystem, None if the daemon does not see it
    mounted. `grafts` are the directories that the daemon was given, by their points.
    """

    def __init__(self, process: int | str, server: str, filesystem: str) -> None:
        try:
            table = mounts.table(str(process))
        except OSError:  # it has just ended
            table = []
        point = paths.mount_point(server, filesystem)
        whole = [each for each in table if each.point == point][-1:]
        self.device = whole[0].device if whole else None
        top = whole[0].root if whole else "/"
        ours = f"{paths.SERVED}/{filesystem}."
        self.grafts = {each.point: Graft(each, top) for each in table if each.point.startswith(ours)}


def place(filesystem: str, path: str) -> str:
    """Return where daemons are shown a directory of a filesystem."""
    return f"{paths.SERVED}/{filesystem}.{names.number(path):016x}"


def show(process: int, server: str, filesystem: str, wanted: Collection[str], limit: float) -> dict[str, int]:
    """Give a daemon these directories of a filesystem; return the inode number of each.

    One that it has already is left as it is, wherever clients moved it, unless
    it was deleted. Failure if one cannot be served, TimeoutError if storage does not answer.
    """
    from vsctl.agents import places

    def graft() -> str:
        view = View("self", server, filesystem)
        found = []
        for path in wanted:
            point = place(filesystem, path)
            there = view.grafts.get(point)
            if there and there.now is not None and there.device == view.device:
                found.append(str(os.stat(point).st_ino))
                continue
            _take_away(point)
            descriptor = places.opened(server, filesystem, path)
            _bind(descriptor, point)
            found.append(str(os.fstat(descriptor).st_ino))
            os.close(descriptor)
        return " ".join(found)

    said = _in_view_of(process, graft, limit)
    return dict(zip(wanted, map(int, said.split()), strict=True))


def hide(process: int, points: Collection[str], limit: float) -> None:
    """Take directories away from a daemon, which may have them in use; those that are gone are gone."""

    def prune() -> str:
        for each in points:
            _take_away(each)
        return ""

    if points:
        _in_view_of(process, prune, limit)


def _bind(descriptor: int, point: str) -> None:
    from vsctl.agents import kernel

    os.makedirs(point, mode=0o755)
    kernel.mount(f"/proc/self/fd/{descriptor}", point, flags=kernel.MS_BIND)


def _take_away(point: str) -> None:
    from vsctl.agents import kernel

    while any(each.point == point for each in mounts.table()):
        kernel.umount(point, kernel.MNT_DETACH)
    try:
        os.rmdir(point)
    except FileNotFoundError:
        pass


def _in_view_of(process: int, act: Callable[[], str], limit: float) -> str:
    """Return what `act` returns in the mount namespace of a process; Failure says what it could not do."""
    from vsctl.agents import background, kernel
    from vsctl.agents.ocf import Failure

    def enter_and_act() -> str:
        try:
            view = os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY)
            kernel.setns(view, kernel.CLONE_NEWNS)
            return f"+{act()}"
        except Failure as failure:
            return f"-{failure}"

    said = background.within(limit, enter_and_act)
    if said.startswith("-"):
        raise Failure(said[1:])
    return said[1:]
