"""How is BIRD told whom to tell of host routes, and is anybody listening?

vsctl runs a BIRD of its own on a node, with its own files in
`/run/vsctl/_router`, beside whatever else routes there. It reads one table of
the kernel (`hostroute`), tells each router of a subnet by each port of the
node on it, learns nothing from them and writes nothing to the kernel.

Every port is a router of its own to the others: what one of them hears is
never passed on by another, so that no way ever leads through the node.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6

from vsctl.agents import names, node, paths
from vsctl.agents import system as os
from vsctl.agents.addresses import parse
from vsctl.agents.ocf import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vsctl.agents.addresses import Address

DIRECTORY = f"{paths.RUN}/_router"
CONFIGURATION = f"{DIRECTORY}/bird.conf"
SOCKET = f"{DIRECTORY}/bird.ctl"
PROCESS = f"{DIRECTORY}/bird.pid"
"""BIRD writes it, and removes it when it ends."""
SPOKEN = f"{DIRECTORY}/spoken"
"""Which families are to be spoken on which port: `e1a 4`."""
LOG = f"{paths.LOGS}/router.log"

BGP, OSPF = "bgp", "ospf"
LISTENING = 1179
"""BGP's own port stays free for another BIRD: we call the routers, nobody has to call us."""
HOLD = 9
"""Seconds after which a router forgets what a dead node has told it, if it agrees."""
BFD = "bfd"
SIGN, MISSED = 200, 5
"""Milliseconds between two signs of life where BFD is spoken, and how many may be missed."""
AGAIN, AT_MOST, FORGIVEN = 1, 5, 10
"""Seconds until a router is called again after an error, doubled up to; and after which one is forgotten."""
HELD = 4.0
"""Seconds until the loss of a router is believed.

A BIRD that gets no processor for a second is taken for dead where BFD is
spoken, and has all its sessions back 2 to 4 s after it goes on, by routers that
listen again at once. What would be done about the loss takes longer.
"""

VERSIONS = {AF_INET: 4, AF_INET6: 6}
_LONGEST_PASSWORD = 80  # TCP_MD5SIG_MAXKEYLEN
_UP = ("Established", "Running")
"""The states of a BGP session and of an OSPF protocol with a neighbour that has everything."""


class Routers:
    """The routers of one subnet, as the cluster file declares them.

    `number` is our autonomous system or the area, `peers` are (address, its
    autonomous system), `password` the file that has it. With `bfd` both sides
    give each other signs of life.
    """

    __slots__ = ("bfd", "families", "number", "password", "peers", "protocol", "subnet")

    def __init__(
        self,
        subnet: str,
        protocol: str,
        number: str,
        peers: Sequence[tuple[Address, str]],
        families: Iterable[int],
        password: str | None,
        bfd: bool,
    ) -> None:
        self.subnet = subnet
        self.protocol = protocol
        self.number = number
        self.peers = peers
        self.families = sorted(families)
        self.password = password
        self.bfd = bfd


def routers(text: str) -> tuple[Routers, ...]:
    """Read `lan-b bgp 64512 198.51.100.1@64500 /etc/vsctl/bgp bfd;lan-c ospf 0.0.0.0 4 6`."""
    return tuple(_routers(*section.split()) for section in text.split(";") if section.strip())


def _routers(subnet: str = "", protocol: str = "", number: str = "", *rest: str) -> Routers:
    names.known(subnet)
    bfd = rest[-1:] == (BFD,)
    if bfd:
        rest = rest[:-1]
    if protocol == OSPF and rest and set(rest) <= {"4", "6"}:
        parse(number)  # an area is written like an address
        return Routers(
            subnet, OSPF, number, (), (AF_INET if each == "4" else AF_INET6 for each in rest), None, bfd
        )
    peers = [each.partition("@") for each in rest if not each.startswith("/")]
    passwords = [each for each in rest if each.startswith("/")]
    right = number.isdecimal() and peers and all(number_of.isdecimal() for _, _, number_of in peers)
    if protocol != BGP or not right or len(passwords) > 1:
        raise ValueError(
            f"{subnet} is not followed by `bgp AS PEER@AS [PASSWORD FILE] [bfd]` or `ospf AREA 4 6 [bfd]`"
        )
    found = [(parse(address), number_of) for address, _, number_of in peers]
    return Routers(
        subnet, BGP, number, found, {each.family for each, _ in found}, next(iter(passwords), None), bfd
    )


