"""How does the packet filter get our tables, and how is one found, without a process?

Through nfnetlink, as in <linux/netfilter/nfnetlink.h> and
<linux/netfilter/nf_tables.h>: nft(8) costs more than all else that an agent
does. The type of a message is subsystem and kind, the body `struct nfgenmsg`
and attributes, whose numbers are big-endian. Rules are written as for nft, in
the few words that our tables need: fields joined by dots are looked up in a
named set, `iifname . ip saddr @ipv4 accept`; what has no name there, by bit and
length after the beginning of the transport's header, is compared with a number,
`@th,256,64 7 drop`; before the verdict a connection
may be handed to a process of this node, `tproxy ip to 127.0.0.1:2050 accept`.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_pton
from _struct import pack

from vsctl.agents import system as os
from vsctl.agents.netlink import F_APPEND, F_CREATE, NETFILTER, Netlink, attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Message = tuple[int, bytes, int]
    """Type, body and flags."""

_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE, _NEWSET, _NEWSETELEM = 0, 1, 2, 3, 6, 9, 12
_INET = 1  # NFPROTO_INET
_NESTED = 0x8000

_TABLE_NAME = 1
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 1, 3, 4, 5, 7
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS = 1, 2, 4
_LIST_ELEMENT, _EXPRESSION_NAME, _EXPRESSION_DATA = 1, 1, 2
_DATA_VALUE, _DATA_VERDICT, _VERDICT_CODE = 1, 2, 1
_SET_TABLE, _SET_NAME, _SET_KEY_TYPE, _SET_KEY_LENGTH, _SET_ID, _SET_USERDATA = 1, 2, 4, 5, 10, 13
_SET_EXPRESSION = 17
_ELEMENTS_TABLE, _ELEMENTS_SET, _ELEMENTS_LIST, _ELEMENT_KEY = 1, 2, 3, 1

_LOAD_REGISTER = 1  # of `meta`, `payload` and `immediate`
_META_KEY = 2
_PAYLOAD_BASE, _PAYLOAD_OFFSET, _PAYLOAD_LENGTH = 2, 3, 4
_NETWORK, _TRANSPORT = 1, 2
_IMMEDIATE_DATA = 2
_LOOKUP_SET, _LOOKUP_REGISTER, _LOOKUP_FLAGS = 1, 2, 5
_COMPARE_REGISTER, _COMPARE_HOW, _COMPARE_DATA = 1, 2, 3
_EQUAL = 0
_TPROXY_FAMILY, _TPROXY_ADDRESS, _TPROXY_PORT = 1, 2, 3
_VERDICT_REGISTER = 0
_FIRST_REGISTER = 8  # NFT_REG32_00; each has four bytes

_HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3}
_PRIORITIES = {"prerouting": -150}
"""What nft calls `mangle`; 0, `filter`, of others."""
_VERDICTS = {"drop": 0, "accept": 1}
_PROTOCOLS = {"ipv4": 2, "ipv6": 10}
_TRANSPORTS = {"tcp": 6, "udp": 17}
_FLAGS = {"syn": 0x02, "ecn": 0x40, "cwr": 0x80}
_KINDS = {
    "ipv4_addr": (7, 4),
    "ipv6_addr": (8, 16),
    "inet_proto": (12, 1),
    "inet_service": (13, 2),
    "tcp_flag": (15, 1),
    "ifname": (41, 16),
}
"""What nft calls the kinds of a set's fields, with its numbers for them and their lengths."""


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, pack(">L", value))


def _meta(key: int, length: int) -> tuple[str, bytes, int]:
    return "meta", _number(_META_KEY, key), length


def _payload(base: int, offset: int, length: int) -> tuple[str, bytes, int]:
    where = _number(_PAYLOAD_BASE, base) + _number(_PAYLOAD_OFFSET, offset)
    return "payload", where + _number(_PAYLOAD_LENGTH, length), length


_FIELDS = {
    "iifname": _meta(6, 16),
    "oifname": _meta(7, 16),
    "meta nfproto": _meta(15, 1),
    "meta l4proto": _meta(16, 1),
    "ip saddr": _payload(_NETWORK, 12, 4),
    "ip daddr": _payload(_NETWORK, 16, 4),
    "ip6 saddr": _payload(_NETWORK, 8, 16),
    "ip6 daddr": _payload(_NETWORK, 24, 16),
    "th sport": _payload(_TRANSPORT, 0, 2),
    "th dport": _payload(_TRANSPORT, 2, 2),
    "tcp flags": _payload(_TRANSPORT, 13, 1),
}

_HOST_ORDER = pack("=BBL", 0, 4, 1)
"""What nft itself notes about a set of names, NFTNL_UDATA_SET_KEYBYTEORDER: else it lists them as empty."""

