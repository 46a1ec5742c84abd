"""Agents that have no module yet, as `docs/contracts.md` describes them.

The CIB takes parameters and timings from the agents. A module that is there is
never replaced; this one goes when the last of them is.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

from vsctl.agents.ocf import Agent, Param, action

PARAMETERS = {
    "net": ("server", "addresses!"),
    "vip": ("server", "subnet", "addresses!", "ports!", "gateways!"),
    "fs": ("server", "filesystem", "device", "type", "options"),
    "nfs": ("server", "grace", "lease"),
    "smb": ("server", "netbios"),
    "exports": ("server", "filesystem", "exports!"),
    "shares": ("server", "filesystem", "shares!"),
    "gate": ("server", "nfs"),
}


class _Standard(Agent):
    @action("start", timeout=20)
    def start(self) -> None: ...

    @action("stop", timeout=20)
    def stop(self) -> None: ...

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None: ...


def declare() -> None:
    for name, parameters in PARAMETERS.items():
        if find_spec(f"vsctl.agents.{name}") is None:
            module = ModuleType(f"vsctl.agents.{name}")
            told = {each.rstrip("!"): Param(str, each, reloadable=each.endswith("!")) for each in parameters}
            agent = type(name.capitalize(), (_Standard,), {**told, "__module__": module.__name__})
            vars(module)[agent.__name__] = agent
            sys.modules[module.__name__] = module
