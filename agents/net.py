"""Where does a virtual server live in the node's network?"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton

from vsctl.agents import names, namespaces, paths, rtnetlink
from vsctl.agents import system as os
from vsctl.agents.addresses import some
from vsctl.agents.netlink import Netlink
from vsctl.agents.ocf import Agent, Failure, NotRunning, Param, action, log, words
from vsctl.agents.rtnetlink import Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vsctl.agents.addresses import Address
    from vsctl.agents.reroute import Detour
    from vsctl.agents.rtnetlink import Link

NEXT_HOP = {AF_INET: inet_pton(AF_INET, "169.254.1.1"), AF_INET6: inet_pton(AF_INET6, "fe80::1")}
"""What a server takes its node's side of the veth pair for. Nobody has these addresses:
a permanent neighbour entry says which hardware address is meant."""

ENOTEMPTY = 39
TERM, KILL = 15, 9
PATIENCE = 3.0
"""How many seconds processes get to end by themselves, and then the kernel to end them."""


def detours_by_subnet(text: str) -> list[tuple[str, tuple[Address, ...], dict[str, tuple[str, ...]]]]:
    """Read `lan-a 192.0.2.10 n1=e1a n2=e1a;lan-b ...`: name, addresses and ports by node of each subnet."""
    found = []
    for section in text.split(";"):
        subnet, *words = section.split() or [""]
        if not subnet:
            continue
        nodes: dict[str, tuple[str, ...]] = {}
        for each in words:
            name, equals, ports = each.partition("=")
            if equals and not (name and all(ports.split(","))):
                raise ValueError(f"{each} is not of the form node=port,port")
            if equals:
                nodes[name] = tuple(ports.split(","))
        found.append((names.known(subnet), some(" ".join(each for each in words if "=" not in each)), nodes))
    return found


class Net(Agent):
    """Give a virtual server its network namespace and its addresses

    All addresses are in the namespace, on its loopback interface; a veth pair
    leads there. The node routes them into it and forwards nothing else for
    it. Nobody outside hears of them before a vip resource announces them. NFS
    is closed from the beginning, until the gate opens it.
    """

    server = Param(names.known, "Name of the virtual server")
    addresses = Param(
        some,
        "Every address of the server with prefix length, such as 192.0.2.10/24, separated by spaces",
        reloadable=True,
    )
    detours = Param(
        detours_by_subnet,
        "For each subnet its addresses and each node's ports on other subnets, by which peers route to the "
        "server: lan-a 192.0.2.10 n1=e1a n2=e1a;lan-b 198.51.100.10 n1=e0a,e0b n2=e0a",
        default="",
        reloadable=True,
    )

    @action("start", timeout=20)
    def start(self) -> None:
        new = not namespaces.exists(self.server)
        self._establish()
        if new:
            log(f"{self.server} has its network here")

    @action("reload-agent", timeout=20)
    def reload(self) -> None:
        self._establish()

    @action("monitor", timeout=20, interval=30)
    def monitor(self) -> None:
        server = self.server
        netlink = Netlink()
        outside = rtnetlink.link(netlink, names.interface(server))
        if not namespaces.exists(server):
            if outside is None:
                raise NotRunning(f"{server} has no network namespace on this node")
            raise Failure(f"the network namespace of {server} is gone, {outside.name} is left")
        if outside is None or not outside.carrier:
            raise Failure(
                f"{server} is cut off: {names.interface(server)} is {'down' if outside else 'gone'}"
            )
        for family in _families(self.addresses):
            there = self._routes(netlink, family, outside)
            for route in _into(outside, self.addresses):
                if route.family == family and route not in there:
                    raise Failure(f"no route leads to {server} for one of its addresses")
        with namespaces.inside(server):
            netlink = Netlink()
        present = rtnetlink.addresses(netlink, rtnetlink.LOOPBACK)
        for address in self.addresses:
            if address.packed not in present:
                raise Failure(f"{server} has lost its address {address.ip}")
        inside = rtnetlink.link(netlink, names.INSIDE)
        if inside is None:
            raise Failure(f"{server} is cut off: {names.INSIDE} in its namespace is gone")
        for family in _families(self.addresses):
            if _out_of(inside, family, self.addresses) not in self._routes(netlink, family, inside):
                raise Failure(f"{server} has lost its default route")
        self._meet_peers()

    def _routes(self, netlink: Netlink, family: int, link: Link) -> list[Route]:
        try:
            return rtnetlink.routes(netlink, family, rtnetlink.MAIN, link.index)
        except OSError as problem:
            raise Failure(
                f"{self.server} is cut off: {link.name} has just gone ({problem.strerror})"
            ) from None

    @action("stop", timeout=20)
    def stop(self) -> None:
        from vsctl.agents import announce, forwarding, reroute

        server = self.server
        for subnet in announce.recorded(server):
            announce.withdraw(server, subnet)
        reroute.part(server)
        _end_processes(server)
        rtnetlink.remove_link(Netlink(), names.interface(server))
        forwarding.dismiss(server)
        _forget(paths.run(server))
        namespaces.remove(server)  # last: while it is there, something may be left

    def _establish(self) -> None:
        """Make what is missing, remove what is too much, leave the rest alone."""
        try:
            self._establish_all()
        except OSError as problem:
            raise Failure(f"the network of {self.server} cannot be made: {words(problem)}") from None

    def _establish_all(self) -> None:
        from vsctl.agents import forwarding, gate, reroute

        server, addresses = self.server, self.addresses
        os.makedirs(paths.run(server), mode=0o700, exist_ok=True)
        if not namespaces.exists(server):
            gate.hold(server)  # a namespace that nobody holds closed looks like an open gate
        namespaces.create(server)
        with namespaces.inside(server):
            connected = rtnetlink.link(Netlink(), names.INSIDE)
        if connected is None:
            gate.shut(server)
        forwarding.admit(server, addresses)
        outside, inside = _pair(server)
        with namespaces.inside(server):
            _settle_inside()
            netlink = Netlink()
        _fill(netlink, inside, outside, addresses)
        _lead_there(Netlink(), inside, outside, addresses)
        if connected is None:
            gate.tell(server, gate.HEEDED)
        reroute.meet_all(server, self._detours_here())

    def _detours_here(self) -> list[Detour]:
        from vsctl.agents.reroute import Detour

        name = names.this_node()
        return [
            Detour(subnet, addresses, ports.get(name, ()))
            for subnet, addresses, ports in self.detours
            if ports.get(name)
        ]

    def _meet_peers(self) -> None:
        """See that peers find the server; where none of its addresses is announced here, look for who does."""
        if not self.detours or self.probing:
            return
        from vsctl.agents import announce, reroute, resident

        netlink = Netlink()
        for each in self._detours_here():
            wrong = reroute.problem(netlink, self.server, each)
            if wrong:
                log(f"{wrong}: mended")
                reroute.meet_all(self.server, self._detours_here())
            elif not announce.Record(self.server, each.subnet):
                # The daemon looks every second where a subnet is lost; and after a start nobody announces yet.
                patient = resident.process() is None
                reroute.settle(self.server, each, reroute.PATIENCE if patient else reroute.ANSWERING)


def _pair(server: str) -> tuple[Link, Link]:
    """Return both sides of the veth pair, made if need be."""
    netlink = Netlink()
    name = names.interface(server)
    with namespaces.inside(server):
        there = Netlink()
    outside, inside = rtnetlink.link(netlink, name), rtnetlink.link(there, names.INSIDE)
    if outside is None or inside is None:
        rtnetlink.remove_link(netlink, name)  # its other side is elsewhere
        descriptor = os.open(paths.namespace(server), os.O_RDONLY)
        try:
            rtnetlink.add_veth(
                netlink,
                name,
                names.hardware(server, "outside"),
                names.INSIDE,
                names.hardware(server, "inside"),
                descriptor,
            )
        finally:
            os.close(descriptor)
        outside, inside = rtnetlink.link(netlink, name), rtnetlink.link(there, names.INSIDE)
    if outside is None or inside is None:
        raise Failure(f"{name} vanished while it was made")
    return outside, inside


def _settle_inside() -> None:
    """Make this namespace a plain host's, whatever it inherited: it forwards nothing and heeds no router."""
    from vsctl.agents import sysctls

    for setting, value in (
        ("ipv4/conf/all/forwarding", "0"),
        ("ipv6/conf/all/forwarding", "0"),
        ("ipv6/conf/all/disable_ipv6", "0"),
        ("ipv6/conf/lo/disable_ipv6", "0"),
        (f"ipv6/conf/{names.INSIDE}/disable_ipv6", "0"),
        (f"ipv6/conf/{names.INSIDE}/accept_ra", "0"),
    ):
        if sysctls.get(setting) is not None:
            sysctls.put(setting, value)


