"""Where do the agents have to be, and what stands there?

The code of the agents is copied to a directory of its own, named by a hash of
what is in it, and a launcher of few lines for each agent names that
directory and an interpreter. Beside the code are, for each agent, its meta-data,
since Pacemaker asks for them before every start and waits, and in one file all
modules that it begins with: to find and open them one by one costs more than
what most monitors do. So an upgrade or a loss of the environment that
vsctl was installed from disturbs nothing that runs: the agents in use are
replaced by `vsctl install` only, launcher by launcher, each in one step.
One more file names the Python that has vsctl itself: the balancer runs it.
"""

from __future__ import annotations

import compileall
import hashlib
import marshal
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from py_compile import PycInvalidationMode

import vsctl.agents
from vsctl.agents import files, metadata, ocf, paths
from vsctl.cib_templates.timings import declared
from vsctl.cli.programs import Refused

AGENTS = (
    *("net", "vip", "fs", "nfs", "smb", "exports", "shares", "gate"),
    *("daemon", "router", "repair", "balancer"),
)
LAUNCHERS = Path("usr/lib/ocf/resource.d") / ocf.PROVIDER
CODE = Path("usr/lib/vsctl")
KEPT = 2
"""How many versions of the code stay: an action that began before the last change still runs the one before.

A daemon may run one that is older still, and imports some of it late: what a process was started with stays, too.
"""


def install(prefix: Path) -> tuple[str, ...]:
    """Write code and launchers below `prefix` and return the agents that changed."""
    changed = []
    with refusing(prefix):
        home = _copied(prefix)
        (prefix / LAUNCHERS).mkdir(parents=True, exist_ok=True)
        interpreter = prefix / paths.INTERPRETER.lstrip("/")
        bound = interpreter.is_file() and interpreter.read_text() == f"{sys.executable}\n"
        if not bound:
            files.replace(str(interpreter), f"{sys.executable}\n")
        interpreter.chmod(0o644)  # whatever the umask: the balancer runs nothing that others could have named
        for agent in AGENTS:
            text, path = launcher(agent, f"/{home.relative_to(prefix)}"), prefix / LAUNCHERS / agent
            same = path.is_file() and path.read_text() == text and os.access(path, os.X_OK)
            if same and (bound or agent != "balancer"):
                continue
            new = path.with_name(f".{agent}.new")
            new.write_text(text)
            new.chmod(0o755)
            new.replace(path)
            changed.append(agent)
        newest_first = sorted(_versions(prefix / CODE), key=lambda each: each.stat().st_mtime, reverse=True)
        for old in newest_first[KEPT:]:
            if not _runs(prefix, old):
                shutil.rmtree(old)
    return tuple(changed)


def _runs(prefix: Path, version: Path) -> bool:
    """Return whether a process of this node was started with a version of the code."""
    where = f"/{version.relative_to(prefix)}".encode()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            if where in each.read_bytes():
                return True
    return False


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
        (prefix / paths.INTERPRETER.lstrip("/")).unlink(missing_ok=True)
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
    return _template().format(python=python(), root=root, module=agent, agent=agent.capitalize())


def _template() -> str:
    return resources.files("vsctl.agents").joinpath("ocf.d/launcher").read_text()


def python() -> str:
    """Return the real interpreter: a virtual environment's link costs agents a search for its home."""
    return os.path.realpath(sys.executable)


def _copied(prefix: Path) -> Path:
    """Return the directory with this version of the agents' code, copied and compiled if it is not there."""
    source = Path(next(iter(vsctl.agents.__path__)))
    files = sorted(each.relative_to(source) for each in source.rglob("*.py"))
    content = b"".join(bytes(each) + (source / each).read_bytes() for each in files)
    content += _template().encode() + MAGIC_NUMBER
    home = prefix / CODE / hashlib.sha256(content).hexdigest()[:12]
    if not home.is_dir():
        new = home.with_name(f".{home.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        package = new / "vsctl" / "agents"
        for each in files:
            (package / each).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / each, package / each)
        (package.parent / "__init__.py").touch()
        # The files' own times would make every start look for a change; the hash in the name says there is none.
        compileall.compile_dir(package.parent, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        for agent in AGENTS:
            (new / f"{agent}.xml").write_text(metadata.of(declared(agent)))
            (new / f"{agent}.modules").write_bytes(_modules(agent, new, Path(f"/{home.relative_to(prefix)}")))
        new.rename(home)
    home.touch()
    return home


def _modules(agent: str, here: Path, there: Path) -> bytes:
    """Return the modules that an agent begins with: name, file and code, each after those that it needs.

    `here` holds the package now, `there` is where it will be. In what order
    modules are complete is what an interpreter says that is asked for the times of its imports.
    """
    begin = f"import sys; sys.path.insert(0, {str(here)!r}); import vsctl.agents.{agent}"
    asked = [python(), "-IS", "-X", "importtime", "-c", begin]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stderr
    found = []
    for name in (line.rpartition("|")[2].strip() for line in said.splitlines()):
        if name.partition(".")[0] == "vsctl":
            place = Path(*name.split("."))
            file = place / "__init__.py" if (here / place).is_dir() else place.with_suffix(".py")
            code = compile((here / file).read_bytes(), str(there / file), "exec", dont_inherit=True)
            found.append((name, str(there / file), code))
    return marshal.dumps(found)


def _versions(code: Path) -> Iterator[Path]:
    return (each for each in code.glob("*") if (each / "vsctl" / "agents").is_dir())
