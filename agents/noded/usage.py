"""What have the servers here and the node used so far?

Read from /proc and, for interfaces, by netlink; nothing here waits for storage.
The files are described in proc(5), the numbers of disks in the kernel's
`Documentation/admin-guide/iostats.rst`.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

from vsctl.agents import names, paths
from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import traffic
from vsctl.agents.noded.loads import Process, Sample

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SECTOR = 512
_CALLS = {"ganesha.nfsd": 1, "smbd": 3}
"""How many calls it costs a server to read or write for a client: smbd has a thread do it, which wakes it up again."""
_OURS = f"{paths.MOUNTS}/"


def of_servers(
    netlink: Netlink, servers: Collection[str], clients: Mapping[str, int], now: float
) -> dict[str, Sample]:
    """Return what each server has used; `clients` says how many it has. One that is just leaving is absent."""
    processes, memory = _processes(servers)
    interfaces = traffic.of_interfaces(netlink)
    disks = _disks()
    devices = _devices(servers)
    locks = _locks()
    return {
        server: Sample(
            when=now,
            processes=processes[server],
            memory=memory[server],
            network=dict([interfaces[names.interface(server)]]),
            disk={each: disks[each] for each in devices[server] if each in disks},
            clients=clients.get(server, 0),
            locks=sum(locks[each] for each in devices[server]),
        )
        for server in servers
        if names.interface(server) in interfaces
    }


def of_node(netlink: Netlink, ports: Collection[str], now: float) -> Sample:
    """Return what the node has used, whatever for. All its processes count as one, which is always there."""
    interfaces = traffic.of_interfaces(netlink)
    return Sample(
        when=now,
        processes={(1, ""): Process(0, _busy(), 0)},
        memory=_memory("MemTotal") - _memory("MemAvailable"),
        network=dict(interfaces[port] for port in ports if port in interfaces),
    )


def memory() -> int:
    """Return how much memory the node has, in bytes."""
    return _memory("MemTotal")


def processors() -> int:
    return os.cpu_count() or 1


def _processes(
    servers: Collection[str],
) -> tuple[dict[str, dict[tuple[int, str], Process]], dict[str, int]]:
    """Return the processes in each server's network namespace, and the memory that is theirs alone."""
    homes = {}
    for server in servers:
        try:
            homes[f"net:[{os.stat(paths.namespace(server)).st_ino}]"] = server
        except FileNotFoundError:
            continue
    found: dict[str, dict[tuple[int, str], Process]] = {server: {} for server in servers}
    smbds = set()
    memory = dict.fromkeys(servers, 0)
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            home = os.readlink(f"/proc/{name}/ns/net")
            if home in homes:
                about, born, process = _process(name)
                found[homes[home]][int(name), born] = process
                if about == "smbd":
                    smbds.add(int(name))
                _, resident, shared, *_ = _read(f"/proc/{name}/statm").split()
                memory[homes[home]] += (int(resident) - int(shared)) * _PAGE
        except OSError:
            continue  # it ended while we looked
    for processes in found.values():
        for key, process in processes.items():
            # The first smbd serves nobody, but what its children have done is added to it when they are gone.
            if key[0] in smbds and process.parent not in smbds:
                processes[key] = replace(process, operations=0)
    return found, memory


def _process(name: str) -> tuple[str, str, Process]:
    """Return what a process is called, when it was born, and what it has used."""
    begin, _, rest = _read(f"/proc/{name}/stat").rpartition(")")
    about, fields = begin.partition("(")[2], rest.split()
    ticks = sum(map(int, fields[11:15]))  # its own, and those of children that it has waited for
    operations = 0
    if calls := _CALLS.get(about):
        said = dict(line.split(": ") for line in _read(f"/proc/{name}/io").splitlines())
        operations = (int(said["syscr"]) + int(said["syscw"])) // calls
    return about, fields[19], Process(int(fields[1]), ticks / _TICK, operations)


def _devices(servers: Collection[str]) -> dict[str, set[tuple[int, int]]]:
    """Return the devices of each server's filesystems, by major and minor number."""
    found: dict[str, set[tuple[int, int]]] = defaultdict(set)
    # Names of others' mounts are any bytes, also some that `splitlines` takes for ends of lines.
    for line in filter(None, _read("/proc/self/mountinfo").split("\n")):
        _, _, device, _, place, *_ = line.split(" ", 5)
        if place.startswith(_OURS):
            server, _, filesystem = place.removeprefix(_OURS).partition("/")
            if server in servers and filesystem and "/" not in filesystem:
                major, _, minor = device.partition(":")
                found[server].add((int(major), int(minor)))
    return found


def _disks() -> dict[tuple[int, int], int]:
    """Return how many bytes each device has read and written."""
    found = {}
    for line in _read("/proc/diskstats").splitlines():
        fields = line.split()
        found[int(fields[0]), int(fields[1])] = (int(fields[5]) + int(fields[9])) * _SECTOR
    return found


def _locks() -> dict[tuple[int, int], int]:
    """Return how many locks clients hold on files of each device.

    Both servers take a client's locks by open file (fcntl(2), F_OFD_SETLK), and those for themselves by process.
    """
    found: dict[tuple[int, int], int] = defaultdict(int)
    for line in _read("/proc/locks").splitlines():
        words = line.split()
        # `->` instead, and then the kind, waits for one; a file that is gone has no device but `<none>:0`.
        if words[1] == "OFDLCK" and words[5].count(":") == 2:
            major, minor, _ = words[5].split(":")
            found[int(major, 16), int(minor, 16)] += 1
    return found


def _busy() -> float:
    """Return for how many seconds the processors have worked, all of them together."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, _read("/proc/stat").split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / _TICK


def _memory(what: str) -> int:
    """Return one number of /proc/meminfo in bytes."""
    for line in _read("/proc/meminfo").splitlines():
        name, _, amount = line.partition(":")
        if name == what:
            return int(amount.split()[0]) * 1024
    return 0


def _read(path: str) -> str:
    with open(path, errors="surrogateescape") as file:
        return file.read()