def _fill(netlink: Netlink, inside: Link, outside: Link, addresses: tuple[Address, ...]) -> None:
    """Give the namespace its addresses and the way out."""
    rtnetlink.bring_up(netlink, rtnetlink.LOOPBACK)
    rtnetlink.bring_up(netlink, inside.index)
    present = rtnetlink.addresses(netlink, rtnetlink.LOOPBACK)
    for address in addresses:
        if address.packed not in present:
            rtnetlink.add_address(netlink, rtnetlink.LOOPBACK, address)
    for family in _families(addresses):
        rtnetlink.set_neighbour(netlink, inside.index, family, NEXT_HOP[family], outside.hardware)
        rtnetlink.add_route(netlink, _out_of(inside, family, addresses))
    wanted = {each.packed for each in addresses}
    for packed in present:
        if packed not in wanted and packed != _LOCALHOST.get(len(packed)):
            rtnetlink.remove_address(netlink, rtnetlink.LOOPBACK, _FAMILY[len(packed)], packed)


def _lead_there(netlink: Netlink, inside: Link, outside: Link, addresses: tuple[Address, ...]) -> None:
    """Let the node send the addresses' packets, and only those, to the namespace."""
    from vsctl.agents import sysctls

    for setting, value in (
        (f"ipv6/conf/{outside.name}/disable_ipv6", "0"),
        (f"ipv4/conf/{outside.name}/forwarding", "1"),
    ):
        if sysctls.get(setting) is not None:
            sysctls.put(setting, value)
    rtnetlink.bring_up(netlink, outside.index)
    wanted = _into(outside, addresses)
    for route in wanted:
        if route.destination is not None:
            rtnetlink.set_neighbour(netlink, outside.index, route.family, route.destination, inside.hardware)
        rtnetlink.add_route(netlink, route)
    for family in rtnetlink.FAMILIES:
        for route in rtnetlink.routes(netlink, family, rtnetlink.MAIN, outside.index):
            if route.protocol == names.PROTOCOL and route not in wanted and route.destination is not None:
                rtnetlink.remove_route(netlink, route)
                rtnetlink.remove_neighbour(netlink, outside.index, family, route.destination)


