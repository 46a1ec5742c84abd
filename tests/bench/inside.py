"""Run agents in a node as Pacemaker runs them, and count what they cost. Started by `agents`.

Standard input: JSON, a list of [name, agent, action, {parameter: value}, may fail].
Standard output: JSON, for each its wall and CPU milliseconds, forks and exit status.
Wall and CPU are of the agent and everything it waits for; a server that stays
is not in it. Forks are counted by the last process id of the node's own pid
namespace, in which a cluster at rest makes none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

ROOT = "/usr/lib/ocf"


def main() -> None:
    json.dump([measure(*each) for each in json.load(sys.stdin)], sys.stdout)


def measure(
    name: str, agent: str, action: str, parameters: dict[str, str], may_fail: bool
) -> dict[str, object]:
    environment = {
        "PATH": os.environ["PATH"],
        "OCF_ROOT": ROOT,
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESOURCE_INSTANCE": name,
        "OCF_RESOURCE_PROVIDER": agent.split("/")[0],
        "OCF_RESOURCE_TYPE": agent.split("/")[1],
        "OCF_RESKEY_CRM_meta_on_node": os.uname().nodename,
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": "10000" if action == "monitor" else "0",
        **{f"OCF_RESKEY_{key}": value for key, value in parameters.items()},
    }
    log = os.open("/var/log/bench.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    files = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    path = f"{ROOT}/resource.d/{agent}"
    pids, began = last_pid(), time.monotonic()
    # A group of its own, as Pacemaker gives it: stock agents signal their group.
    child = os.posix_spawn(path, [path, action], environment, file_actions=files, setpgroup=0)
    _, status, used = os.wait4(child, 0)
    wall, forks = time.monotonic() - began, last_pid() - pids - 1
    os.close(log)
    code = os.waitstatus_to_exitcode(status)
    if code and not may_fail:
        sys.exit(f"{agent} {action} of {name} exits {code}: /var/log/bench.log of the node says why")
    return {"wall": wall * 1000, "cpu": (used.ru_utime + used.ru_stime) * 1000, "forks": forks, "code": code}


def last_pid() -> int:
    return int(Path("/proc/sys/kernel/ns_last_pid").read_text())


if __name__ == "__main__":
    main()
