"""Does the balancer live, and does it look at the clock?"""

from __future__ import annotations

import time

from vsctl.agents import node, paths, resident, spawning
from vsctl.agents import system as os
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action

DIRECTORY = f"{paths.RUN}/_balancer"
SETTINGS, PROCESS, CHILD, ALIVE = (
    f"{DIRECTORY}/{each}" for each in ("settings", "process", "child", "alive")
)
LOG = f"{paths.LOGS}/balancer.log"
READY = 10.0
"""Seconds it gets until it works,"""
FAREWELL = 11.0, 1.0
"""and to end by itself, a little more than it gives its child, and then when it is killed."""
CHILD_FAREWELL = 2.0, 1.0
"""The same for a child that a balancer has left which was killed. All of it leaves a quarter of the time for a stop."""
STALE = 60.0
"""Seconds after which it has forgotten the clock; it looks every five."""


class Balancer(Agent):
    """Have the load of the nodes evened out

    One process in the whole cluster: the node that runs it is the master of
    balancing. Every so often it runs `vsctl rebalance --periodic`, which says
    what should move, and moves it where the mode is auto. It does so neither in
    quiet hours nor shortly after virtual servers have moved by themselves or
    by an operator's hand. Nothing depends on it; when its node dies another
    one runs it.
    """

    mode = Param(
        spawning.checked("balancerd.timing", "mode"),
        "manual: only say what should move; auto: move it, too",
        default="manual",
        reloadable=True,
    )
    every = Param(
        spawning.checked("balancerd.timing", "seconds"),
        "Seconds between two looks",
        default="300",
        reloadable=True,
    )
    cool_down = Param(
        spawning.checked("balancerd.timing", "seconds"),
        "Seconds of rest after somebody else, or a failure, has moved a virtual server",
        default="600",
        reloadable=True,
    )
    quiet = Param(
        spawning.checked("balancerd.timing", "quiet"),
        "When not to look, local time: 22:00-05:00; may be empty",
        default="",
        reloadable=True,
    )

    @action("start", timeout=20)
    def start(self) -> None:
        self._write_settings()
        if resident.living(PROCESS) is None:
            spawning.end(CHILD, *CHILD_FAREWELL)
            spawning.start("balancerd.main", LOG)
        from vsctl.agents import processes

        if not processes.until(lambda: resident.living(PROCESS) is not None and os.path.exists(ALIVE), READY):
            raise Failure(f"the balancer does not begin within {READY:g} s, see {LOG}")

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self._write_settings()

    @action("monitor", timeout=20, interval=30)
    def monitor(self) -> None:
        if resident.living(PROCESS) is None:
            if resident.living(CHILD) is not None:
                raise Failure("the balancer has ended, and what it started goes on")
            raise NotRunning("the balancer does not run")
        seen = node.read_lines(ALIVE)
        if not seen or time.monotonic() - float(seen[0]) > STALE:
            raise Failure(f"the balancer has not looked at the clock for {STALE:.0f} s")

    @action("stop", timeout=20)
    def stop(self) -> None:
        ended = spawning.end(PROCESS, *FAREWELL)
        if not (spawning.end(CHILD, *CHILD_FAREWELL) and ended):
            raise Failure("the balancer does not end")
        for each in (SETTINGS, PROCESS, CHILD, ALIVE):
            if os.path.exists(each):
                os.unlink(each)

    def _write_settings(self) -> None:
        from vsctl.agents.balancerd import timing

        os.makedirs(DIRECTORY, mode=0o700, exist_ok=True)
        text = timing.write(self.mode, float(self.every), float(self.cool_down), self.quiet)
        node.write_lines(SETTINGS, text.splitlines())
