"""What do the ports carry, and what should be announced on another one?

Pure: what the node daemons tell in private attributes, in; ports and moves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vsctl.agents.noded import spreading
from vsctl.cli import report
from vsctl.cli.facts import Facts
from vsctl.policy.model import Cluster, Node

TRAFFIC = "ports-traffic"
OF_DAEMONS = (*report.OF_DAEMONS, TRAFFIC)


@dataclass(frozen=True)
class PortLoad:
    """What a port carries and could, in bits a second (None: not known), and what it announces (`vs1/lan-a`)."""

    node: str
    port: str
    subnet: str
    state: str
    rate: float | None
    speed: float | None
    announces: tuple[str, ...]


@dataclass(frozen=True)
class PortMove:
    """A server's addresses on a subnet that should go to another port of their node.

    `before` and `after` is what the busier of the two ports carries, in bits a second.
    """

    node: str
    server: str
    subnet: str
    origin: str
    target: str
    before: float
    after: float


def ports(cluster: Cluster, facts: Facts) -> tuple[PortLoad, ...]:
    """Return every port of every node that is up."""
    return tuple(
        each for node in cluster.nodes if node.name in facts.placement.online for each in _of(node, facts)
    )


def moves(cluster: Cluster, facts: Facts, tolerance: float) -> tuple[PortMove, ...]:
    """Return what evens out the ports of every node."""
    found = []
    for node in cluster.nodes:
        loads = [each for each in ports(cluster, facts) if each.node == node.name]
        rates = {name: rate for name, (rate, _) in _told(facts, node.name).items()}
        for move in spreading.of_node(
            announced=report.said(facts, node.name, report.ANNOUNCED),
            subnets={each.port: each.subnet for each in loads if each.state == report.GOOD},
            rates=rates,
            speeds={each.port: each.speed for each in loads if each.speed},
            tolerance=tolerance,
        ):
            server, _, subnet = move.name.partition("/")
            found.append(
                PortMove(node.name, server, subnet, move.origin, move.target, move.before, move.after)
            )
    return tuple(found)


def _of(node: Node, facts: Facts) -> list[PortLoad]:
    told = _told(facts, node.name)
    states = report.said(facts, node.name, report.STATES)
    announced = report.said(facts, node.name, report.ANNOUNCED)
    found = []
    for port in node.ports:
        rate, speed = told.get(port.interface, (None, None))
        announces = tuple(name for name, on in announced.items() if on == port.interface)
        state = states.get(port.interface, report.UNKNOWN)
        found.append(PortLoad(node.name, port.interface, port.subnet, state, rate, speed, announces))
    return found


def _told(facts: Facts, node: str) -> Mapping[str, tuple[float, float | None]]:
    """Return rate and speed of what a daemon measures; announcements have no speed."""
    found = {}
    for name, text in report.said(facts, node, TRAFFIC).items():
        rate, _, speed = text.partition("/")
        found[name] = (float(rate), float(speed) if speed else None)
    return found
