"""What happened to ports, subnets, addresses, storage and filesystems, on all nodes?

Pure: what the node daemons tell in a private attribute and Pacemaker's fencing
history, in; events by time out. The form of a line is in `docs/contracts.md`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from vsctl.cli.facts import Facts

EVENTS = "ports-events"
FENCING_TIME = "%Y-%m-%d %H:%M:%S"

PORTS = {
    "good": "is good",
    "lost": "is lost: it has no carrier",
    "silent": "is silent: it has a carrier, but nobody answers on it",
    "waiting": "works again, and is used when it has worked for a while",
    "flapping": "comes and goes, and is used when it has been quiet for a while",
    "released": "is all right, an operator says",
}
SUBNETS = {"good": "is there", "lost": "is lost", "routed": "is reached by host route"}
STORAGE = {
    "good": "answers",
    "slow": "is slow",
    "failing": "does not answer every read",
    "lost": "is lost: reads fail",
    "hung": "is lost: reads do not come back",
    "waiting": "answers again, and is used when it has for a while",
    "ended": "hung when this node went down",
    "released": "is all right, an operator says",
}
NODES = {
    "empty": "is to be left by all servers: one cannot be stopped there, and could start elsewhere",
    "fence": "is to be fenced, so that a server which is stuck there can start elsewhere",
    "nothing": "need not be left any more",
}


@dataclass(frozen=True, order=True)
class Event:
    """`at` is in seconds since the epoch.

    `kind` is port, subnet, address, route, storage, filesystem, server, daemon, balancer or node.
    """

    at: float
    node: str
    kind: str
    about: str
    state: str

    @property
    def sentence(self) -> str:
        """Say it as a person would; the node is said beside it."""
        server, _, subnet = self.about.partition("/")  # or the filesystem
        match self.kind:
            case "port":
                return f"{self.about} {PORTS.get(self.state, f'is {self.state}')}"
            case "subnet":
                return f"{self.about} {SUBNETS.get(self.state, f'is {self.state}')}"
            case "address" if self.state == "-":
                return f"{server} is no longer announced here on {subnet}"
            case "address":
                return f"{server} is announced on {self.state} ({subnet})"
            case "route" if self.state == "-":
                return f"{server} is no longer routed through here ({subnet})"
            case "route":
                return f"{server} is routed through here, and announced on {self.state} ({subnet})"
            case "storage":
                return f"storage {self.about} {STORAGE.get(self.state, f'is {self.state}')}"
            case "filesystem":
                return f"{subnet} of {server} was found damaged, and is blocked"
            case "node" if self.state in NODES:
                return f"{self.about} {NODES[self.state]}"
            case "server" if self.state == "leave":
                return f"{server} is asked to leave: nobody routes to it, or has for too long"
            case "server":
                return f"{server} is no longer asked to leave"
            case "balancer" if self.state == "started":
                return "the balancer has started here"
            case "balancer" if self.state == "failed":
                return "the balancer could not look whether the load is even"
            case "balancer":
                return f"the balancer has moved {self.about} {self.state.replace(':', ' -> ')}"
            case "daemon":
                return "the node daemon has started"
        return f"{self.about} {self.state}"


def of(facts: Facts) -> tuple[Event, ...]:
    """Return what is known of all nodes that are up, and who was fenced, the newest last."""
    told = (each for each in facts.attributes if each.name == EVENTS)
    found = {
        event
        for each in told
        for line in each.value.split(";")
        if (event := read(each.node, line)) is not None
    }
    fenced = {
        Event(at, each.target, "node", each.target, f"was fenced ({each.action}): {each.status}")
        for each in facts.fenced
        if (at := _when(each.when)) is not None
    }
    return tuple(sorted(found | fenced))


def read(node: str, line: str) -> Event | None:
    """Read one line of a node's diary; None where there is none."""
    words = line.split()
    return Event(float(words[0]), node, *words[1:]) if len(words) == 4 else None


def _when(text: str) -> float | None:
    """Return the time that Pacemaker gives a fencing: `2026-11-22 12:00:00 +01:00`, or with a fraction."""
    try:
        return time.mktime(time.strptime(text[:19], FENCING_TIME))
    except ValueError:
        return None
