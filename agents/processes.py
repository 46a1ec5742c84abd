"""How does a daemon come to live in a virtual server, and how does it end?

A daemon runs in the server's network namespace and in a view of its own: the
node's mounts as they come and go but for the filesystems of other servers,
the server's own /run, and whatever files it is given in place of the node's. Its processes are those with its name in
that network namespace, whoever their parents are.
"""

from __future__ import annotations

import time

from vsctl.agents import paths, resident
from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Binds = Sequence[tuple[str, str]]

DESCRIPTORS = 65536
BEGINNING = 10.0
"""Seconds for a daemon to get its view and to begin, of which some is read from its server's storage."""
SIGKILL = 9


def start(
    server: str, name: str, arguments: Sequence[str], limit: float = BEGINNING, *, binds: Binds = ()
) -> int:
    """Start a daemon that stays in the foreground; return its process id.

    What it says goes to `<name>.out` among the server's logs. `binds` are
    (source, target): files to show it in place of its node's. OSError, with
    the reason, if it does not come to that within `limit` seconds.
    """
    os.makedirs(paths.logs(server), mode=0o750, exist_ok=True)
    out = os.open(f"{paths.logs(server)}/{name}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    nothing = os.open("/dev/null", os.O_RDONLY)
    process = _in_view(server, arguments, binds, (nothing, out, out), limit, daemon=True)
    os.close(out)
    os.close(nothing)
    with open(_pid_file(server, name), "w") as file:
        file.write(resident.mark(process))
    return process


def run(
    server: str, arguments: Sequence[str], *, binds: Binds = (), stdin: str = "", limit: float | None = None
) -> tuple[int, str]:
    """Run a command in a server's view to its end; return its exit status and what it said.

    TimeoutError if that takes more than `limit` seconds; None waits for ever.
    """
    from vsctl.agents import programs

    return programs.finish(
        arguments[0],
        lambda files: _in_view(server, arguments, binds, files, limit, daemon=False),
        stdin,
        limit,
    )


def running(server: str, name: str) -> int | None:
    """Return the process id of a daemon that `start` started, None if it lives no more."""
    try:
        with open(_pid_file(server, name)) as file:
            process, born = file.read().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(process) if resident.born(int(process)) == born else None


def named(server: str, *names: str) -> list[int]:
    """Return the processes in a server's network namespace whose names begin so."""
    try:
        home = f"net:[{os.stat(paths.namespace(server)).st_ino}]"
    except FileNotFoundError:
        return []
    found = []
    for process in _all():
        try:
            if os.readlink(f"/proc/{process}/ns/net") == home and _name(process).startswith(names):
                found.append(process)
        except OSError:
            continue  # it ended while we looked
    return found


def kill(find: Callable[[], list[int]], signal: int, patience: float) -> list[int]:
    """Send a signal to what `find` finds until it finds nothing; return what is left after `patience` seconds."""
    end = time.monotonic() + patience
    signalled: set[int] = set()
    while (left := find()) and time.monotonic() < end:
        for process in left:
            if process not in signalled:
                signalled.add(process)
                try:
                    os.kill(process, signal)
                except ProcessLookupError:
                    continue
        _await_end(left, end)
    return left


def until(condition: Callable[[], bool], patience: float) -> bool:
    """Ask a condition, often at first, until it holds; False when patience runs out."""
    end = time.monotonic() + patience
    pause = 0.002
    while not condition():
        if time.monotonic() + pause > end:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True


def describe(processes: Iterable[int]) -> str:
    """Name processes for a sentence: `bash (4711), vi (4712)`."""
    words = []
    for process in processes:
        try:
            words.append(f"{_name(process)} ({process})")
        except OSError:
            continue
    return ", ".join(words)


def _in_view(
    server: str,
    arguments: Sequence[str],
    binds: Binds,
    files: tuple[int, int, int],
    limit: float | None,
    *,
    daemon: bool,
) -> int:
    """Fork into the view and exec; OSError with the reason if it does not come to that within some seconds."""
    import select

    from vsctl.agents import mounts

    inner = f"{paths.daemons_run(server)}/vsctl/{server}"
    os.makedirs(inner, mode=0o755, exist_ok=True)
    os.makedirs(f"{paths.MOUNTS}/{server}", mode=0o755, exist_ok=True)
    _show_resolver(paths.daemons_run(server))
    os.chmod(paths.run(server), 0o700)
    mounts.share(paths.MOUNTS)
    reason, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _become(server, inner, binds)
            if daemon:
                _detach()
            for number, file in enumerate(files):
                os.dup2(file, number)
            os.execvpe(arguments[0], list(arguments), _environment())
        except BaseException as problem:
            os.write(tell, str(problem).encode())
        finally:
            os._exit(127)
    os.close(tell)
    try:
        if not select.select([reason], [], [], limit)[0]:
            os.kill(child, SIGKILL)
            raise TimeoutError(
                f"{arguments[0]} did not begin within {limit:g} s: its storage does not answer"
            )
        words = os.read(reason, 4096).decode()  # nothing comes, and the end, once it runs
    finally:
        os.close(reason)
    if words:
        os.waitpid(child, 0)
        raise OSError(f"{arguments[0]} could not be started: {words}")
    return child


def _show_resolver(view: str, configuration: str = "/etc/resolv.conf") -> None:
    """Let a view whose /run is another one find name servers, where the node's list of them is below /run.

    systemd-resolved's own address answers only on the node; beside it is the list of the servers it asks.
    """
    place = os.path.realpath(configuration)
    if not place.startswith("/run/"):
        return
    upstream = f"{os.path.dirname(place)}/resolv.conf"
    try:
        with open(upstream if os.path.exists(upstream) else place) as file:
            text = file.read()
        seen = f"{view}/{place.removeprefix('/run/')}"
        os.makedirs(os.path.dirname(seen), mode=0o755, exist_ok=True)
        with open(seen, "w") as file:
            file.write(text)
    except OSError:
        return  # names of hosts stay unknown, which Ganesha says itself


def _become(server: str, inner: str, binds: Binds) -> None:
    from vsctl.agents import kernel, namespaces

    namespaces.enter(server)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("", "/", flags=kernel.MS_SLAVE | kernel.MS_REC)
    _hide_other_servers(server, inner)
    # The server's directory keeps its name in the view, where /run is another one.
    kernel.mount(paths.run(server), inner, flags=kernel.MS_BIND)
    kernel.mount(paths.daemons_run(server), "/run", flags=kernel.MS_BIND | kernel.MS_REC)
    for source, target in binds:
        kernel.mount(source, target, flags=kernel.MS_BIND)


def _hide_other_servers(server: str, aside: str) -> None:
    """Let the view have the filesystems of this server only, those that are still to come included.

    A client can put a symbolic link in the place of a directory that is
    shared; daemons that follow it must not arrive at another server's files.
    """
    from vsctl.agents import kernel

    own = f"{paths.MOUNTS}/{server}"
    kernel.mount(own, aside, flags=kernel.MS_BIND | kernel.MS_REC)
    kernel.umount(paths.MOUNTS, kernel.MNT_DETACH)
    kernel.mount("none", paths.MOUNTS, "tmpfs", data="mode=755")
    os.mkdir(own)
    kernel.mount(aside, own, flags=kernel.MS_MOVE)


def _detach() -> None:
    """Leave the action's session and its limits: Pacemaker kills what an action leaves in its group."""
    import resource

    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, max(hard, DESCRIPTORS)))
    except (OSError, ValueError):  # not ours to raise, in a container for one
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}


def _await_end(processes: list[int], end: float) -> None:
    """Return when all of the processes have ended, or at `end`.

    One that is dying gives up its namespaces first, and is not found by them any more: with a view of its own
    that takes a while, and holds what is mounted there.
    """
    import select

    for process in processes:
        try:
            descriptor = os.pidfd_open(process)
        except OSError:
            continue  # gone already
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(max(0, int((end - time.monotonic()) * 1000)))
        os.close(descriptor)


def _all() -> Iterator[int]:
    return (int(each) for each in os.listdir("/proc") if each.isdigit())


def _name(process: int) -> str:
    with open(f"/proc/{process}/comm") as file:
        return file.read().rstrip("\n")


def _pid_file(server: str, name: str) -> str:
    return f"{paths.run(server)}/{name}.pid"
