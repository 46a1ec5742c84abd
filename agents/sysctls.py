"""How are settings of the kernel's network changed so that they can be restored exactly?

Whoever needs a setting holds it. The first holder's change remembers the former
value, and when the last one lets go it is put back. All of it under `node.locked`.
"""

from __future__ import annotations

from vsctl.agents import node
from vsctl.agents import system as os

ROOT = "/proc/sys/net"
_FILE = "sysctls"  # each line: setting, former value, holders; separated by spaces


def get(setting: str) -> str | None:
    """Return a setting such as `ipv4/conf/e0a/forwarding`, None where the kernel has none of that name."""
    try:
        with open(f"{ROOT}/{setting}") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None


def put(setting: str, value: str) -> None:
    """Change a setting in the network namespace of this process; one that is right is not touched."""
    if get(setting) != value:
        with open(f"{ROOT}/{setting}", "w") as file:
            file.write(value)


def interfaces(family: str) -> list[str]:
    """Return the interfaces that have settings of `ipv4` or `ipv6`, with `default`, without `all`."""
    try:
        return [each for each in sorted(os.listdir(f"{ROOT}/{family}/conf")) if each != "all"]
    except FileNotFoundError:
        return []


def hold(holder: str, settings: list[tuple[str, str]]) -> None:
    """Change settings, in this order, for as long as the holder wants them.

    A setting that does not exist is left out. Two holders of one setting
    always want the same value.
    """
    lines = [line.split() for line in node.read(_FILE)]
    known = {line[0]: line for line in lines}
    wanted = []
    for setting, value in settings:
        former = get(setting)
        if former is None:
            continue
        wanted.append((setting, value))
        if setting not in known:
            known[setting] = [setting, former]
            lines.append(known[setting])
        if holder not in known[setting][2:]:
            known[setting].append(holder)
    node.write(_FILE, [" ".join(line) for line in lines])
    for setting, value in wanted:
        put(setting, value)


def release(holder: str) -> None:
    """Let go of everything the holder holds; put back what nobody else needs, last change first."""
    lines = [line.split() for line in node.read(_FILE)]
    for line in lines:
        line[2:] = [each for each in line[2:] if each != holder]
    for setting, former, *holders in reversed(lines):
        if not holders and get(setting) is not None:
            put(setting, former)
    node.write(_FILE, [" ".join(line) for line in lines if len(line) > 2])


def held(setting: str) -> bool:
    """Say whether a setting is as it is because of us."""
    return any(line.split()[0] == setting for line in node.read(_FILE))
