"""vsctl repair: check and repair a filesystem, and say how far that is."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

import click

from vsctl.cli import configuration, options, output, quarantines
from vsctl.cli.configuration import Applied
from vsctl.cli.main import DONE, REFUSED
from vsctl.cli.programs import Refused
from vsctl.cli.quarantines import QuarantineReport
from vsctl.cli.store import Store
from vsctl.policy.model import Cluster, Filesystem, VirtualServer
from vsctl.policy.quarantine import Quarantine, Stage


@click.command()
@click.argument("filesystem", metavar="VS/FILESYSTEM")
@click.option(
    "--status", "only_look", is_flag=True, help="Begin nothing; say how far a repair is, or how it ended."
)
@click.option("--yes", is_flag=True, help="Block a filesystem that nobody found damaged, too.")
@options.wait
@options.cib
@options.as_json
@click.pass_context
def repair(
    ctx: click.Context,
    filesystem: str,
    only_look: bool,
    yes: bool,
    wait: bool,
    limit: float,
    store: Store,
    as_json: bool,
) -> None:
    """Check the filesystem VS/FILESYSTEM, repair it, and let clients use it again.

    It is blocked meanwhile, and its NFS clients wait. A filesystem that is
    found damaged is repaired by itself, unless the cluster file has
    `repair: {mode: off}` or `check`; this is for one that waits for a person, and for one that
    nobody found damaged, with --yes. A filesystem that cannot be repaired stays
    blocked.

    Exit status 1 if it is blocked and waits for a person.
    """
    applied, cluster = configuration.needed(store)
    server, part = _named(cluster, filesystem)
    found = _report(store, applied, server, part)
    if not only_look:
        _begin(store, applied, cluster, server, part, found, yes)
        if wait and store.live:
            output.wait(lambda: _missing(store, cluster, server, part), limit)
        applied = configuration.read(store)
        found = _report(store, applied, server, part)
    if as_json:
        output.document(_document(server, part, found))
    else:
        output.say("\n".join(_said(cluster, server, part, found)), indent="    ")
    ctx.exit(REFUSED if found and found.stage == Stage.PERSON.value else DONE)


def _named(cluster: Cluster, text: str) -> tuple[VirtualServer, Filesystem]:
    name, _, part = text.partition("/")
    server = cluster.server(configuration.server(cluster, name))
    if not part:
        raise Refused(f"{text} names no filesystem: write VS/FILESYSTEM, such as {name}/{server.root.name}")
    configuration.known(part, (each.name for each in server.filesystems), f"filesystem of {name}")
    return server, next(each for each in server.filesystems if each.name == part)


def _report(
    store: Store, applied: Applied, server: VirtualServer, part: Filesystem
) -> QuarantineReport | None:
    facts = store.facts((quarantines.attribute(server.name, part.name),))
    return quarantines.of(applied.quarantines, server.name, part.name, facts)


def _begin(
    store: Store,
    applied: Applied,
    cluster: Cluster,
    server: VirtualServer,
    part: Filesystem,
    found: QuarantineReport | None,
    yes: bool,
) -> None:
    """Put the filesystem into quarantine, or let one that waits for a person be repaired."""
    if found and found.stage == Stage.REPAIR.value:
        return
    if not (found and found.blocks) and not yes:
        raise Refused(
            f"{part.name} of {server.name} is not known to be damaged, and nobody could use it while it is checked; "
            "say --yes if that is as it should be"
        )
    record: dict[str, Any] = {"stage": Stage.REPAIR.value, "asked": True}
    if found and found.blocks:
        record |= {"since": found.since, "node": found.node, "why": found.why}
    else:
        record |= {"since": round(time.time()), "node": None, "why": "an operator asked for a check"}
    wanted = Quarantine(server.name, part.name, Stage.REPAIR, json.dumps(record, separators=(",", ":")))
    store.change(applied.cib, configuration.with_quarantine(applied, wanted).cib)


def _missing(store: Store, cluster: Cluster, server: VirtualServer, part: Filesystem) -> str | None:
    found = _report(store, configuration.read(store), server, part)
    if found is None or found.stage != Stage.REPAIR.value:
        return None
    return f"{server.name}/{part.name}: {quarantines.doing(cluster, part, found)}"


def _said(
    cluster: Cluster, server: VirtualServer, part: Filesystem, found: QuarantineReport | None
) -> list[str]:
    name = f"{part.name} of {server.name}"
    if found is None:
        return [f"{name} was never found damaged"]
    if found.blocks:
        since = f" (for {output.lasted(time.time() - found.since)})" if found.since else ""
        return [
            quarantines.problem(cluster, server, part, found).replace("is blocked", f"is blocked{since}", 1)
        ]
    ago = f" {output.lasted(time.time() - found.ended)} ago" if found.ended else ""
    return [
        f"{name} is not blocked; it was last checked{ago} on {found.on}: {found.said}",
        f"what was seen before: {found.why}",
        f"log: {found.log} on {found.on}",
    ]


def _document(server: VirtualServer, part: Filesystem, found: QuarantineReport | None) -> dict[str, Any]:
    return {
        "server": server.name,
        "filesystem": part.name,
        "quarantine": None if found is None else asdict(found),
    }
