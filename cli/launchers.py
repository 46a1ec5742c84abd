"""Where do the agents have to be, and what stands there?

The code of the agents is copied to a directory of its own, named by a hash of
what is in it, and a launcher of three lines for each agent names that
directory and an interpreter. So an upgrade or a loss of the environment that
vsctl was installed from disturbs nothing that runs: the agents in use are
replaced by `vsctl install` only, launcher by launcher, each in one step.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from py_compile import PycInvalidationMode

import vsctl.agents
from vsctl.agents import ocf
from vsctl.cli.programs import Refused

AGENTS = ("net", "vip", "fs", "nfs", "smb", "exports", "shares", "gate", "daemon", "router")
LAUNCHERS = Path("usr/lib/ocf/resource.d") / ocf.PROVIDER
CODE = Path("usr/lib/vsctl")
KEPT = 2
"""How many versions of the code stay: an action that began before the last change still runs the one before."""


def install(prefix: Path) -> tuple[str, ...]:
    """Write code and launchers below `prefix` and return the agents that changed."""
    changed = []
    with refusing(prefix):
        home = _copied(prefix / CODE)
        (prefix / LAUNCHERS).mkdir(parents=True, exist_ok=True)
        for agent in AGENTS:
            text, path = launcher(agent, f"/{home.relative_to(prefix)}"), prefix / LAUNCHERS / agent
            if path.is_file() and path.read_text() == text and os.access(path, os.X_OK):
                continue
            new = path.with_name(f".{agent}.new")
            new.write_text(text)
            new.chmod(0o755)
            new.replace(path)
            changed.append(agent)
        newest_first = sorted(_versions(prefix / CODE), key=lambda each: each.stat().st_mtime, reverse=True)
        for old in newest_first[KEPT:]:
            shutil.rmtree(old)
    return tuple(changed)


def remove(prefix: Path) -> tuple[str, ...]:
    """Remove launchers and code below `prefix` and return the agents that were there.

    Others' files are left alone.
    """
    removed = []
    with refusing(prefix):
        for agent in AGENTS:
            path = prefix / LAUNCHERS / agent
            if path.exists():
                path.unlink()
                removed.append(agent)
        for version in _versions(prefix / CODE):
            shutil.rmtree(version)
        for directory in (prefix / LAUNCHERS, prefix / CODE):
            if directory.is_dir() and not any(directory.iterdir()):
                directory.rmdir()
    return tuple(removed)


@contextmanager
def refusing(prefix: Path) -> Iterator[None]:
    """Turn what the system refuses below `prefix` into a sentence."""
    try:
        yield
    except OSError as problem:
        where = problem.filename or prefix
        raise Refused(
            f"{where}: {problem.strerror}; run vsctl install as root, or with another --prefix"
        ) from None


def launcher(agent: str, root: str) -> str:
    """Return the text of an agent's launcher; `root` is the directory that holds the package `vsctl`."""
    template = resources.files("vsctl.agents").joinpath("ocf.d/launcher").read_text()
    return template.format(python=python(), root=root, module=agent, agent=agent.capitalize())


def python() -> str:
    """Return the real interpreter: a virtual environment's link costs agents a search for its home."""
    return os.path.realpath(sys.executable)


def _copied(code: Path) -> Path:
    """Return the directory with this version of the agents' code, copied and compiled if it is not there."""
    source = Path(next(iter(vsctl.agents.__path__)))
    files = sorted(each.relative_to(source) for each in source.rglob("*.py"))
    content = b"".join(bytes(each) + (source / each).read_bytes() for each in files)
    home = code / hashlib.sha256(content).hexdigest()[:12]
    if not home.is_dir():
        new = code / f".{home.name}.new"
        shutil.rmtree(new, ignore_errors=True)
        package = new / "vsctl" / "agents"
        for each in files:
            (package / each).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / each, package / each)
        # The files' own times would make every start look for a change; the hash in the name says there is none.
        compileall.compile_dir(package, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        new.rename(home)
    home.touch()
    return home


def _versions(code: Path) -> Iterator[Path]:
    return (each for each in code.glob("*") if (each / "vsctl" / "agents").is_dir())
