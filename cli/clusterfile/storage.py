"""Do the filesystems and what is exported of them stay out of each other's way?"""

from __future__ import annotations

from collections.abc import Iterator

from vsctl.cli.clusterfile.draft import Directory, Draft
from vsctl.cli.clusterfile.shapes import Entry
from vsctl.cli.nearest import listed
from vsctl.cli.problems import Problem
from vsctl.policy import exportid
from vsctl.policy.model import ROOT
from vsctl.policy.naming import STATE, seen_as


def roots_are_there(draft: Draft) -> Iterator[Problem]:
    """Find virtual servers without the filesystem that keeps their own state."""
    for server, entry in draft.servers.items():
        filesystems = entry.get("filesystems")
        if filesystems is None or filesystems.incomplete:
            continue
        root = filesystems.get(ROOT)
        if root is None:
            yield entry.problem(
                f"{server} has no filesystem {ROOT}, which also keeps its server state: add one or rename one"
            )
            continue
        for option in root.all("options"):
            if option.value == "ro":
                yield option.problem(
                    f"{server}/{ROOT} is mounted read-only, and {server} keeps its state there: leave ro out"
                )


def devices_differ(draft: Draft) -> Iterator[Problem]:
    """Find devices that two filesystems claim."""
    first: dict[str, str] = {}
    for server, entry in draft.servers.items():
        for name, filesystem in entry.each("filesystems"):
            device = filesystem.get("device")
            if device is None:
                continue
            here = f"{server}/{name}"
            if device.value in first:
                yield device.problem(
                    f"{here} is on {device.value}, which {first[device.value]} is on as well: "
                    "every filesystem needs a device of its own"
                )
            first.setdefault(device.value, here)


def read_only_exports(draft: Draft) -> Iterator[Problem]:
    """Note filesystems that are mounted read-only, and exported as if clients could write."""
    for server, entry in draft.servers.items():
        writable: dict[str, list[str]] = {}
        for each in draft.exports(server):
            if any(access.value == "rw" for _, access in each.entry.each("clients")):
                writable.setdefault(each.filesystem, []).append(each.path or "")
        for each in draft.shares(server):
            if each.entry.plain("access", "rw") == "rw":
                writable.setdefault(each.filesystem, []).append(str(each.entry.plain("share", "")))
        for name, filesystem in entry.each("filesystems"):
            for option in filesystem.all("options"):
                if option.value == "ro" and name != ROOT and name in writable:
                    yield option.note(
                        f"{server}/{name} is mounted read-only, so nobody can write to "
                        f"{listed(writable[name], 'and')}, though rw is said there"
                    )


def options_differ(draft: Draft) -> Iterator[Problem]:
    """Find mount options that are there twice."""
    for server, entry in draft.servers.items():
        for name, filesystem in entry.each("filesystems"):
            seen = set()
            for option in filesystem.all("options"):
                if option.value in seen:
                    yield option.problem(
                        f"{server}/{name} has the mount option {option.value} twice: leave one out"
                    )
                seen.add(option.value)


def root_keeps_its_secrets(draft: Draft) -> Iterator[Problem]:
    """Find exports that would show clients the server's own state."""
    for server in draft.servers:
        for kind, directories in (("NFS", draft.exports(server)), ("SMB", draft.shares(server))):
            for each in directories:
                if each.filesystem == ROOT:
                    yield from _outside_state(kind, each)
        for each in draft.exports(server):
            squash = each.entry.get("squash")
            if each.filesystem == ROOT and squash is not None and squash.value == "none":
                yield squash.problem(
                    f"export {each.path or ''} of {each.of} has squash: none, so a client's root could reach "
                    f"the state of {server}: write root or all, or export another filesystem"
                )


def _outside_state(kind: str, directory: Directory) -> Iterator[Problem]:
    path = directory.entry.get("path")
    if path is None:
        return
    if path.value == "/":
        yield path.problem(
            f"{directory.of} is exported from its top by {kind}, and {directory.server} keeps its state "
            "there: export a directory of it"
        )
    elif _is_inside(path.value, f"/{STATE}"):
        yield path.problem(
            f"{directory.of} is exported at {path.value} by {kind}, where {directory.server} keeps its "
            "state: export another directory"
        )


def share_names_differ(draft: Draft) -> Iterator[Problem]:
    """Find share names that are there twice; SMB does not tell capitals from small letters."""
    for server in draft.servers:
        first: dict[str, Directory] = {}
        for each in draft.shares(server):
            share = each.entry.get("share")
            if share is None:
                continue
            same = first.setdefault(share.value.casefold(), each)
            if same is not each:
                yield share.problem(
                    f"{server} has the share {share.value} twice, also on line {_line(same, 'share')}: "
                    "rename one"
                )


