"""Who may log on to a virtual server by SMB?

The server's own users and groups: passwd and group files on its root
filesystem, with ids of their own range that never change, and passwords in
its own `tdbsam`. Nothing of the node's accounts is known to it. All of this
works on the node where the server's root filesystem is mounted.
"""

from __future__ import annotations

from vsctl.agents import fragments, paths, processes, samba
from vsctl.agents import system as os
from vsctl.agents.ocf import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST, LAST = 200000, 299999
"""Ids of the accounts of virtual servers, apart from any a node gives."""

PATIENCE = 15.0
"""Seconds that Samba's own programs may take: the root filesystem may hang."""

_BASE = {
    "passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
}


class Refused(Exception):  # noqa: N818 - says what was refused, to the operator
    """An account that cannot be added, changed or removed, in one sentence."""


class Account:
    """One SMB user of a server and the groups it is in."""

    __slots__ = ("groups", "id", "name")

    def __init__(self, name: str, id: int, groups: tuple[str, ...]) -> None:
        self.name = name
        self.id = id
        self.groups = groups


def prepare(server: str) -> None:
    """Make a server's passwd and group files, or finish a change that was interrupted."""
    with _lock(server):
        _prepare(server)


def _prepare(server: str) -> None:
    for name, text in _BASE.items():
        path = _file(server, name)
        if os.path.exists(f"{path}.new"):
            with open(f"{path}.new") as file:
                _write(path, file.read())
        elif not os.path.exists(path):
            _write(path, text)


def list_(server: str) -> tuple[Account, ...]:
    """Return a server's SMB users, in the order they were added."""
    groups = _read(server, "group")
    return tuple(
        Account(
            name, int(fields[1]), tuple(group for group, rest in groups.items() if name in rest[2].split(","))
        )
        for name, fields in _read(server, "passwd").items()
        if FIRST <= int(fields[1]) <= LAST
    )


def add(server: str, name: str, groups: Sequence[str], password: str) -> None:
    """Add an SMB user, or give one that is there other groups and another password."""
    refuse_names(name, *groups)
    if not password or "\n" in password:
        raise Refused(f"the password of {name} is empty or has more than one line")
    with _lock(server):
        _prepare(server)
        users, known = _read(server, "passwd"), _read(server, "group")
        for group in (name, *groups):
            if group not in known:
                known[group] = ["x", str(_free(server, users, known)), ""]
        if name not in users:
            number = known[name][1]
            users[name] = ["x", number, number, "", "/nonexistent", "/usr/sbin/nologin"]
        for group, rest in known.items():
            members = [each for each in rest[2].split(",") if each and each != name]
            rest[2] = ",".join([*members, name] if group in groups else members)
        _replace(server, "group", known)
        _replace(server, "passwd", users)
        _samba(
            server, ["smbpasswd", "-c", samba.configuration(server), "-s", "-a", name], f"{password}\n" * 2
        )


def remove(server: str, name: str) -> None:
    """Remove an SMB user; its id is not given to another as long as its group file keeps it."""
    with _lock(server):
        _prepare(server)
        users, known = _read(server, "passwd"), _read(server, "group")
        if name not in users or not FIRST <= int(users[name][1]) <= LAST:
            raise Refused(f"{server} has no SMB user {name}")
        _samba(
            server,
            ["pdbedit", "-s", samba.configuration(server), "-x", "-u", name],
            "",
            missing="No such user",
        )
        del users[name]
        for rest in known.values():
            rest[2] = ",".join(each for each in rest[2].split(",") if each != name)
        _replace(server, "passwd", users)
        _replace(server, "group", known)


def _samba(server: str, command: list[str], stdin: str, missing: str | None = None) -> None:
    if not os.path.exists(samba.configuration(server)):
        raise Refused(f"the SMB server of {server} has not been started on this node")
    try:
        status, said = processes.run(server, command, binds=samba.binds(server), stdin=stdin, limit=PATIENCE)
    except OSError as problem:
        raise Refused(str(problem)) from None
    if status != 0 and not (missing and missing in said):
        raise Refused(f"{command[0]} of {server} refuses: {said}")


def refuse_names(*names: str) -> None:
    """Refuse what can be the name of no user and no group, as a user is a group as well."""
    for each in names:
        plain = each.replace("-", "").replace("_", "").replace(".", "")
        if not (plain.isascii() and plain.isalnum() and each[0].isalpha() and len(each) <= 32):
            raise Refused(
                f"{each!r} cannot be the name of an account: letters, digits, - _ . and 32 of them at most"
            )
        if any(each == line.partition(":")[0] for text in _BASE.values() for line in text.splitlines()):
            raise Refused(f"{each} belongs to the system: choose another name")


def _free(server: str, users: dict[str, list[str]], groups: dict[str, list[str]]) -> int:
    """Return the next id; removed users keep theirs through their group, so it is given only once."""
    used = {int(rest[1]) for rest in (*users.values(), *groups.values())}
    number = max((each for each in used if FIRST <= each <= LAST), default=FIRST - 1) + 1
    if number > LAST:
        raise Refused(f"{server} has no free id left below {LAST}")
    return number


def _read(server: str, name: str) -> dict[str, list[str]]:
    """Return a file's lines as {name: the other fields}."""
    if not os.path.isdir(samba.state(server)):
        raise Refused(f"the root filesystem of {server} is not mounted on this node")
    try:
        with open(_file(server, name)) as file:
            lines = [line.rstrip("\n").split(":") for line in file if ":" in line]
    except FileNotFoundError:
        lines = []
    return {first: rest for first, *rest in lines}


def _replace(server: str, name: str, entries: dict[str, list[str]]) -> None:
    _write(_file(server, name), "".join(":".join((first, *rest)) + "\n" for first, rest in entries.items()))


def _write(path: str, text: str) -> None:
    """Write in place: daemons have the file itself bound over their own. A crash half-way is finished later."""
    with open(f"{path}.part", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.part", f"{path}.new")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, text.encode())
        os.truncate(descriptor, len(text.encode()))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.unlink(f"{path}.new")


def _file(server: str, name: str) -> str:
    return f"{samba.state(server)}/{name}"


class _lock(fragments.Lock):  # noqa: N801 - reads as a word: `with _lock(server):`
    """Let one change at a time into a server's accounts."""

    def __init__(self, server: str) -> None:
        if not os.path.isdir(paths.run(server)):
            raise Refused(f"{server} does not run on this node")
        super().__init__(f"{paths.run(server)}/accounts.lock")

    def __enter__(self) -> None:
        try:
            super().__enter__()
        except Failure as problem:
            raise Refused(str(problem)) from None