def _into(outside: Link, addresses: tuple[Address, ...]) -> list[Route]:
    """The node's routes to the addresses."""
    return [
        Route(each.family, outside.index, each.packed, each.bits, protocol=names.PROTOCOL)
        for each in addresses
    ]


def _out_of(inside: Link, family: int, addresses: tuple[Address, ...]) -> Route:
    """The namespace's default route; what has no address of its own yet leaves by the family's first."""
    first = next(each for each in addresses if each.family == family)
    return Route(family, inside.index, gateway=NEXT_HOP[family], source=first.packed, protocol=names.PROTOCOL)


def _families(addresses: tuple[Address, ...]) -> list[int]:
    return sorted({each.family for each in addresses})


def _end_processes(server: str) -> None:
    """End every process in the namespace, first by TERM, then by KILL."""
    for signal in (TERM, KILL):
        running = namespaces.processes(server)
        if not running:
            return
        for process in running:
            _signal(process, signal)
        _await_end(server)
    left = namespaces.processes(server)
    if left:
        names_of = ", ".join(f"{_name(each)} ({each})" for each in left)
        raise Failure(f"processes of {server} do not end: {names_of}")


def _signal(process: int, signal: int) -> None:
    try:
        os.kill(process, signal)
    except ProcessLookupError:
        pass


def _await_end(server: str) -> None:
    """Wait until no process is left in the namespace, PATIENCE at most."""
    import select
    import time

    deadline = time.monotonic() + PATIENCE
    for process in namespaces.processes(server):
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        os.close(descriptor)


def _name(process: int) -> str:
    try:
        with open(f"/proc/{process}/comm") as file:
            return file.read().strip()
    except OSError:
        return "already gone"


def _forget(directory: str) -> None:
    """Remove a directory and all in it."""
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _forget(entry.path)
        else:
            os.unlink(entry.path)
    try:
        os.rmdir(directory)
    except OSError as problem:
        if problem.errno != ENOTEMPTY:
            raise
        _forget(directory)  # the node daemon has just locked something in it


_FAMILY = {4: AF_INET, 16: AF_INET6}
_LOCALHOST = {4: inet_pton(AF_INET, "127.0.0.1"), 16: inet_pton(AF_INET6, "::1")}