def users_differ(draft: Draft) -> Iterator[Problem]:
    for server in draft.servers:
        for each in draft.shares(server):
            seen = set()
            for user in each.entry.all("users"):
                if user.value in seen:
                    yield user.problem(
                        f"share {each.entry.plain('share', '')} of {each.of} names {user.value} twice: "
                        "leave one out"
                    )
                seen.add(user.value)


def exports_differ(draft: Draft) -> Iterator[Problem]:
    """Find directories that are exported twice, and paths that clients could not tell apart."""
    for server in draft.servers:
        first: dict[tuple[str, str], Directory] = {}
        shown: dict[str, Directory] = {}
        for each in draft.exports(server):
            if each.path is None:
                continue
            same = first.setdefault((each.filesystem, each.path), each)
            if same is not each:
                yield _at(each, "path").problem(
                    f"{each.of} exports {each.path} by NFS twice, also on line {_line(same, 'path')}: "
                    "put all clients in one export"
                )
                continue
            yield from _seen_apart(each, shown)


def _seen_apart(directory: Directory, shown: dict[str, Directory]) -> Iterator[Problem]:
    visible = _seen_as(directory)
    if visible is None:
        return
    if visible == "/":
        yield _at(directory, "as").problem(
            f"export {directory.path} of {directory.of} is seen as /, where the list of all exports is: "
            "write a path below it"
        )
        return
    other = shown.setdefault(visible, directory)
    if other is not directory:
        yield _at(directory, "as").problem(
            f"clients see {visible} twice, {directory.path} of {directory.of} and {other.path} of {other.of} "
            f"(line {_line(other, 'as')}): give one of them another as:"
        )
        return
    for path, outer in shown.items():
        for inside, around in ((directory, outer), (outer, directory)):
            if (
                path != visible
                and _is_inside(_seen_as(inside) or "", _seen_as(around) or "")
                and not _nests(inside, around)
            ):
                yield _at(directory, "as").problem(
                    f"clients see {_seen_as(inside)} inside {_seen_as(around)}, and {inside.path} of "
                    f"{inside.of} is not there in {around.path} of {around.of}: give one of them another as:"
                )


def _nests(inside: Directory, around: Directory) -> bool:
    """Say whether a path that clients see inside another leads to the directory that is really there."""
    if inside.filesystem != around.filesystem:
        return False
    beyond = (_seen_as(inside) or "").removeprefix(_seen_as(around) or "")
    return inside.path == (around.path or "").rstrip("/") + beyond


def export_ids_differ(draft: Draft) -> Iterator[Problem]:
    """Find exports of one server with the same number, by hash or by `id:`."""
    for server in draft.servers:
        numbered = [
            (each, number)
            for each in draft.exports(server)
            if each.path is not None and (number := _id(each)) is not None
        ]
        taken = {number for _, number in numbered}
        first: dict[int, Directory] = {}
        for each, number in numbered:
            same = first.setdefault(number, each)
            if same is not each and (same.filesystem, same.path) != (each.filesystem, each.path):
                free = exportid.next_free(number, taken)
                yield _at(each, "id").problem(
                    f"export {each.path} of {each.of} has the id {number}, as {same.path} of {same.of} has: "
                    f"give the newer of the two id: {free}, which is free"
                )


def servers_export_something(draft: Draft) -> Iterator[Problem]:
    """Note virtual servers that no client can see anything of."""
    for server, entry in draft.servers.items():
        filesystems = entry.get("filesystems")
        unread = filesystems is None or filesystems.doubtful
        if not unread and not draft.exports(server) and not draft.shares(server):
            yield entry.note(
                f"{server} exports nothing, so clients see nothing of it: add exports to a filesystem"
            )


def _seen_as(directory: Directory) -> str | None:
    """Return the path clients mount, None where it could not be read."""
    if directory.path is None:
        return None
    chosen = directory.entry.get("as")
    if chosen is not None:
        return str(chosen.value)
    if directory.entry.incomplete:
        return None
    return seen_as(directory.filesystem, directory.path)


def _id(directory: Directory) -> int | None:
    chosen = directory.entry.get("id")
    if chosen is not None:
        return int(chosen.value)
    if directory.entry.incomplete:
        return None
    return exportid.export_id(directory.server, directory.filesystem, directory.path or "")


def _at(directory: Directory, key: str) -> Entry:
    """Return the entry at a key, or the whole export where the key is left out."""
    return directory.entry.get(key) or directory.entry


def _line(directory: Directory, key: str) -> int:
    return _at(directory, key).mark.line


def _is_inside(path: str, around: str) -> bool:
    return path == around or path.startswith(around.rstrip("/") + "/")


RULES = (
    roots_are_there,
    devices_differ,
    options_differ,
    read_only_exports,
    root_keeps_its_secrets,
    share_names_differ,
    users_differ,
    exports_differ,
    export_ids_differ,
    servers_export_something,
)
