"""What do this node and the servers on it need, and who hears of it?

Looks every ten seconds, and tells the cluster in one private attribute, when
something has changed so much that it matters. Whoever reads it asks Pacemaker whether
this daemon works, and not a clock how old it is: what stands there is what is
known now, and nothing where nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from vsctl.agents.netlink import Netlink
from vsctl.agents.noded import loads, traffic, usage
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.loads import Load, Meter
from vsctl.agents.noded.loop import Loop, now
from vsctl.agents.ocf import log, words

LOAD = "load"
"""The private attribute; `docs/contracts.md` has its form."""


class Measuring:
    """The load of one node and of what is on it."""

    def __init__(
        self,
        loop: Loop,
        attributes: Attributes,
        netlink: Netlink,
        *,
        servers: Callable[[], Collection[str]],
        ports: Callable[[], Collection[str]],  # those that can carry something now
        clients: Callable[[], Mapping[str, int]],
    ) -> None:
        self._loop = loop
        self._attributes = attributes
        self._netlink = netlink
        self._servers = servers
        self._ports = ports
        self._clients = clients
        self._node = Meter()
        self._meters: dict[str, Meter] = {}
        self._told: dict[str, Load | None] = {}
        self._told_most: dict[str, float] = {}
        self._measured = now()
        attributes.drop(LOAD)  # what a daemon before this one has told

    def look(self) -> None:
        """Measure now and again every ten seconds."""
        self._loop.after(loads.EVERY, self.look)
        try:
            self._measure()
        except (OSError, ValueError) as problem:  # or the kernel says something in another form
            log(f"the load cannot be measured now: {words(problem)}")
            if self._told and now() - self._measured > loads.GAP:
                self._told = {}
                self._attributes.drop(LOAD)
        else:
            self._measured = now()
            self._tell()

    def _measure(self) -> None:
        self._node.take(usage.of_node(self._netlink, self._ports(), now()))
        found = usage.of_servers(self._netlink, self._servers(), self._clients(), now())
        self._meters = {server: self._meters.get(server, Meter()) for server in found}
        for server, sample in found.items():
            self._meters[server].take(sample)

    def _tell(self) -> None:
        servers = {server: meter.load for server, meter in sorted(self._meters.items())}
        node = loads.of_node(self._node.load, [each for each in servers.values() if each is not None])
        now_known, most = {"": node, **servers}, self._most()
        if node is None or (
            most == self._told_most
            and now_known.keys() == self._told.keys()
            and not any(loads.differs(self._told[each], load) for each, load in now_known.items())
        ):
            return
        self._told, self._told_most = now_known, most
        sections = [loads.text(node, most)]
        sections += [f"{server} {loads.text(load)}" for server, load in servers.items() if load is not None]
        self._attributes.want([(LOAD, ";".join(sections))], private=True)

    def _most(self) -> dict[str, float]:
        """Return what the node could carry."""
        network = sum(map(traffic.speed, self._ports()))
        return {"cpu": usage.processors(), "memory": usage.memory(), "network": network}
