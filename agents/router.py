"""Are the routers told of the addresses that this node announces by host route?"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from vsctl.agents import bird, names, node, rtnetlink, topology
from vsctl.agents import system as os
from vsctl.agents.addresses import Address
from vsctl.agents.netlink import Netlink
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, words

TERM, KILL = 15, 9
READY = 5.0
"""Seconds BIRD gets until it answers."""
ENDING = 4.0
"""Seconds it gets to answer that it ends, then to end, then to heed a signal."""


class Router(Agent):
    """Tell routers of the addresses that a node announces by host route

    One BIRD per node, of vsctl's own: it tells the routers of a subnet of
    the addresses for which a vip resource asks for it, because no port on
    their own subnet is good. It learns nothing, changes no route of the node
    and leaves any other BIRD alone. Between failures it tells of nothing.
    """

    routers = Param(
        bird.routers,
        "The routers of each subnet: lan-b bgp 64512 198.51.100.1@64500 bfd;lan-c ospf 0.0.0.0 4 6",
        reloadable=True,
    )
    ports = Param(
        topology.ports,
        "For each node its ports on these subnets: n1=e1a:lan-b n2=e1a:lan-b,e2a:lan-c",
        reloadable=True,
    )

    @action("start", timeout=20)
    def start(self) -> None:
        os.makedirs(bird.DIRECTORY, mode=0o700, exist_ok=True)
        if bird.process() is not None:
            self._update()
        else:
            self._write(self._text())
            self._spawn()

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self._update()

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        if bird.process() is None:
            raise NotRunning("the BIRD of vsctl does not run")
        if self.probing:
            self._ask("show status")
        else:
            self._update()

    @action("stop", timeout=20)
    def stop(self) -> None:
        from vsctl.agents import processes

        def alive() -> list[int]:
            process = bird.process()
            return [] if process is None else [process]

        if alive():
            try:
                bird.ask("down", ENDING)  # routers hear of it, and need not find out
                processes.until(lambda: not alive(), ENDING)
            except (OSError, Failure):
                pass
        for signal in (TERM, KILL):
            processes.kill(alive, signal, ENDING)
        if alive():
            raise Failure("the BIRD of vsctl does not end")
        for each in (bird.SOCKET, bird.CONFIGURATION, bird.SPOKEN, bird.PROCESS):
            if os.path.exists(each):
                os.unlink(each)

    def _update(self) -> None:
        """Let BIRD heed what has changed: the parameters, a password, the addresses of a port."""
        text = self._text()
        if "".join(f"{line}\n" for line in node.read_lines(bird.CONFIGURATION)) == text:
            self._ask("show status")
        else:
            self._write(text)
            self._ask("configure")

    def _ask(self, command: str) -> None:
        try:
            bird.ask(command)
        except OSError as problem:
            raise Failure(f"the BIRD of vsctl does not answer: {words(problem)}") from None

    def _mine(self) -> dict[str, str]:
        return self.ports.get(names.this_node(), {})

    def _text(self) -> str:
        netlink = Netlink()
        links = (rtnetlink.link(netlink, port) for port in self._mine())
        own = {
            link.name: [
                Address(AF_INET if len(packed) == 4 else AF_INET6, packed, prefix)
                for packed, prefix in rtnetlink.addresses(netlink, link.index).items()
            ]
            for link in links
            if link is not None
        }
        files = {each.password for each in self.routers if each.password}
        return bird.configuration(
            self.routers, self._mine(), own, {each: bird.password(each) for each in files}
        )

    def _write(self, text: str) -> None:
        before = os.umask(0o077)  # a password may be in it
        try:
            node.write_lines(bird.CONFIGURATION, text.splitlines())
            node.write_lines(bird.SPOKEN, bird.spoken(self.routers, self._mine()))
        finally:
            os.umask(before)

    def _spawn(self) -> None:
        from vsctl.agents import paths, processes, programs

        os.makedirs(paths.LOGS, mode=0o750, exist_ok=True)
        programs.run(["bird", "-c", bird.CONFIGURATION, "-s", bird.SOCKET, "-P", bird.PROCESS])

        def answers() -> bool:
            try:
                bird.ask("show status")
            except (OSError, Failure):
                return False
            return True

        if not processes.until(answers, READY):
            raise Failure(f"the BIRD of vsctl does not answer after {READY:g} s, see {bird.LOG}")
