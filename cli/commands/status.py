"""vsctl status: every virtual server, where it is, and what is not right."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from enum import Enum
from typing import Any

import click

from vsctl.cli import balancing, configuration, hand, options, output, quarantines, report, scheduler
from vsctl.cli.main import DONE, REFUSED
from vsctl.cli.report import (
    GOOD,
    UNKNOWN,
    AddressReport,
    ClusterReport,
    FilesystemReport,
    NodeReport,
    ServerReport,
    State,
)
from vsctl.cli.store import Store

COLOURS = {State.SERVING: "green", State.STARTING: "yellow", State.WAITING: "yellow"}
EVERY = 2.0


@click.command()
@click.argument("servers", metavar="[VS]...", nargs=-1, shell_complete=hand.name_of_server)
@click.option("--details", is_flag=True, help="Show the addresses and filesystems of every server.")
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@options.cib
@options.as_json
@click.pass_context
def status(
    ctx: click.Context, servers: tuple[str, ...], details: bool, watch: bool, store: Store, as_json: bool
) -> None:
    """Show where every virtual server is, since when, and what is not right.

    With names of virtual servers, show these with their addresses and
    filesystems. States: serving, partly (some of it does not run), stuck (it
    cannot be stopped, and serves nothing), starting, waiting (pinned to a node
    that is down), stopped.

    Exit status 1 if there is a problem.
    """
    if watch and not as_json:
        output.watch(lambda: _lines(_found(store, servers), servers, details), EVERY)
    found = _found(store, servers)
    if as_json:
        output.document(as_document(found))
    else:
        click.echo("\n".join(_lines(found, servers, details)))
    ctx.exit(DONE if found.all_well else REFUSED)


def _found(store: Store, names: Sequence[str]) -> ClusterReport:
    """Return the report; with names that of these servers, and nothing that is not about them."""
    applied, cluster = configuration.needed(store)
    for name in names:
        configuration.server(cluster, name)
    facts = store.facts(
        (*report.OF_DAEMONS, *balancing.OF_DAEMONS, *quarantines.attributes(applied.quarantines))
    )
    due = frozenset[str]() if report.is_whole(cluster, facts) else scheduler.due(applied.cib)
    found = report.of(applied.seen or cluster, applied.hand, facts, due, applied.quarantines)
    if not names:
        return found
    return replace(found, servers=tuple(each for each in found.servers if each.name in names), problems=())


def _lines(found: ClusterReport, names: Sequence[str], details: bool) -> Iterator[str]:
    """Yield a report as a person reads it."""
    now = time.time()
    if not names:
        yield from _overview(found)
    if names or details:
        for number, server in enumerate(found.servers):
            if number:
                yield ""
            yield from _server(server, now)
    else:
        yield from _table(found.servers, now)
    if found.balancer is not None and not names:
        yield ""
        yield output.fold(f"balancer: {balancing.sentence(found.balancer, now)}", "    ")
    about_servers = [] if names or details else found.servers
    problems = [*found.problems, *(each for server in about_servers for each in server.problems)]
    notes = [each for server in about_servers for each in (*server.notes, *_repaired(server, now))]
    if problems or notes:
        yield ""
    yield from (_marked(each) for each in problems)
    yield from (output.fold(f"- {each}", "  ") for each in notes)


def _marked(problem: str, indent: str = "") -> str:
    """Fold first and colour then, or the colour would count as width."""
    return output.fold(f"{indent}! {problem}", "  ").replace("!", output.bad("!"), 1)


def _overview(found: ClusterReport) -> Iterator[str]:
    number = len(found.problems) + sum(len(each.problems) for each in found.servers)
    well = output.good("all is well") if found.all_well else output.bad(output.count(number, "problem"))
    yield f"{click.style(found.name, bold=True)}: {well}"
    yield ""
    ports = {each.name: _ports(each) for each in found.nodes}
    heads, known = ("NODE", "STATE", "PORTS", "VIRTUAL SERVERS"), any(ports.values())
    rows = [(each.name, each.state, ports[each.name] or "?", " ".join(each.servers)) for each in found.nodes]
    yield output.table(
        heads if known else _without_ports(heads), rows if known else map(_without_ports, rows)
    )
    yield ""


def _ports(node: NodeReport) -> str:
    """Say how many ports are good, nothing while the node's daemon has said nothing."""
    if all(each.state == UNKNOWN for each in node.ports):
        return ""
    good = sum(each.state == GOOD for each in node.ports)
    return f"{good} good" if good == len(node.ports) else f"{good} of {len(node.ports)} good"


