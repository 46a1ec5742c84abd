"""Is there a node for every virtual server, and is it the one the operator wants?"""

from __future__ import annotations

from collections.abc import Iterator

from vsctl.cli.clusterfile.draft import Draft
from vsctl.cli.clusterfile.shapes import Entry
from vsctl.cli.nearest import listed, nearest
from vsctl.cli.problems import Problem
from vsctl.policy import scores


def references_exist(draft: Draft) -> Iterator[Problem]:
    """Find nodes, subnets, storage units and virtual servers that are named and not described."""
    for node, entry in draft.nodes.items():
        for port, subnet in entry.each("ports"):
            yield from _unknown(draft, subnet, f"port {port} of {node} is on", "subnets")
    for unit, entry in draft.units.items():
        yield from _list_of_nodes(draft, entry.get("nodes"), f"storage unit {unit}")
    for node, entry in draft.fencing.items():
        if node not in draft.nodes:
            yield from _unknown(draft, Entry(entry.mark, node), "fencing is declared for", "nodes")
    for server, entry in draft.servers.items():
        yield from _list_of_nodes(draft, entry.get("nodes"), server)
        home = entry.get("home")
        if home is not None:
            yield from _unknown(draft, home, f"the home of {server} is", "nodes")
        yield from _apart_from(draft, server, entry)
        for name, filesystem in entry.each("filesystems"):
            unit_of = filesystem.get("storage")
            if unit_of is not None:
                yield from _unknown(draft, unit_of, f"{server}/{name} is on", "storage")


def _apart_from(draft: Draft, server: str, entry: Entry) -> Iterator[Problem]:
    seen = set()
    for each in entry.all("apart_from"):
        if each.value == server:
            yield each.problem(f"{server} is apart from itself: name another virtual server")
        elif each.value in seen:
            yield each.problem(f"{server} is apart from {each.value} twice: leave one out")
        else:
            yield from _unknown(draft, each, f"{server} is apart from", "virtual_servers")
        seen.add(each.value)


def _list_of_nodes(draft: Draft, nodes: Entry | None, whose: str) -> Iterator[Problem]:
    seen = set()
    for each in nodes.value if nodes else ():
        if each.value in seen:
            yield each.problem(f"{whose} names node {each.value} twice: leave one out")
        else:
            yield from _unknown(draft, each, f"{whose} names", "nodes")
        seen.add(each.value)


def _unknown(draft: Draft, entry: Entry, said: str, table: str) -> Iterator[Problem]:
    """Say that a name is in no line of a table, unless that table has lines that could not be read."""
    found = draft.file.get(table)
    if found is None or found.incomplete or not found.value or entry.value in found.value:
        return
    kind = {"storage": "storage unit"}.get(table, table.removesuffix("s").replace("_", " "))
    near = nearest(entry.value, found.value)
    advice = f"did you mean {near}?" if near else f"the {kind}s are {listed(found.value, 'and')}"
    yield entry.problem(f"{said} {kind} {entry.value}, which is not described: {advice}")


def servers_have_a_place(draft: Draft) -> Iterator[Problem]:
    """Find virtual servers that can run nowhere, and say what is missing where."""
    for server, entry in draft.servers.items():
        allowed = draft.allowed(server)
        if not allowed or draft.candidates(server):
            continue
        missing = [
            *(
                f"subnet {each}, and {_none(draft, server)} has a port there"
                for each in draft.subnets_of(server)
                if not any(draft.may_have_port_on(node, each) for node in allowed)
            ),
            *(
                f"storage unit {each}, and {_none(draft, server)} reaches it"
                for each in draft.units_of(server)
                if not any(draft.reaches(node, each) for node in allowed)
            ),
        ]
        for each in missing:
            yield entry.problem(f"{server} needs {each}: add one, or allow it more nodes")
        if not missing:
            reasons = "; ".join(f"{node} {listed(draft.lacks(node, server), 'and')}" for node in allowed)
            yield entry.problem(f"{server} has no node that brings all it needs: {reasons}")


def _none(draft: Draft, server: str) -> str:
    return "no node it may run on" if draft.servers[server].get("nodes") else "no node"


def homes_fit(draft: Draft) -> Iterator[Problem]:
    """Find homes a virtual server cannot be at, and pinned ones without a home."""
    for server, entry in draft.servers.items():
        home = entry.get("home")
        if home is None:
            # A home that is there and could not be read leaves its record incomplete.
            if entry.plain("migrate") is False and not entry.incomplete:
                yield entry.problem(f"{server} is pinned and has no home: add home, the node it stays on")
            continue
        if home.value not in draft.nodes:
            continue
        nodes = entry.get("nodes")
        if nodes is not None and home.value not in {each.value for each in nodes.value}:
            if not nodes.incomplete:
                yield home.problem(
                    f"the home of {server} is {home.value}, which is not among its nodes: add it there, "
                    "or choose another home"
                )
        elif draft.candidates(server) and (lacks := draft.lacks(home.value, server)):
            yield home.problem(
                f"the home of {server} is {home.value}, and {home.value} {listed(lacks, 'and')}: choose "
                f"{listed(draft.candidates(server), 'or')}"
            )


def pinned_together(draft: Draft) -> Iterator[Problem]:
    """Note virtual servers that are to be apart, and are pinned to one node."""
    homes = {server: _pinned_to(draft, server) for server in draft.servers}
    for server, entry in draft.servers.items():
        for other in entry.all("apart_from"):
            if other.value != server and homes[server] and homes[server] == homes.get(other.value):
                yield other.note(
                    f"{server} is to be apart from {other.value}, and both are pinned to {homes[server]}: "
                    "there they are together"
                )


def _pinned_to(draft: Draft, server: str) -> str | None:
    entry = draft.servers[server]
    return entry.plain("home") if entry.plain("migrate") is False else None


