"""Where on its filesystem is the directory of an export or share?

On its own mounted filesystem and nowhere else: no symbolic link is followed,
as clients can write them, and no other mount is entered.
"""

from __future__ import annotations

from vsctl.agents import mounts, paths
from vsctl.agents import system as os
from vsctl.agents.ocf import Failure


def opened(server: str, filesystem: str, path: str) -> int:
    """Open the directory; what is missing of it is made once, mode 1777.

    A descriptor, not a path: what a client puts in its place later leads
    nowhere. Failure if the filesystem is not mounted or the path leads off it.
    """
    point = paths.mount_point(server, filesystem)
    if mounts.at(point) is None:
        raise Failure(f"{path} is not served: filesystem {filesystem} of {server} is not mounted on {point}")
    parts = [part for part in path.split("/") if part]
    if filesystem == "root" and parts[:1] in ([], [".vsctl"]):
        raise Failure(f"{path} of the root filesystem is not served: the state of {server} is there")
    before = os.umask(0)
    try:
        return _walk(point, parts, path)
    except OSError as problem:
        raise Failure(f"{path} on {point} cannot be served: {problem.strerror}") from None
    finally:
        os.umask(before)


def _walk(point: str, parts: list[str], path: str) -> int:
    """Go down one directory at a time, making those that are missing."""
    here = os.open(point, os.O_RDONLY | os.O_DIRECTORY)
    device = os.fstat(here).st_dev
    try:
        for part in parts:
            try:
                os.mkdir(part, 0o1777, dir_fd=here)
            except FileExistsError:
                pass
            try:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            except NotADirectoryError:
                raise Failure(
                    f"{path} on {point} is not served: {part} is no directory but a file or link"
                ) from None
            os.close(here)
            here = below
            if os.fstat(here).st_dev != device:
                raise Failure(f"{path} on {point} is not served: {part} is on another filesystem")
    except BaseException:
        os.close(here)
        raise
    return here
