"""Is the node daemon here, and does it work?"""

from __future__ import annotations

from vsctl.agents import names, paths, resident, spawning
from vsctl.agents import system as os
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, words

LOG = f"{paths.LOGS}/daemon.log"
READY = 10.0
"""Seconds the daemon gets until it answers, and half of it to end by itself."""


class Daemon(Agent):
    """Watch the ports and the storage of a node and react when one dies

    One process per node: it hears of lost carriers at once, finds ports on
    which nobody answers, announces the addresses of a dead port on the next
    good one, reads from every storage unit, and publishes node attributes. It
    asks a virtual server to leave that has lost a subnet and that nobody routes
    to, or has for too long. Where lost storage keeps a server from being stopped
    it lets the others leave, and then has the node fenced; for a node whose
    daemon is silent, another's does. Virtual servers work without it; ports are
    then changed by the monitors of vip, later. Its end changes nothing on the
    node.
    """

    ports = Param(
        spawning.checked("noded.settings", "ports"),
        "For each node its ports with their subnets: n1=e0a:lan-a,e1a:lan-b n2=e0a:lan-a",
        reloadable=True,
    )
    gateways = Param(
        spawning.checked("noded.settings", "gateways"),
        "For each subnet its gateways: lan-a=192.0.2.1,2001:db8:a::1 lan-b=198.51.100.1",
        default="",
        reloadable=True,
    )
    routed = Param(
        spawning.checked("noded.settings", "routed"),
        "For each subnet those from whose ports its addresses can be announced by host route: lan-a=lan-b,lan-c",
        default="",
        reloadable=True,
    )
    servers = Param(
        spawning.checked("noded.settings", "servers"),
        "For each virtual server that may leave its subnets, the nodes that can run it, its storage units, and after "
        "how many seconds of being routed it leaves: vs1 subnets=lan-a,lan-b nodes=n1,n2 units=san1 bridge=600",
        default="",
        reloadable=True,
    )

    balance = Param(
        spawning.checked("noded.settings", "balance"),
        "How often the node spreads addresses over its ports by their load, in seconds, and how uneven the ports may "
        "be: every=300 tolerance=0.1; never if it is left out",
        default="",
        reloadable=True,
    )

    storage = Param(
        spawning.checked("noded.settings", "storage"),
        "For each storage unit the devices by which some nodes see whether they reach it: "
        "san1 nodes=n1,n2 /dev/sdb /dev/sdc;san1 nodes=n1 /dev/sdd;san2 nodes=n1,n2 /dev/sde",
        default="",
        reloadable=True,
    )

    @action("start", timeout=20)
    def start(self) -> None:
        self._write_settings()
        if resident.process() is None:
            spawning.start("noded.main", LOG)
        self._await_answer()

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self._write_settings()
        try:
            resident.ask("reload")
        except OSError as problem:
            raise Failure(f"the node daemon does not answer: {words(problem)}") from None

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if resident.process() is None:
            raise NotRunning("the node daemon does not run")
        try:
            said = resident.ask("ping")
        except OSError as problem:
            raise Failure(f"the node daemon does not answer: {words(problem)}") from None
        if said != "here":
            raise Failure(f"the node daemon answers {said!r}")

    @action("stop", timeout=20)
    def stop(self) -> None:
        if not spawning.end(resident.PROCESS, READY / 2, READY / 2):
            raise Failure("the node daemon does not end")

    def _write_settings(self) -> None:
        from vsctl.agents import node
        from vsctl.agents.noded import settings

        os.makedirs(resident.DIRECTORY, mode=0o700, exist_ok=True)
        text = settings.write(
            names.this_node(), **{each.name: getattr(self, each.name) for each in self.params()}
        )
        node.write_lines(resident.SETTINGS, text.splitlines())

    def _await_answer(self) -> None:
        from vsctl.agents import processes

        def answers() -> bool:
            try:
                return resident.process() is not None and resident.ask("ping") == "here"
            except OSError:
                return False

        if not processes.until(answers, READY):
            raise Failure(f"the node daemon does not answer after {READY:g} s, see {LOG}")