def nodes_that_cannot(draft: Draft) -> Iterator[Problem]:
    """Note the nodes that a virtual server may run on by name, and cannot."""
    for server, entry in draft.servers.items():
        if not draft.candidates(server):
            continue
        for node in entry.all("nodes"):
            if node.value in draft.nodes and (lacks := draft.lacks(node.value, server)):
                yield node.note(
                    f"{server} runs on {node.value} only when all else is lost, and peers route to it there: "
                    f"{node.value} {listed(lacks, 'and')}"
                    if node.value in draft.refuges(server)
                    else f"{server} cannot run on {node.value} yet, which is among its nodes: "
                    f"{node.value} {listed(lacks, 'and')}"
                )


def servers_without_refuge(draft: Draft) -> Iterator[Problem]:
    """Note the virtual servers that are not pinned and have one node only, so that its loss is theirs."""
    for server, entry in draft.servers.items():
        candidates = draft.candidates(server)
        if len(candidates) == 1 and not draft.refuges(server) and entry.plain("migrate") is not False:
            others = (
                f"{node} {listed(draft.lacks(node, server), 'and')}"
                for node in draft.allowed(server)
                if node not in candidates
            )
            reason = "; ".join(others) or "it may run on no other"
            yield entry.note(f"{server} can run on {candidates[0]} only, and is lost with it: {reason}")


def bridges_are_used(draft: Draft) -> Iterator[Problem]:
    """Note a bridge that no route will ever need."""
    for server, entry in draft.servers.items():
        bridge = entry.get("bridge")
        if bridge is not None and entry.plain("on_subnet_loss") == "move":
            yield bridge.note(
                f"{server} has a bridge that is never used: with on_subnet_loss: move it is not routed"
            )


def subnets_are_counted(draft: Draft) -> Iterator[Problem]:
    """Note the virtual servers on so many subnets that lost ones do not count for where they go."""
    for server, entry in draft.servers.items():
        many = len(draft.subnets_of(server))
        routed = entry.plain("on_subnet_loss") != "move" and entry.plain("migrate") is not False
        if many > scores.SUBNETS and routed and not draft.refuges(server):
            yield entry.advice(
                f"{server} is on {many} subnets, and on more than {scores.SUBNETS} lost ones do not count: when it has "
                "to leave its node, it may go where fewer of its addresses can be announced than elsewhere"
            )


def nodes_are_fenced(draft: Draft) -> Iterator[Problem]:
    """Note the nodes that nobody can cut off."""
    fencing = draft.file.get("fencing")
    if fencing.incomplete if fencing is not None else draft.file.incomplete:
        return  # what could not be read, or is misspelt, may be it
    for node, entry in draft.nodes.items():
        if node not in draft.fencing:
            yield entry.note(
                f"{node} has no fencing: vsctl apply refuses until it has, or is told --without-fencing"
            )


def hard_capacities_count(draft: Draft) -> Iterator[Problem]:
    """Find virtual servers that are too much for every node, and note what a hard capacity does not count."""
    hard = {node: limits for node in draft.nodes if (limits := _hard(draft, node))}
    for node, entry in draft.nodes.items():
        capacity = entry.get("capacity")
        if capacity is not None and capacity.plain("hard") and node not in hard and not capacity.incomplete:
            yield capacity.note(
                f"the capacity of {node} is hard and says nothing: add cpu, memory or network, or nothing is limited"
            )
    for server, entry in draft.servers.items():
        on, load = [each for each in draft.candidates(server) if each in hard], entry.get("load")
        limited = dict.fromkeys(kind for each in on for kind in hard[each])
        needs = {kind: load.plain(kind) for kind in limited if load and load.get(kind)}
        if unknown := [kind for kind in limited if kind not in needs]:
            yield (load or entry).note(
                f"the load of {server} does not say how much {listed(unknown, 'and')} it needs: where capacity is hard "
                "it counts as nothing"
            )
        too_small = {
            each: [kind for kind in needs if needs[kind] > hard[each].get(kind, needs[kind])] for each in on
        }
        if load and on and len(on) == len(draft.candidates(server)) and all(too_small.values()):
            reasons = "; ".join(
                f"{each} has not enough {listed(kinds, 'and')}" for each, kinds in too_small.items()
            )
            yield load.problem(
                f"{server} is too much for every node it may run on, whose capacity is hard: {reasons}"
            )


def pinned_fit(draft: Draft) -> Iterator[Problem]:
    """Note the nodes whose hard capacity is less than what is pinned to them needs together."""
    for node, entry in draft.nodes.items():
        pinned = [each for each in draft.servers if _pinned_to(draft, each) == node]
        loads = [load for each in pinned if (load := draft.servers[each].get("load"))]
        short = [
            kind
            for kind, limit in _hard(draft, node).items()
            if sum(load.plain(kind, 0) for load in loads) > limit
        ]
        if len(loads) > 1 and short:
            yield entry.note(
                f"{node} has not enough {listed(short, 'and')} for all that is pinned to it, and its capacity is hard: "
                f"not all of {listed(pinned, 'and')} start there"
            )


def _hard(draft: Draft, node: str) -> dict[str, float]:
    """Return how much a node has of each kind that is limited on it."""
    capacity = draft.nodes[node].get("capacity")
    if capacity is None or not capacity.plain("hard"):
        return {}
    return {kind: capacity.plain(kind) for kind in ("cpu", "memory", "network") if capacity.get(kind)}


RULES = (
    references_exist,
    servers_have_a_place,
    homes_fit,
    pinned_together,
    nodes_that_cannot,
    servers_without_refuge,
    bridges_are_used,
    subnets_are_counted,
    nodes_are_fenced,
    hard_capacities_count,
    pinned_fit,
)
