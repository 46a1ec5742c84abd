"""vsctl status: every virtual server, where it is, and what is not right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from enum import Enum
from typing import Any

import click

from vsctl.cli import configuration, options, output, report
from vsctl.cli.main import DONE, REFUSED
from vsctl.cli.report import ClusterReport, FilesystemReport, ServerReport, State
from vsctl.cli.store import Store

COLOURS = {State.SERVING: "green", State.STARTING: "yellow", State.WAITING: "yellow"}
EVERY = 2.0


@click.command()
@options.cib
@options.as_json
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@click.pass_context
def status(ctx: click.Context, store: Store, as_json: bool, watch: bool) -> None:
    """Show every virtual server: where it is, since when, and what is not right.

    Exit status 1 if there is a problem.
    """
    while True:
        applied, cluster = configuration.needed(store)
        found = report.of(cluster, applied.hand, store.facts())
        if as_json:
            output.document(as_document(found))
        else:
            text = "\n".join(lines(found, time.time()))
            click.clear() if watch else None
            click.echo(text)
        if not watch:
            ctx.exit(DONE if found.all_well else REFUSED)
        time.sleep(EVERY)


def lines(found: ClusterReport, now: float) -> Iterator[str]:
    """Yield a report as a person reads it; `now` is in seconds since the epoch."""
    nodes = ", ".join(
        f"{each.name} {each.state} ({' '.join(each.servers) or 'no server'})" for each in found.nodes
    )
    yield output.fold(f"{click.style(found.name, bold=True)}: {nodes}", "    ")
    for problem in found.problems:
        yield output.fold(f"! {problem}", "  ")
    for server in found.servers:
        yield ""
        yield from _server(server, now)


def _server(server: ServerReport, now: float) -> Iterator[str]:
    state = click.style(server.state.value, fg=COLOURS.get(server.state, "red"))
    where = f" on {server.node}" if server.node else ""
    since = f" for {output.lasted(now - server.since)}" if server.since else ""
    about = [f"priority {server.priority}"]
    about += [f"{'pinned to' if server.pinned else 'home'} {server.home}"] if server.home else []
    yield f"{click.style(server.name, bold=True)}  {state}{where}{since}  ({', '.join(about)})"
    for each in server.addresses:
        announced = f"announced by {each.announced_by}" if each.announced_by else "announced nowhere"
        yield f"    {each.address:<24}  {each.subnet:<12}  {announced}"
    for filesystem in server.filesystems:
        yield output.fold(f"    {_filesystem(filesystem)}", "    ")
    for note in server.notes:
        yield output.fold(f"    - {note}", "  ")
    for problem in server.problems:
        yield output.fold(f"    ! {problem}", "  ")


def _filesystem(filesystem: FilesystemReport) -> str:
    served = [f"nfs {each}{'' if filesystem.exported else ' (not served)'}" for each in filesystem.exports]
    served += [f"smb {each}{'' if filesystem.shared else ' (not served)'}" for each in filesystem.shares]
    mounted = filesystem.type if filesystem.mounted else f"{filesystem.type}, not mounted"
    return f"{filesystem.name:<24}  {mounted:<12}  {', '.join(served)}".rstrip()


def as_document(found: ClusterReport) -> dict[str, Any]:
    return asdict(found, dict_factory=lambda pairs: {name: _plain(value) for name, value in pairs})


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
