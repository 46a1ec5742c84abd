"""vsctl top: what every node and every virtual server needs just now."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import click

from vsctl.cli import configuration, loads, measured, options, output, report
from vsctl.cli.loads import PortLoad
from vsctl.cli.store import Store
from vsctl.policy import naming
from vsctl.policy.load import Load, Measured, Size, sizes

EVERY = 2.0
BUSY, FULL = 0.7, 0.9
"""From which part of what a node could carry on a number is shown in yellow, and in red."""

OF_NODES = ("CPU", "MEMORY", "BIT/S", "DISK B/S")
HEADS = (*OF_NODES, "OPS/S", "CLIENTS", "LOCKS")
UNKNOWN = "-"


@click.command()
@click.option("--once/--watch", default=None, help="Show it once; on a terminal, until Ctrl-C if left out.")
@click.option("--ports", is_flag=True, help="Show what every port carries, too.")
@options.cib
@options.as_json
def top(once: bool | None, ports: bool, store: Store, as_json: bool) -> None:
    """Show what every node and every virtual server needs, the busiest first.

    Processors, memory, network and disk, of a node with what it could carry; reads and
    writes of clients a second, the addresses they come from, and the locks they hold. Means of the last minute,
    but for memory, clients and locks. A virtual server shows up half a minute
    after it has come to a node.

    --json prints once what `vsctl rebalance --loads` reads.
    """
    if as_json:
        found = _found(store)
        output.document(
            {
                **measured.document(found.measured, found.states, found.where),
                "ports": [asdict(each) for each in found.ports],
            }
        )
    elif once or (once is None and not sys.stdout.isatty()) or not store.live:
        click.echo("\n".join(_lines(_found(store), ports)))
    else:
        output.watch(lambda: _lines(_found(store), ports), EVERY)


@dataclass(frozen=True)
class Found:
    """What is known: `states` of nodes, `where` servers are, in the order of the cluster file."""

    states: dict[str, str]
    where: dict[str, str | None]
    online: tuple[str, ...]
    measured: Measured
    ports: tuple[PortLoad, ...]


def _found(store: Store) -> Found:
    applied, cluster = configuration.needed(store)
    facts = store.facts((*measured.OF_DAEMONS, *loads.OF_DAEMONS))
    said = measured.read(facts)
    return Found(
        {each.name: report.node_state(each.name, applied.hand, facts) for each in cluster.nodes},
        {each.name: facts.placement.node_of(naming.net(each.name)) for each in cluster.servers},
        facts.placement.online,
        replace(said, capacities=sizes(cluster, said)),
        loads.ports(cluster, facts),
    )


def _lines(found: Found, ports: bool) -> Iterator[str]:
    yield output.table(
        ("NODE", *OF_NODES, "STATE"),
        (
            (name, *_carried(found.measured.nodes.get(name), found.measured.capacities.get(name)), state)
            for name, state in found.states.items()
        ),
    )
    yield ""
    yield output.table(
        ("SERVER", "NODE", *HEADS),
        (
            (name, found.where[name] or UNKNOWN, *_cells(found.measured.servers.get(name)))
            for name in _busiest_first(found)
        ),
    )
    if ports:
        yield ""
        yield output.table(
            ("PORT", "STATE", "BIT/S"),
            ((f"{each.node}/{each.port}", each.state, _used(each.rate, each.speed)) for each in found.ports),
        )
    yield from _unmeasured(found)


def _unmeasured(found: Found) -> Iterator[str]:
    """Say why something is not known, where that is not plain to see."""
    for sentence in measured.silence(found.measured):
        yield ""
        yield output.fold(sentence)
    known = {*found.measured.nodes, *found.measured.silent}
    silent = [each for each in found.online if each not in known]
    if silent:
        yield ""
        yield output.fold(
            f"{' and '.join(silent)} {'says' if len(silent) == 1 else 'say'} nothing of load: a node does half a "
            "minute after its daemon has started; `vsctl status` says what is wrong with a daemon",
        )


def _busiest_first(found: Found) -> Iterable[str]:
    """Sort servers by what part they take of what their node could carry; the unmeasured ones last."""

    def part(server: str) -> float:
        load, node = found.measured.servers.get(server), found.where[server]
        most = found.measured.capacities.get(node) if node else None
        if load is None:
            return -1.0
        return max(_parts(load, most)) if most else 0.0

    return sorted(found.where, key=lambda server: -part(server))


def _parts(load: Load, most: Size) -> Sequence[float]:
    pairs = ((load.cpu, most.cpu), (load.memory, most.memory), (load.network, most.network))
    return [used / could for used, could in pairs if could > 0] or [0.0]


def _cells(load: Load | None) -> tuple[str, ...]:
    if load is None:
        return (UNKNOWN,) * len(HEADS)
    return (*_carried(load), _short(load.operations), _short(load.clients), _short(load.locks))


def _carried(load: Load | None, most: Size | None = None) -> tuple[str, ...]:
    """Return what is needed of what a node can carry."""
    if load is None:
        return (UNKNOWN,) * len(OF_NODES)
    return (
        _used(load.cpu, most.cpu if most else None),
        _used(load.memory, most.memory if most else None, 1024),
        _used(load.network, most.network if most else None),
        _used(load.disk, most.disk if most else None),
    )


def _used(amount: float | None, most: float | None, thousand: int = 1000) -> str:
    """Write an amount, and how much there could be of it; in colour where that is nearly reached."""
    if amount is None:
        return UNKNOWN
    if not most:
        return _short(amount, thousand)
    text = f"{_short(amount, thousand)}/{_short(most, thousand)}"
    part = amount / most
    return click.style(text, fg="red" if part >= FULL else "yellow") if part >= BUSY else text


def _short(amount: float, thousand: int = 1000) -> str:
    """Write a number in at most four characters and a letter for its size: 0.61, 12M, 1.5G."""
    for letter in ("", "k", "M", "G", "T"):
        if amount < 999.5 or letter == "T":
            break
        amount /= thousand
    digits = (
        0
        if amount >= 9.95 or (not letter and amount == int(amount))
        else 1
        if letter or amount >= 0.95
        else 2
    )
    return f"{amount:.{digits}f}{letter}"