def spoken(declared: Sequence[Routers], ports: Mapping[str, str]) -> list[str]:
    """Return the lines of SPOKEN; `ports` has the subnet of each port of this node."""
    return [
        f"{port} {VERSIONS[family]}"
        for port, subnet in ports.items()
        for each in declared
        if each.subnet == subnet
        for family in each.families
    ]


def configuration(
    declared: Sequence[Routers],
    ports: Mapping[str, str],
    addresses: Mapping[str, Sequence[Address]],
    passwords: Mapping[str, str],
) -> str:
    """Return what BIRD is to do, as in its manual.

    `addresses` are those of each port; a port without one of a peer's family
    has no session with it. `passwords` is by their files.
    """
    blocks = [
        f'log "{LOG}" {{ info, remote, warning, error, auth, fatal, bug }};',
        f"router id {names.router('vsctl')};",  # every protocol has its own
        "protocol device { scan time 10; }",
    ]
    for version, bits in ((4, 32), (6, 128)):
        blocks.append(f"ipv{version} table hosts{version};")
        blocks.append(
            f"protocol kernel 'hosts.{version}' {{ kernel table {names.HOSTS}; learn; scan time 10; "
            f"ipv{version} {{ table hosts{version}; "
            f"import where krt_source = {names.PROTOCOL} && net.len = {bits}; export none; }}; }}"
        )
    watched = [
        port for port, subnet in ports.items() for each in declared if each.subnet == subnet and each.bfd
    ]
    if watched:
        signs = f"{{ interval {SIGN} ms; multiplier {MISSED}; }}"
        ways = " ".join(f'interface "{port}" {signs};' for port in watched)
        blocks.append(f"protocol bfd {{ {ways} }}")
    for port, subnet in ports.items():
        for each in declared:
            if each.subnet == subnet:
                speak = _bgp if each.protocol == BGP else _ospf
                blocks += speak(each, port, addresses.get(port, ()), passwords)
    return "".join(f"{block}\n" for block in blocks)


def _bgp(declared: Routers, port: str, own: Sequence[Address], passwords: Mapping[str, str]) -> Iterable[str]:
    for place, (peer, number) in enumerate(declared.peers, 1):
        local = _beside(peer, own)
        if local is None:
            continue
        password = f'password "{passwords[declared.password]}"; ' if declared.password else ""
        yield (
            f"protocol bgp {_name(port, peer.family, place)} {{ router id {_identity(port, own)}; "
            f"local {local.ip} port {LISTENING} as {declared.number}; neighbor {peer.ip} as {number}; "
            f'interface "{port}"; strict bind yes; {password}'
            f"hold time {HOLD}; connect delay time 1; connect retry time 3; "
            f"error wait time {AGAIN}, {AT_MOST}; error forget time {FORGIVEN}; "
            f"graceful restart off; {_signs(declared)}{_channel(peer.family, 'next hop self; ')} }}"
        )


def _ospf(declared: Routers, port: str, own: Sequence[Address], _: Mapping[str, str]) -> Iterable[str]:
    for family in declared.families:
        version = "v2" if family == AF_INET else "v3"
        yield (
            f"protocol ospf {version} {_name(port, family, 1)} {{ router id {_identity(port, own)}; "
            f"stub router yes; {_channel(family)} "
            f'area {declared.number} {{ interface "{port}" {{ {_signs(declared)}priority 0; }}; }}; }}'
        )


def _signs(declared: Routers) -> str:
    return "bfd on; " if declared.bfd else ""


