"""How does a process get into the network namespace of a virtual server?"""

from __future__ import annotations

from vsctl.agents import kernel, paths
from vsctl.agents import system as os
from vsctl.agents.ocf import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


class Gone(Failure, FileNotFoundError):  # noqa: N818 - like all outcomes
    """The namespace is not there, or not any more: an outcome of whoever looked for it and then went in."""

    def __str__(self) -> str:
        return str(self.strerror)


class inside:  # noqa: N801 - reads as a word: `with inside("vs1"):`
    """Put this process into a server's network namespace for the length of a `with`.

    Sockets opened inside stay there afterwards. Raises Gone if the namespace
    does not exist.
    """

    def __init__(self, server: str) -> None:
        self.server = server

    def __enter__(self) -> None:
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            enter(self.server)
        except OSError:
            os.close(self.home)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kernel.setns(self.home, kernel.CLONE_NEWNET)
        os.close(self.home)


def enter(server: str) -> None:
    """Put this process into a server's network namespace for good."""
    try:
        there = os.open(paths.namespace(server), os.O_RDONLY)
        try:
            kernel.setns(there, kernel.CLONE_NEWNET)
        finally:
            os.close(there)
    except OSError as problem:
        if exists(server):
            raise
        raise Gone(problem.errno, f"the network namespace {server} does not exist on this node") from None


def exists(server: str) -> bool:
    """Say whether the namespace is there and alive, not only the file that would pin it."""
    try:
        return os.stat(paths.namespace(server)).st_dev != os.stat(paths.NAMESPACES).st_dev
    except FileNotFoundError:
        return False


def create(server: str) -> None:
    """Make and pin the namespace; one that is there already is left as it is.

    The pin is what `ip netns add` would make, so `ip netns exec` works.
    """
    from vsctl.agents import mounts, node

    mounts.share(paths.NAMESPACES)  # so that pins appear in every mount namespace
    with node.locked():
        if not exists(server):
            os.close(os.open(paths.namespace(server), os.O_RDONLY | os.O_CREAT, 0o444))
            _pin(paths.namespace(server))


def _pin(path: str) -> None:
    """Make a network namespace that lives as long as a file."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        kernel.unshare(kernel.CLONE_NEWNET)
        try:
            kernel.mount("/proc/self/ns/net", path, flags=kernel.MS_BIND)
        finally:
            kernel.setns(home, kernel.CLONE_NEWNET)
    finally:
        os.close(home)


def remove(server: str) -> None:
    """Unpin the namespace; it ends with the last process in it. One that is gone is gone."""
    try:
        while exists(server):
            kernel.umount(paths.namespace(server), kernel.MNT_DETACH)
        os.unlink(paths.namespace(server))
    except FileNotFoundError:
        pass


def processes(server: str) -> list[int]:
    """Return the ids of all processes in the namespace, but not of this one."""
    try:
        there = f"net:[{os.stat(paths.namespace(server)).st_ino}]"
    except FileNotFoundError:
        return []
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                if os.readlink(f"/proc/{name}/ns/net") == there:
                    found.append(int(name))
            except OSError:  # it has ended meanwhile, or is ending
                continue
    return found
