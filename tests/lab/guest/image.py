"""What does the guest boot?

Debian's cloud kernel, and a root in memory made of busybox and this machine's
own NFS tools and Python. `python -m tests.lab.guest` makes both, in
build/guest, and installs QEMU. They are made once, and again when a file here
has changed. Kernel and busybox are downloaded and unpacked, never installed.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.place import CHECKOUT
from tests.lab.problem import LabProblem

HERE = Path(__file__).parent
PLACE = CHECKOUT / "build" / "guest"
INSIDE = (*(HERE / "inside").glob("*.py"), HERE.parent / "clients" / "record.py")
QEMU = "qemu-system-x86_64"
KERNEL = "linux-image-cloud-amd64"

PROGRAMS = ("/usr/bin/python3", "/usr/sbin/mount.nfs", "/usr/sbin/rpcbind", "/usr/sbin/rpc.statd")
LIBRARY = Path("/usr/lib/python3.11")
MODULES = ("virtio_pci", "virtio_console", "virtio_net", "nfs", "nfsv3", "nfsv4", "lockd")
DIRECTORIES = ("mnt", "root", "var/lib/nfs/sm", "var/lib/nfs/sm.bak", "run", "tmp", "proc", "sys", "dev")
FILES = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\n_rpc:x:1:1::/:/bin/false\nstatd:x:2:2::/:/bin/false\n",
    "etc/group": "root:x:0:\nrpc:x:1:\nstatd:x:2:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nrpc: files\nservices: files\n",
    "etc/modules": "\n".join(MODULES),
}
COPIED = ("/etc/netconfig", "/etc/protocols", "/etc/services", "/etc/rpc")


@dataclass(frozen=True)
class Image:
    kernel: Path
    root: Path


def image(place: Path = PLACE) -> Image:
    """Give the image, made now if there is none or it is older than what it is made from."""
    made = Image(place / "vmlinuz", place / "root.cpio")
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _fresh(made.root):
            _make(made, place)
    return made


def _fresh(root: Path) -> bool:
    made_from = (Path(__file__), *INSIDE)
    return root.exists() and all(source.stat().st_mtime < root.stat().st_mtime for source in made_from)


def _make(made: Image, place: Path) -> None:
    packages = place / "packages"
    for package in (_kernel_package(), "busybox-static"):
        _unpack(package, packages / package)
    kernel = packages / _kernel_package()
    busybox = packages / "busybox-static" / "bin" / "busybox"
    with tempfile.TemporaryDirectory(dir=place) as directory:
        root = Path(directory) / "root"
        _fill(root, kernel, busybox)
        archive = Path(directory) / "root.cpio"
        names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        _run(busybox, "cpio", "-o", "-H", "newc", "-F", archive, input=names, cwd=root)
        shutil.copy(next((kernel / "boot").glob("vmlinuz-*")), made.kernel)
        archive.rename(made.root)


def _kernel_package() -> str:
    """Name the package behind Debian's name for its newest cloud kernel."""
    depends = _run("apt-cache", "depends", KERNEL)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if found is None:
        raise LabProblem(f"apt knows no package {KERNEL}: run apt-get update")
    return found[1]


def _unpack(package: str, target: Path) -> None:
    if target.exists():
        return
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)  # apt downloads as a user of its own
        _run("apt-get", "download", "-qq", package, cwd=Path(directory))
        (file,) = Path(directory).iterdir()
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f"{target.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        _run("dpkg-deb", "-x", file, half)
        half.rename(target)


def _fill(root: Path, kernel: Path, busybox: Path) -> None:
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name, content in FILES.items():
        _put(root, f"/{name}").write_text(content)
    for file in {*COPIED, *_with_libraries(PROGRAMS), *_python()}:
        shutil.copy(file, _put(root, file))
    shutil.copy(busybox, _put(root, "/usr/bin/busybox"))
    for name in _run(busybox, "--list").split():
        if name != "busybox":
            (root / "usr/bin" / name).symlink_to("busybox")
    (root / "etc/mtab").symlink_to("/proc/mounts")
    _modules(root, kernel)
    for source in INSIDE:
        shutil.copy(source, root / "root")
    # Compiling takes the emulated processor two seconds.
    compiling = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    _run("/usr/bin/python3", *compiling, f"{root}{LIBRARY}")
    init = root / "init"
    init.write_text("#!/bin/sh\nexec /usr/bin/python3 -IS /root/init.py\n")
    init.chmod(0o755)


def _put(root: Path, path: str) -> Path:
    """Say where a file of this machine goes, where /lib and the like are links to /usr/lib."""
    target = root / re.sub(r"^/(bin|sbin|lib|lib64)/", r"/usr/\1/", path).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _with_libraries(programs: Sequence[str]) -> Iterator[str]:
    for program in programs:
        yield program
        yield from re.findall(r"(/\S+) \(0x", _run("ldd", program))


def _python() -> Iterator[str]:
    """Name the files of Debian's minimal library, and json."""
    listed = _run("dpkg", "-L", "libpython3.11-minimal").splitlines()
    minimal = [name for name in listed if name.startswith(str(LIBRARY)) and Path(name).is_file()]
    return iter([*minimal, *(str(path) for path in (LIBRARY / "json").glob("*.py"))])


def _modules(root: Path, kernel: Path) -> None:
    """Copy the modules and those they need, and list no others: modprobe reads the lists each time."""
    (tree,) = (kernel / "lib/modules").iterdir()
    _run("depmod", "-b", kernel, tree.name)
    target = root / "usr/lib/modules" / tree.name
    for name in _needed(tree, MODULES):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree / name, target / name)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(tree / name, target)
    _run("depmod", "-b", root, tree.name)


def _needed(tree: Path, modules: Iterable[str]) -> set[str]:
    depends = dict(line.split(":") for line in (tree / "modules.dep").read_text().splitlines())
    wanted = {name for name in depends if Path(name).stem.replace("-", "_") in modules}
    return wanted.union(*(depends[name].split() for name in wanted))


def _run(*command: str | Path, cwd: Path | None = None, input: str | None = None) -> str:
    words = [str(part) for part in ("nice", "-n", "10", *command)]
    done = subprocess.run(words, text=True, input=input, capture_output=True, cwd=cwd)
    if done.returncode:
        raise LabProblem(f"{' '.join(words[3:])} exits {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def install() -> None:
    """Install QEMU if it is missing, and make the image."""
    if shutil.which(QEMU) is None:
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "qemu-system-x86")
    image()