def _without_ports(row: tuple[str, str, str, str]) -> tuple[str, ...]:
    return (*row[:2], row[3])


def _table(servers: Sequence[ServerReport], now: float) -> Iterator[str]:
    rows = [
        (
            each.name,
            click.style(each.state.value, fg=COLOURS.get(each.state, "red")),
            each.node or "-",
            output.lasted(now - each.since) if each.since else "-",
            " ".join(_protocols(each)),
            ", ".join(_remarks(each)),
        )
        for each in servers
    ]
    yield output.table(("SERVER", "STATE", "NODE", "FOR", "SERVES", "REMARKS"), rows)


def _protocols(server: ServerReport) -> Iterator[str]:
    if any(each.exports for each in server.filesystems):
        yield "nfs"
    if any(each.shares for each in server.filesystems):
        yield "smb"


def _remarks(server: ServerReport) -> Iterator[str]:
    """Yield what a word says; the sentences stand below."""
    if server.problems:
        yield output.count(len(server.problems), "problem")
    if server.pinned:
        yield f"pinned to {server.home}" if server.home != server.node else "pinned"
    elif server.home and server.node and server.home != server.node:
        yield f"home is {server.home}"
    if server.moved_to:
        yield "moved by hand"
    if any(each.announced_by not in (None, server.node) for each in server.addresses):
        yield "routed"
    if any(each.by_host_route for each in server.addresses):
        yield "by host route"
    for each in server.filesystems:
        if each.quarantine and each.quarantine.blocks:
            yield f"{each.name} is {'being repaired' if each.quarantine.repair else 'blocked'}"
        elif each.waited:
            yield f"{each.name} is waited for"


def _server(server: ServerReport, now: float) -> Iterator[str]:
    state = click.style(server.state.value, fg=COLOURS.get(server.state, "red"))
    where = f" on {server.node}" if server.node else ""
    since = f" for {output.lasted(now - server.since)}" if server.since else ""
    about = [f"priority {server.priority}"]
    about += [f"{'pinned to' if server.pinned else 'home'} {server.home}"] if server.home else []
    yield f"{click.style(server.name, bold=True)}  {state}{where}{since}  ({', '.join(about)})"
    for each in server.addresses:
        yield f"    {each.address:<24}  {each.subnet:<12}  {_announced(each, now)}"
    for filesystem in server.filesystems:
        yield output.fold(f"    {_filesystem(filesystem)}", "    ")
    for constraint in server.constraints:
        yield output.fold(f"    {constraint.id:<24}  {constraint.reason}", "    ")
    for problem in server.problems:
        yield _marked(problem, "    ")
    for note in (*server.notes, *_repaired(server, now)):
        yield output.fold(f"    - {note}", "  ")


def _repaired(server: ServerReport, now: float) -> Iterator[str]:
    for each in server.filesystems:
        note = each.quarantine and quarantines.note(server.name, each.name, each.quarantine, now)
        if note:
            yield note


def _announced(address: AddressReport, now: float) -> str:
    if not address.announced_by:
        return "announced nowhere"
    by = f"{address.announced_by} on {address.port}" if address.port else address.announced_by
    if not address.routed:
        return f"{'by host route to' if address.by_host_route else 'announced by'} {by}"
    way = "by host route to" if address.by_host_route else "routed through"
    since = f" for {output.lasted(now - address.since)}" if address.since else ""
    return f"{way} {by}{since}"


def _filesystem(filesystem: FilesystemReport) -> str:
    served = [f"nfs {each}{_how(filesystem, each)}" for each in filesystem.exports]
    served += [f"smb {each}{'' if filesystem.shared else ' (not served)'}" for each in filesystem.shares]
    state = "blocked" if filesystem.quarantine and filesystem.quarantine.blocks else "not mounted"
    mounted = filesystem.type if filesystem.mounted else f"{filesystem.type}, {state}"
    return f"{filesystem.name:<24}  {mounted:<12}  {', '.join(served)}".rstrip()


def _how(filesystem: FilesystemReport, export: str) -> str:
    if export in filesystem.waited:
        return " (clients wait)"
    return "" if filesystem.exported else " (not served)"


def as_document(found: ClusterReport) -> dict[str, Any]:
    document = asdict(found, dict_factory=lambda pairs: {name: _plain(value) for name, value in pairs})
    return {**document, "all_well": found.all_well}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
