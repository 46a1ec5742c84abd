"""How are sizes, times, addresses and names written, and what do they mean?

Each function turns text into a value, or raises ValueError with what to write
instead; without a message the key's own words for it do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from typing import TypeVar

from vsctl.policy.model import Address, Interface, Network

T = TypeVar("T")

NAME = r"[a-z][a-z0-9-]*"
NODE_NAME = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
INTERFACE_NAME = r"[A-Za-z0-9][A-Za-z0-9._@-]*"
ACCOUNT = r"@?[A-Za-z][A-Za-z0-9_.-]*"
SIZE = r"[0-9]+(\.[0-9]+)?[KMGTP]"
DURATION = r"([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"
PERCENTAGE = r"[0-9]+(\.[0-9]+)?%"
WINDOW = r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]"
NUMBER = r"[0-9]+(\.[0-9]+)?"
WHOLE = r"-?(0|[1-9][0-9]*)"
AGENT = r"[A-Za-z][A-Za-z0-9_/-]*"
OPTION = r"[A-Za-z_][A-Za-z0-9_-]*"
RESOURCE = r"[A-Za-z_][A-Za-z0-9_.-]*"
AREA = r"[0-9]+|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+"
NODE_FILE = r"/[A-Za-z0-9._/-]+"
EXPORTED = r'/[^"\\]*'
HOST = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"

NOT_A_DEVICE = ("bind", "rbind", "move", "remount", "loop", "offset", "sizelimit")
"""Options by which mount(8) mounts something else than a block device as it is."""

LONGEST_NAME = 63
LONGEST_INTERFACE_NAME = 15
LONGEST_HOST = 253
LONGEST_ACCOUNT = 32
SYSTEM_ACCOUNTS = ("root", "nobody", "nogroup")
HIGHEST_PRIORITY = 999_999
MOST = 2**63 - 1

SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
POWERS = "KMGTP"


def matching(pattern: str, text: str, longest: int = 4096) -> str:
    if len(text) > longest:
        raise ValueError(f"write at most {longest} characters")
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError
    return text


def name(text: str) -> str:
    return matching(NAME, text, LONGEST_NAME)


def node_name(text: str) -> str:
    return matching(NODE_NAME, text, LONGEST_HOST)


def interface_name(text: str) -> str:
    return matching(INTERFACE_NAME, text, LONGEST_INTERFACE_NAME)


def account(text: str) -> str:
    name = text.removeprefix("@")
    if len(name) > LONGEST_ACCOUNT:
        raise ValueError(f"write at most {LONGEST_ACCOUNT} characters")
    matching(ACCOUNT, text)
    if name in SYSTEM_ACCOUNTS:
        raise ValueError(f"write accounts of the virtual server's own, {name} is not one")
    return text


def agent(text: str) -> str:
    return matching(AGENT, text)


def option_name(text: str) -> str:
    return matching(OPTION, text)


def resource(text: str) -> str:
    return matching(RESOURCE, text)


def printable(text: str) -> str:
    """Accept any text on one line, without blanks around it."""
    if not text or not text.isprintable() or text != text.strip():
        raise ValueError
    return text


def option_value(text: str) -> str:
    if not text.isprintable():
        raise ValueError
    return text


def whole(text: str, least: int, most: int) -> int:
    if re.fullmatch("0[0-9]+", text, re.ASCII):
        raise ValueError("write it without zeros in front, some would read it as octal")
    value = int(matching(WHOLE, text, 20))
    if not least <= value <= most:
        raise ValueError(f"write a number from {least} to {most}")
    return value


def number(text: str) -> float:
    value = float(matching(NUMBER, text, 20))
    if value <= 0:
        raise ValueError("write more than 0")
    return value


def quantity(text: str, base: int, example: str) -> int:
    """Return 1.5G and the like as a plain number; `base` is what K multiplies by."""
    if re.fullmatch(NUMBER, text, re.ASCII):
        raise ValueError(f"add a unit, such as {text}G" if len(text) < 8 else f"add a unit, as in {example}")
    matching(SIZE, text, 24)
    value = round(float(text[:-1]) * float(base) ** (POWERS.index(text[-1]) + 1))
    if not 0 < value <= MOST:
        raise ValueError(f"write something nearer to {example}")
    return value


def duration(text: str) -> int:
    """Return 1h30m and the like in seconds."""
    if re.fullmatch("[0-9]+", text, re.ASCII) and len(text) < 8:
        raise ValueError(f"add a unit, such as {text}s or {text}m")
    matching(DURATION, text, 40)
    seconds = sum(int(count) * SECONDS[unit] for count, unit in re.findall("([0-9]+)([dhms])", text))
    if not 0 < seconds <= 366 * SECONDS["d"]:
        raise ValueError("write at least 1s and at most 366d")
    return seconds


def percentage(text: str) -> float:
    """Return 10% as 0.1."""
    if re.fullmatch(NUMBER, text, re.ASCII) and len(text) < 8:
        raise ValueError(f"add the sign, {text}%")
    value = float(matching(PERCENTAGE, text, 12)[:-1])
    if value > 100:
        raise ValueError("write 100% or less")
    return value / 100


def window(text: str, or_else: str = "") -> tuple[int, int]:
    """Return 22:00-05:00 as minutes since midnight. `or_else` is what else to write for a whole day."""
    matching(WINDOW, text)
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    if start == end:
        raise ValueError(f"write two different times{or_else}")
    return start, end


def interface(text: str) -> Interface:
    """Return an address with its prefix length, one that a host can have."""
    _without_zone(text)
    if "/" not in text:
        address = _or_none(ip_address, text)
        if address is not None:
            raise ValueError(f"add its prefix length, such as {text}/{24 if address.version == 4 else 64}")
        raise ValueError
    try:
        value = ip_interface(text)
    except ValueError:
        raise ValueError(_what_is_wrong(text)) from None
    _usable(value.ip)
    return value


def address(text: str) -> Address:
    _without_zone(text)
    try:
        value = ip_address(text)
    except ValueError:
        if "/" in text and _or_none(ip_interface, text) is not None:
            raise ValueError(f"leave the prefix length out, {text.partition('/')[0]}") from None
        raise ValueError(_what_is_wrong(text)) from None
    _usable(value)
    return value


def network(text: str) -> Network:
    """Return a network that clients can be in."""
    value = any_network(text)
    if value.prefixlen == 0:
        raise ValueError("write the network of the subnet itself, this is everything")
    _usable(value.network_address)
    return value


def any_network(text: str) -> Network:
    _without_zone(text)
    if "/" not in text:
        raise ValueError
    try:
        return ip_network(text)
    except ValueError:
        loose = _or_none(lambda each: ip_network(each, strict=False), text)
        if loose is not None:
            raise ValueError(f"its network is {loose}, write that") from None
        raise ValueError(_what_is_wrong(text)) from None


def nfs_client(text: str) -> str:
    """Return a network, an address or a host name in its canonical form."""
    if "*" in text or "?" in text:
        raise ValueError("write 0.0.0.0/0 and ::/0 for everybody, wildcards are not understood")
    if text.startswith("@"):
        raise ValueError("write networks, netgroups are not understood")
    if "/" in text:
        return str(any_network(text))
    if _or_none(ip_address, text) is not None:
        return str(address(text))
    if ":" in text or re.fullmatch(r"[0-9.]+", text, re.ASCII):
        raise ValueError(_what_is_wrong(text))
    return matching(HOST, text.lower(), LONGEST_HOST)


def area(text: str) -> str:
    """Return an OSPF area, a number or written like an address, as the latter."""
    if re.fullmatch("[0-9]+", text, re.ASCII):
        return str(IPv4Address(whole(text, 0, 2**32 - 1)))
    try:
        return str(IPv4Address(matching(AREA, text)))
    except ValueError:
        raise ValueError from None


def node_file(text: str) -> str:
    return matching(NODE_FILE, text, 255)


def inner_path(text: str) -> str:
    """Return a path that begins with / and is in its shortest form, without . and .. in it."""
    if not text.startswith("/"):
        raise ValueError(f"write it from the top of its filesystem, /{text}")
    if not text.isprintable():
        raise ValueError("leave line ends and control characters out")
    parts = [each for each in text.split("/") if each not in ("", ".")]
    if ".." in parts:
        raise ValueError("write a path without .., which could leave the filesystem")
    short = "/" + "/".join(parts)
    if short != text:
        raise ValueError(f"write {short}")
    if len(text.encode()) > 1024 or any(len(each.encode()) > 255 for each in parts):
        raise ValueError("write at most 1024 bytes, 255 between two slashes")
    return text


def exported_path(text: str) -> str:
    """Return an inner path that the configuration of an NFS or SMB server can hold."""
    if bad := [each for each in '"\\' if each in text]:
        raise ValueError(f"leave out {' and '.join(bad)}, which NFS and SMB servers cannot be told of")
    return inner_path(text)


def device(text: str) -> str:
    if re.match("(UUID|LABEL|PARTUUID|PARTLABEL)=", text):
        raise ValueError("write its path below /dev/disk, a label or UUID can be on a copy as well")
    if any(each.isspace() for each in text):
        raise ValueError("leave blanks out")
    path = inner_path(text) if text.startswith("/") else ""
    if len(path) < 2:
        raise ValueError
    return path


def mount_option(text: str) -> str:
    if "," in text:
        raise ValueError("write each option as an item of its own")
    if text.partition("=")[0] in NOT_A_DEVICE:
        raise ValueError("leave it out, a filesystem is mounted once, from its device itself")
    return matching(r"[!-+\--~]+", text, 255)


def share_name(text: str) -> str:
    """Return a name that SMB allows, by [MS-FSCC] 2.1.6 and the sections smb.conf keeps for itself."""
    if text.lower() in ("global", "homes", "printers", "print$", "ipc$", "admin$") or re.fullmatch(
        r"[A-Za-z]\$", text
    ):
        raise ValueError("write another name, SMB keeps this one for itself")
    if len(text) > 80:
        raise ValueError("write at most 80 characters")
    bad = sorted({each for each in text if each in '%<>*?|/\\+=;:,"[]'})
    if bad:
        raise ValueError(f"leave out {' '.join(bad)}, which SMB does not allow in a name")
    if text in (".", ".."):
        raise ValueError
    return printable(text)


def _without_zone(text: str) -> None:
    if "%" in text:
        raise ValueError("leave out the zone, the part from %")


def _what_is_wrong(text: str) -> str:
    """Say what keeps text from being an address or network, where it nearly is one."""
    host, slash, prefix = text.partition("/")
    plain = re.sub(r"(?<![0-9])0+(?=[0-9])", "", host) if ":" not in host else host
    value = _or_none(ip_address, plain)
    if value is None:
        return ""
    if plain != host:
        return f"write it without zeros in front, {plain}{slash}{prefix}"
    if re.fullmatch("[0-9]+", prefix, re.ASCII) and int(prefix[:9]) > value.max_prefixlen:
        return f"its prefix length is at most {value.max_prefixlen}"
    return ""


def _usable(value: Address) -> None:
    if value.is_link_local:
        raise ValueError("write another, link-local addresses are not supported")
    for kind, is_so in (
        ("a multicast", value.is_multicast),
        ("a loopback", value.is_loopback),
        ("the unspecified", value.is_unspecified),
        ("a reserved", value.version == 4 and value.is_reserved),
    ):
        if is_so:
            raise ValueError(f"write one that hosts can have, this is {kind} address")


def _or_none(parse: Callable[[str], T], text: str) -> T | None:
    try:
        return parse(text)
    except ValueError:
        return None