_AT_ONCE = 500
"""How many elements of a set are sent in one message: an attribute is no longer than 64 KiB."""


class Set:
    """A named set. `kinds` and each element's values are text with spaced dots: `ifname . ipv4_addr`.

    The elements of a `counted` one count the packets and bytes that are found in them.
    """

    __slots__ = ("counted", "elements", "kinds", "name")

    def __init__(self, name: str, kinds: str, elements: Sequence[str], *, counted: bool = False) -> None:
        self.name = name
        self.kinds = kinds.split(" . ")
        self.elements = elements
        self.counted = counted


class Chain:
    """Rules at a hook, `prerouting`, `input`, `forward` or `output`; what none of them decides is accepted."""

    __slots__ = ("hook", "rules")

    def __init__(self, hook: str, rules: Sequence[str]) -> None:
        self.hook = hook
        self.rules = rules


def has_table(name: str) -> bool:
    """Say whether the table `inet <name>` exists in the network namespace of this process."""
    kind, body, _ = _message(_GETTABLE, attribute(_TABLE_NAME, name))
    try:
        (_used.get(_here()) or Netlink(NETFILTER)).ask(kind, body)
    except FileNotFoundError:
        return False
    return True


def replace(table: str, sets: Sequence[Set], chains: Sequence[Chain]) -> None:
    """Give the table `inet <table>` this content at one blow, whatever it held."""
    name = attribute(_TABLE_NAME, table)
    messages = [_message(_NEWTABLE, name), _message(_DELTABLE, name), _message(_NEWTABLE, name)]
    for number, each in enumerate(sets, 1):
        messages += _set(table, number, each)
    for chain in chains:
        messages += _chain(table, chain)
    _change(messages)


def remove(table: str) -> None:
    """Delete the table `inet <table>`; one that is gone is gone."""
    try:
        _change([_message(_DELTABLE, attribute(_TABLE_NAME, table))])
    except FileNotFoundError:
        pass


_used: dict[tuple[int, int], Netlink] = {}
"""By what changes were made, by process and network namespace.

Whoever closes a socket waits until the kernel has cleared away all that was replaced before, some 10 ms each
time. A process that ends does so at its end, and by then the kernel has done it.
"""


def _here() -> tuple[int, int]:
    return os.getpid(), os.stat("/proc/self/ns/net").st_ino


def _change(messages: Sequence[Message]) -> None:
    here = _here()
    if here not in _used:
        _used[here] = Netlink(NETFILTER)
    _used[here].transact(_SUBSYSTEM, messages)


def _message(kind: int, body: bytes) -> Message:
    flags = F_CREATE | F_APPEND if kind == _NEWRULE else F_CREATE
    return _SUBSYSTEM << 8 | kind, pack("=BBH", _INET, 0, 0) + body, flags


def _set(table: str, number: int, what: Set) -> Iterator[Message]:
    kind = length = 0
    for each in what.kinds:
        numbered, bytes_of = _KINDS[each]
        kind, length = kind << 6 | numbered, length + _padded(bytes_of)
    yield _message(
        _NEWSET,
        attribute(_SET_TABLE, table)
        + attribute(_SET_NAME, what.name)
        + _number(_SET_KEY_TYPE, kind)
        + _number(_SET_KEY_LENGTH, length)
        + _number(_SET_ID, number)
        + (attribute(_SET_USERDATA, _HOST_ORDER) if what.kinds == ["ifname"] else b"")
        + (_nested(_SET_EXPRESSION, attribute(_EXPRESSION_NAME, "counter")) if what.counted else b""),
    )
    for first in range(0, len(what.elements), _AT_ONCE):
        keys = [_key(what.kinds, each.split(" . ")) for each in what.elements[first : first + _AT_ONCE]]
        listed = b"".join(
            _nested(_LIST_ELEMENT, _nested(_ELEMENT_KEY, attribute(_DATA_VALUE, key)))
            for key in dict.fromkeys(keys)
        )
        yield _message(
            _NEWSETELEM,
            attribute(_ELEMENTS_TABLE, table)
            + attribute(_ELEMENTS_SET, what.name)
            + _nested(_ELEMENTS_LIST, listed),
        )


def _key(kinds: Sequence[str], values: Sequence[str]) -> bytes:
    return b"".join(_value(kind, value) for kind, value in zip(kinds, values, strict=True))


def _value(kind: str, text: str) -> bytes:
    """Return a field's value as it is in a packet or in the kernel's mind, padded as registers are."""
    if kind == "ifname":
        value = text.encode()
    elif kind == "inet_proto":
        value = bytes([_TRANSPORTS[text]])
    elif kind == "tcp_flag":
        value = bytes([sum(_FLAGS[each] for each in text.split("|"))])
    elif kind == "inet_service":
        value = int(text).to_bytes(2, "big")
    else:
        value = inet_pton(AF_INET if kind == "ipv4_addr" else AF_INET6, text)
    return value.ljust(_padded(_KINDS[kind][1]), b"\0")


