"""Would this node's firewall drop what clients send to a virtual server?

A virtual server is behind its node as behind a router: its packets pass the
forward hook. Of the base chains there every one has to let them through.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from vsctl.agents.forwarding import TABLE
from vsctl.cli.programs import Refused, run

ADVICE = (
    "accept what comes from and goes to interfaces called v-*, or clients will not reach the virtual servers"
)


def dropping() -> tuple[str, ...]:
    """Return a sentence for each forward chain of this node that drops by default; nothing if nft cannot say."""
    try:
        ruleset = json.loads(run("nft", "--json", "list", "ruleset"))["nftables"]
    except (Refused, ValueError, KeyError):
        return ()
    return tuple(
        f"this node's firewall drops what it forwards ({each}): {ADVICE}" for each in _chains(ruleset)
    )


def _chains(ruleset: list[dict[str, Any]]) -> Iterator[str]:
    last = {_place(each["rule"], "chain"): each["rule"] for each in ruleset if "rule" in each}
    for chain in (each["chain"] for each in ruleset if "chain" in each):
        ours = (chain["family"], chain["table"]) == ("inet", TABLE)
        if chain.get("hook") != "forward" or ours or chain["family"] not in ("ip", "ip6", "inet"):
            continue
        if chain.get("policy") == "drop" or _ends(last.get(_place(chain, "name"))):
            yield f"chain {chain['name']} of table {chain['family']} {chain['table']}"


def _place(each: dict[str, Any], chain: str) -> tuple[str, str, str]:
    return each["family"], each["table"], each[chain]


def _ends(rule: dict[str, Any] | None) -> bool:
    """Say whether a chain's last rule drops or rejects whatever reaches it, as firewalld's does."""
    verdicts = [each for each in (rule or {}).get("expr", ()) if "counter" not in each]
    return len(verdicts) == 1 and bool({"drop", "reject"} & set(verdicts[0]))