def _channel(family: int, more: str = "") -> str:
    version = VERSIONS[family]
    return f"ipv{version} {{ table hosts{version}; import none; export all; {more}}};"


def _name(port: str, family: int, place: int) -> str:
    """Return a protocol's name, which has no @ but may have a colon; a port's name the other way round."""
    return f"'{port.replace('@', ':')}.{VERSIONS[family]}.{place}'"


def _beside(peer: Address, own: Sequence[Address]) -> Address | None:
    """Return the address of the port that shares a network with the peer."""
    return next(
        (each for each in own if each.family == peer.family and _in_network(peer.packed, each)),
        None,
    )


def _in_network(packed: bytes, address: Address) -> bool:
    host = address.bits - address.prefix
    return int.from_bytes(packed, "big") >> host == int.from_bytes(address.packed, "big") >> host


def _identity(port: str, own: Sequence[Address]) -> str:
    """Return what routers know the port by: its own address, or else a hash of the node's and its names."""
    return next(
        (each.ip for each in own if each.family == AF_INET), names.router(f"{os.uname().nodename}/{port}")
    )


def password(file: str) -> str:
    """Return the password in a file, or fail with what is wrong with it."""
    try:
        with open(file) as opened:
            found = opened.read().strip()
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not text"
        raise Failure(f"the password file {file} cannot be read: {why}") from None
    if not found or not found.isprintable() or '"' in found or len(found.encode()) > _LONGEST_PASSWORD:
        raise Failure(
            f"the password file {file} does not hold one line of 1 to {_LONGEST_PASSWORD} characters "
            'without "'
        )
    return found


def process() -> int | None:
    """Return the process id of our BIRD, None if it does not live."""
    for pid in node.read_lines(PROCESS):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                if CONFIGURATION in file.read().split("\0"):
                    return int(pid)
        except OSError:
            continue
    return None


def ask(command: str, limit: float = 5.0) -> list[str]:
    """Return what BIRD says to a command, a line each, as `birdc` would show it.

    OSError if it does not answer within `limit` seconds, Failure with its words if it refuses.
    """
    from _socket import AF_UNIX, SOCK_STREAM, socket

    line = socket(AF_UNIX, SOCK_STREAM)
    try:
        line.settimeout(limit)
        line.connect(SOCKET)
        _reply(line)  # its greeting
        line.send(f"{command}\n".encode())
        code, said = _reply(line)
    finally:
        line.close()
    if code >= 8000:
        raise Failure(f"BIRD says to `{command}`: {' '.join(said)}")
    return said


def _reply(line: object) -> tuple[int, list[str]]:
    """Read one reply: lines of `1002-text`, ` text` that goes on with the last code, `0000 ` at the end."""
    said = b""
    while True:
        lines = said.split(b"\n")
        if len(lines) > 1 and lines[-2][:4].isdigit() and lines[-2][4:5] == b" ":
            break
        part = line.recv(1 << 16)  # type: ignore[attr-defined]
        if not part:
            raise ConnectionResetError(104, "it hung up")
        said += part
    text = [each.decode() for each in lines[:-1]]
    return int(text[-1][:4]), [each[5:] if each[:4].isdigit() else each[1:] for each in text]


def told(limit: float = 2.0) -> set[str] | None:
    """Return the ports by which a router of every family that should be is told now; none without BIRD.

    None if BIRD does not answer within `limit` seconds.
    """
    wanted = [line.split() for line in node.read_lines(SPOKEN)]
    if not wanted or process() is None:
        return set()
    try:
        said = ask("show protocols", limit)
    except TimeoutError:
        return None
    except (OSError, Failure):
        return set()
    up = {tuple(words[0].rsplit(".", 2)[:2]) for words in map(str.split, said) if words and words[-1] in _UP}
    silent = {port for port, version in wanted if (port.replace("@", ":"), version) not in up}
    return {port for port, _ in wanted} - silent
