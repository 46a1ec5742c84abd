"""Where do servers belong that were added after the load had been evened out?

They go by load as all the others do: what they are expected to need, or else
as average ones, beside what the others need just now.
"""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from vsctl.cib_templates import stored
from vsctl.cli import measured, rebalancing, situation
from vsctl.cli.configuration import Applied
from vsctl.cli.programs import Refused
from vsctl.cli.store import Store
from vsctl.policy.balanced import Balanced
from vsctl.policy.model import Cluster


def load(store: Store, applied: Applied, cluster: Cluster) -> Balanced | None:
    """Return what evening out the load has come to, and the servers of a cluster that it has not seen yet.

    None where it has seen all, has never been done, or nobody knows any load: those go by number.
    """
    tree = etree.fromstring(applied.cib)
    kept = stored.load(tree).settled.within(cluster)
    new = [each for each in cluster.servers if each.name not in kept.ranks and not each.pinned]
    if not kept.ranked or not new:
        return None
    facts = store.facts(measured.OF_DAEMONS)
    try:
        now = situation.of(applied, cluster, facts, measured.read(facts), coming=new)
    except Refused:
        return None
    found = rebalancing.joined(cluster, now, stored.preferences(tree), [each.name for each in new])
    return replace(kept, ranked=(*kept.ranked, *found.items()))
