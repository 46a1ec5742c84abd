"""How does the packet filter get our tables, and how is one found without a process?

Changes go through nft(8), all or nothing. Asking goes through nfnetlink, as in
<linux/netfilter/nfnetlink.h> and <linux/netfilter/nf_tables.h>: the type is
subsystem and message, the body `struct nfgenmsg` and attributes.
"""

from __future__ import annotations

from _struct import pack

from vsctl.agents.netlink import NETFILTER, Netlink, attribute

_NFNL_SUBSYS_NFTABLES = 10
_NFT_MSG_GETTABLE = 1
_NFTA_TABLE_NAME = 1
_NFPROTO_INET = 1


def apply(ruleset: str) -> None:
    """Load a ruleset into the network namespace of this process; Failure with nft's words if it refuses."""
    from vsctl.agents import programs

    programs.run(["nft", "-f", "-"], ruleset)


def has_table(name: str) -> bool:
    """Say whether the table `inet <name>` exists in the network namespace of this process."""
    body = pack("=BBH", _NFPROTO_INET, 0, 0) + attribute(_NFTA_TABLE_NAME, name)
    try:
        Netlink(NETFILTER).ask(_NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETTABLE, body)
    except FileNotFoundError:
        return False
    return True


def replace(table: str, content: str) -> None:
    """Give the table `inet <table>` this content, whatever it held."""
    apply(f"table inet {table} {{}}\ndelete table inet {table}\ntable inet {table} {{\n{content}}}\n")


def remove(table: str) -> None:
    """Delete the table `inet <table>`; one that is gone is gone."""
    if has_table(table):
        apply(f"table inet {table} {{}}\ndelete table inet {table}\n")
