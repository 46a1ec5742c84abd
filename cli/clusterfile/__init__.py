"""What does the operator's cluster file say, and what is wrong with it?"""

from __future__ import annotations

import sys

from vsctl.cli.clusterfile import build, fencing, names, networks, placement, storage, unheeded, yamltree
from vsctl.cli.clusterfile.declarations import CLUSTER_FILE
from vsctl.cli.clusterfile.draft import Draft
from vsctl.cli.clusterfile.shapes import Entry
from vsctl.cli.problems import Problem
from vsctl.policy.model import Cluster

LARGEST = 4 * 1024 * 1024
STANDARD_INPUT, ITS_NAME = "-", "standard input"
RULES = (
    *networks.RULES,
    *placement.RULES,
    *storage.RULES,
    *names.RULES,
    *fencing.RULES,
    *unheeded.RULES,
)


def read(text: str, file: str) -> tuple[Cluster | None, tuple[Problem, ...]]:
    """Return the cluster a text describes, None if it has problems, and everything worth saying by line.

    Notes come with a cluster as well as without. `file` is what sentences call the text.
    """
    found: list[Problem] = []
    entry = _parse(text, file, found)
    cluster = None
    if entry is not None:
        draft = Draft(entry)
        found.extend(problem for rule in RULES for problem in rule(draft))
        if all(each.is_note for each in found):
            cluster = build.cluster(draft)
    # What an alias repeats is read, and complained of, as often as it is used.
    return cluster, tuple(sorted(dict.fromkeys(found), key=lambda each: each.line))


def _parse(text: str, file: str, found: list[Problem]) -> Entry | None:
    try:
        tree = yamltree.parse(text, file)
    except yamltree.NotYaml as problem:
        found.append(Problem(file, problem.line, str(problem)))
        return None
    if tree is None:
        found.append(Problem(file, 1, f"the file is empty: write {CLUSTER_FILE.expects}"))
        return None
    return CLUSTER_FILE.read(tree, "", found.append)


def title(path: str) -> str:
    """Return what sentences call a file that was named so on the command line."""
    return ITS_NAME if path == STANDARD_INPUT else path


def load(path: str) -> tuple[Cluster | None, tuple[Problem, ...]]:
    """Read a cluster file from disk, or from standard input; that it cannot be read is a problem like the others."""
    name = title(path)
    try:
        if path == STANDARD_INPUT:
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs more than reading the file
                content = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None, (Problem(name, 0, "there is no such file: name the cluster file"),)
    except IsADirectoryError:
        return None, (Problem(name, 0, "this is a directory: name the cluster file in it"),)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return None, (
            Problem(name, 0, f"the file cannot be read ({why}): make it readable, or name another"),
        )
    if len(content) > LARGEST:
        return None, (
            Problem(name, 0, f"the file has more than {LARGEST // 2**20} MiB: no cluster file has"),
        )
    try:
        return read(content.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, (Problem(name, line, "this line is not UTF-8 text: save the file as UTF-8"),)
