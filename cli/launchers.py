"""Where do the agents have to be, and what stands there?

A launcher is a script of three lines that names an interpreter and the
directory of the code."""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path

import vsctl.agents
from vsctl.agents import ocf
from vsctl.cli.programs import Refused

AGENTS = ("net", "vip", "fs", "nfs", "smb", "exports", "shares", "gate")
OCF_ROOT = Path("usr/lib/ocf/resource.d")


def launcher(agent: str, python: str, root: str) -> str:
    """Return the text of an agent's launcher, bound to an interpreter and to the code beside this module."""
    template = resources.files("vsctl.agents").joinpath("ocf.d/launcher").read_text()
    return template.format(python=python, root=root, module=agent, agent=agent.capitalize())


def install(prefix: Path) -> tuple[str, ...]:
    """Write every launcher below `prefix`, each in one step, and return those that changed.

    A launcher that a transition is running at this moment stays what it was for that run.
    """
    directory = prefix / OCF_ROOT / ocf.PROVIDER
    changed = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for agent in AGENTS:
            text, path = launcher(agent, python(), root()), directory / agent
            if path.is_file() and path.read_text() == text and os.access(path, os.X_OK):
                continue
            new = directory / f".{agent}.new"
            new.write_text(text)
            new.chmod(0o755)
            new.replace(path)
            changed.append(agent)
    except OSError as problem:
        raise Refused(f"{problem.filename}: {problem.strerror}; run vsctl install as root, or with --prefix") from None
    return tuple(changed)


def remove(prefix: Path) -> tuple[str, ...]:
    """Remove the launchers below `prefix` and return those that were there. Others' files are left alone."""
    directory = prefix / OCF_ROOT / ocf.PROVIDER
    removed = []
    try:
        for agent in AGENTS:
            if (directory / agent).exists():
                (directory / agent).unlink()
                removed.append(agent)
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
    except OSError as problem:
        raise Refused(f"{problem.filename}: {problem.strerror}; run vsctl install --remove as root") from None
    return tuple(removed)


def python() -> str:
    """Return the real interpreter: a virtual environment's link costs agents a search for its home."""
    return os.path.realpath(sys.executable)


def root() -> str:
    """Return the directory that holds the package `vsctl`."""
    return os.fspath(Path(next(iter(vsctl.agents.__path__))).parent.parent)
