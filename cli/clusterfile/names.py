"""Does everything get a name of its own in the cluster's configuration?"""

from __future__ import annotations

from collections.abc import Iterator

from vsctl.cli.clusterfile.draft import Directory, Draft
from vsctl.cli.clusterfile.shapes import Entry
from vsctl.cli.problems import Problem
from vsctl.policy import naming


def names_are_ours_to_give(draft: Draft) -> Iterator[Problem]:
    """Find virtual servers with a name that vsctl keeps for its own objects."""
    for server, entry in draft.servers.items():
        if naming.is_reserved(server):
            yield entry.problem(
                f"the name {server} is kept for vsctl's own objects: rename the virtual server"
            )


def nodes_differ(draft: Draft) -> Iterator[Problem]:
    """Find nodes that differ in capitals only: Pacemaker's scheduler takes one for the other."""
    first: dict[str, str] = {}
    for node, entry in draft.nodes.items():
        other = first.setdefault(node.lower(), node)
        if other != node:
            yield entry.problem(
                f"{node} and {other} differ in capitals only, and Pacemaker takes one for the other: rename one of them"
            )


def resource_ids_differ(draft: Draft) -> Iterator[Problem]:
    """Find objects of the file that would get the same resource id: vs1-net of vs1, and a server vs1-net."""
    first: dict[str, str] = {}
    for owner, entry, ids in _ids(draft):
        for each in ids:
            if first.setdefault(each, owner) != owner:
                yield entry.problem(
                    f"{first[each]} and {owner} would both have a resource {each}: rename one of them"
                )
                break


def _ids(draft: Draft) -> Iterator[tuple[str, Entry, tuple[str, ...]]]:
    for server, entry in draft.servers.items():
        yield (
            server,
            entry,
            naming.resources(
                server,
                filesystems=[name for name, _ in entry.each("filesystems")],
                exported=_of(draft.exports(server)),
                shared=_of(draft.shares(server)),
                subnets=draft.subnets_of(server),
            ),
        )
    for node, entry in draft.fencing.items():
        levels = [len(level.value) if isinstance(level.value, tuple) else 1 for level in levels_of(entry)]
        ids = tuple(each for level in naming.fences(node, levels) for each in level)
        yield f"the fencing of {node}", entry, ids


def levels_of(fencing: Entry) -> tuple[Entry, ...]:
    """Return the levels of a node's fencing, each a device or a list of them."""
    return fencing.value if isinstance(fencing.value, tuple) else (fencing,)


def _of(directories: tuple[Directory, ...]) -> list[str]:
    """Return the filesystems of directories, each once."""
    return list(dict.fromkeys(each.filesystem for each in directories))


def afters_are_others(draft: Draft) -> Iterator[Problem]:
    """Find filesystems that stand on a resource of vsctl's own."""
    owners = {each: owner for owner, _, ids in _ids(draft) for each in ids}
    for server, entry in draft.servers.items():
        for name, filesystem in entry.each("filesystems"):
            after = filesystem.get("after")
            if after is None:
                continue
            owner = owners.get(after.value, "itself" if naming.is_reserved(after.value) else None)
            if owner is not None:
                yield after.problem(
                    f"{server}/{name} is after {after.value}, a resource that vsctl makes for "
                    f"{owner}: name an existing resource of another kind"
                )


RULES = (names_are_ours_to_give, nodes_differ, resource_ids_differ, afters_are_others)
