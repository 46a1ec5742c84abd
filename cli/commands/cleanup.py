"""vsctl cleanup: forget failures, so that what failed is tried again."""

from __future__ import annotations

import click

from vsctl.cli import configuration, hand, options, output
from vsctl.cli.programs import Refused, run
from vsctl.cli.store import Store
from vsctl.policy import naming
from vsctl.policy.model import Cluster, VirtualServer

DAEMONS = (naming.DAEMON, naming.ROUTER, naming.BALANCER)


@click.command()
@click.argument("server", metavar="[VS]", required=False, shell_complete=hand.name_of_server)
@options.limit
@options.cib
@options.as_json
def cleanup(server: str | None, limit: float, store: Store, as_json: bool) -> None:
    """Forget the failures of VS, or of all virtual servers and of vsctl's own daemons, and try again.

    Only resources that failed are looked at again; nothing else is touched.
    It ends when Pacemaker knows again how those that were running are.
    """
    if not store.live:
        raise Refused("cleanup is for the running cluster: a CIB in a file tries nothing")
    _, cluster = configuration.needed(store)
    servers = [cluster.server(configuration.server(cluster, server))] if server else list(cluster.servers)
    facts = store.facts()
    failed = {each.resource for each in facts.failed} | {each.resource for each in facts.tries}
    mine = [id for each in servers for id in _all_of(cluster, each)]
    cleaned = [id for id in (*mine, *(() if server else DAEMONS)) if id in failed]
    ran = tuple(id for id in cleaned if facts.placement.node_of(id))
    for id in cleaned:
        run("crm_resource", "--cleanup", "--resource", id)
    output.wait(lambda: _unseen(ran, store), limit)
    if as_json:
        output.document({"cleaned": cleaned})
    else:
        output.say(f"tried again: {', '.join(cleaned)}" if cleaned else "nothing had failed")


def _all_of(cluster: Cluster, server: VirtualServer) -> tuple[str, ...]:
    repairs = (naming.repair(server.name, each.name) for each in server.filesystems)
    return (*naming.primitives_of(cluster, server), *repairs)


def _unseen(resources: tuple[str, ...], store: Store) -> str | None:
    """Say which of the resources that were running has neither been found running again yet nor failed anew."""
    facts = store.facts()
    known = {each.resource for each in facts.failed}
    unseen = (id for id in resources if id not in known and facts.placement.node_of(id) is None)
    return next((f"{id} is being looked at again" for id in unseen), None)