def _chain(table: str, chain: Chain) -> Iterator[Message]:
    yield _message(
        _NEWCHAIN,
        attribute(_CHAIN_TABLE, table)
        + attribute(_CHAIN_NAME, chain.hook)
        + _nested(
            _CHAIN_HOOK,
            _number(_HOOK_NUMBER, _HOOKS[chain.hook])
            + attribute(_HOOK_PRIORITY, pack(">l", _PRIORITIES.get(chain.hook, 0))),
        )
        + _number(_CHAIN_POLICY, _VERDICTS["accept"])
        + attribute(_CHAIN_TYPE, "filter"),
    )
    for rule in chain.rules:
        yield _message(
            _NEWRULE,
            attribute(_RULE_TABLE, table)
            + attribute(_RULE_CHAIN, chain.hook)
            + _nested(_RULE_EXPRESSIONS, b"".join(_expressions(rule))),
        )


def _expressions(rule: str) -> Iterator[bytes]:
    """Yield what a rule's words mean to the kernel: load fields into registers, look them up, decide."""
    *words, verdict = rule.split()
    for family, protocol in (("ip", "ipv4"), ("ip6", "ipv6")):
        if family in words:
            words = ["meta", "nfproto", protocol, *words]
    register = _FIRST_REGISTER
    inverted = 0
    rest = iter(words)
    for word in rest:
        if word == "!=":
            inverted = 1
        elif word.startswith("@th,"):
            offset, length = (int(each) // 8 for each in word[4:].split(","))
            expression, what, _ = _payload(_TRANSPORT, offset, length)
            yield _expression(expression, _number(_LOAD_REGISTER, _FIRST_REGISTER) + what)
            yield _is(int(next(rest)).to_bytes(length, "big"))
        elif word.startswith("@"):
            yield _expression(
                "lookup",
                attribute(_LOOKUP_SET, word[1:])
                + _number(_LOOKUP_REGISTER, _FIRST_REGISTER)
                + _number(_LOOKUP_FLAGS, inverted),
            )
            register, inverted = _FIRST_REGISTER, 0
        elif word == "tproxy":
            family, _, where = (next(rest) for _ in range(3))
            yield from _hand_to("ipv4" if family == "ip" else "ipv6", where)
        elif word != ".":
            field = word if word in _FIELDS else f"{word} {next(rest)}"
            expression, what, length = _FIELDS[field]
            yield _expression(expression, _number(_LOAD_REGISTER, register) + what)
            register += _padded(length) // 4
            if field == "meta nfproto":
                yield _is(bytes([_PROTOCOLS[next(rest)]]))
                register = _FIRST_REGISTER
    code = _nested(_DATA_VERDICT, _number(_VERDICT_CODE, _VERDICTS[verdict]))
    yield _expression(
        "immediate", _number(_LOAD_REGISTER, _VERDICT_REGISTER) + _nested(_IMMEDIATE_DATA, code)
    )


def _is(value: bytes) -> bytes:
    """Return what goes on only if the value is what was loaded."""
    return _expression(
        "cmp",
        _number(_COMPARE_REGISTER, _FIRST_REGISTER)
        + _number(_COMPARE_HOW, _EQUAL)
        + _nested(_COMPARE_DATA, attribute(_DATA_VALUE, value)),
    )


def _hand_to(protocol: str, where: str) -> Iterator[bytes]:
    """Yield what gives packets of a connection to the process that listens at `address:port`."""
    address, _, port = where.rpartition(":")
    kind = f"{protocol}_addr"
    second = _FIRST_REGISTER + _KINDS[kind][1] // 4
    packed = _value(kind, address.strip("[]"))
    for register, value in ((_FIRST_REGISTER, packed), (second, int(port).to_bytes(2, "big"))):
        held = _nested(_IMMEDIATE_DATA, attribute(_DATA_VALUE, value))
        yield _expression("immediate", _number(_LOAD_REGISTER, register) + held)
    yield _expression(
        "tproxy",
        _number(_TPROXY_FAMILY, _PROTOCOLS[protocol])
        + _number(_TPROXY_ADDRESS, _FIRST_REGISTER)
        + _number(_TPROXY_PORT, second),
    )


def _expression(name: str, data: bytes) -> bytes:
    return _nested(_LIST_ELEMENT, attribute(_EXPRESSION_NAME, name) + _nested(_EXPRESSION_DATA, data))


def _nested(kind: int, attributes: bytes) -> bytes:
    return attribute(kind | _NESTED, attributes)


def _padded(length: int) -> int:
    return (length + 3) & ~3
