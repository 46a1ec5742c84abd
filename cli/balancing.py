"""How is the balancer?

Pure: what its process tells in a private attribute (`docs/contracts.md`), in; a
report out. Only the node that runs it is heard.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import unquote

from vsctl.cli import output
from vsctl.cli.facts import Facts
from vsctl.policy import naming
from vsctl.policy.model import BalanceMode, Cluster

BALANCER = "balancer"
OF_DAEMONS = (BALANCER,)


@dataclass(frozen=True)
class BalancerMove:
    server: str
    origin: str | None
    target: str


@dataclass(frozen=True)
class BalancerReport:
    """`node` is the master. Times are seconds since the epoch, None while they are not known.

    `looked` is when it looked last, `moves` what it moved then, or would have in
    mode manual, `problem` what stood in the way. `why` says why it does not look
    before `next`: turn, cool-down or quiet.
    """

    mode: str
    node: str | None
    looked: float | None
    next: float | None
    why: str | None
    moves: tuple[BalancerMove, ...]
    problem: str | None


def of(cluster: Cluster, facts: Facts) -> BalancerReport | None:
    """Return what is known of the balancer, None where the cluster file wants none."""
    mode = cluster.policy.balance.mode
    if mode is BalanceMode.OFF:
        return None
    node = facts.placement.node_of(naming.BALANCER)
    words = (facts.attribute(node, BALANCER) or "").split() if node else []
    pairs = [each.split("=", 1) for each in words if "=" in each]
    said = {name: text for name, text in pairs if name != "move"}
    return BalancerReport(
        mode=mode.value,
        node=node,
        looked=float(said["begun"]) if "begun" in said else None,
        next=float(said["next"]) if "next" in said else None,
        why=said.get("why"),
        moves=tuple(_move(text) for name, text in pairs if name == "move"),
        problem=unquote(said["problem"]) if "problem" in said else None,
    )


def _move(text: str) -> BalancerMove:
    server, origin, target = text.split(":")
    return BalancerMove(server, None if origin == "-" else origin, target)


def problems(found: BalancerReport | None) -> tuple[str, ...]:
    """Say what is not right with it."""
    if found is None:
        return ()
    if found.node is None:
        return ("the balancer runs nowhere: nobody looks whether the load is even",)
    if found.problem:
        return (f"the balancer on {found.node} could not look whether the load is even: {found.problem}",)
    return ()


def sentence(found: BalancerReport, now: float) -> str:
    """Say where it is, what it found and when it looks again."""
    if found.node is None:
        return "nowhere"
    words = [f"on {found.node}"]
    if found.looked is not None and not found.problem:
        words.append(f"looked {output.lasted(now - found.looked)} ago and {_found(found)}")
    if found.next is not None:
        words.append(_next(found, now))
    return ", ".join(words)


def _found(found: BalancerReport) -> str:
    if not found.moves:
        return "had nothing to move"
    moves = ", ".join(f"{each.server} {each.origin or '-'} -> {each.target}" for each in found.moves)
    if found.mode == BalanceMode.AUTO.value:
        return f"moved {moves}"
    return f"would move {moves} (`vsctl rebalance --apply` does it)"


def _next(found: BalancerReport, now: float) -> str:
    assert found.next is not None
    again = "looks" if found.looked is None else "looks again"
    if found.why == "quiet":
        return f"{again} at {time.strftime('%H:%M', time.localtime(found.next))}, after the quiet hours"
    after = ", as servers have just moved" if found.why == "cool-down" else ""
    return f"{again} in {output.lasted(max(0.0, found.next - now))}{after}"
