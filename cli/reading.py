"""How does a command get the cluster of a cluster file?"""

from __future__ import annotations

from pathlib import Path

import click

from vsctl.cli import clusterfile
from vsctl.cli.programs import Refused
from vsctl.policy.model import Cluster


def cluster_of(file: Path) -> Cluster:
    """Return what a cluster file says. Raises Refused with everything that is wrong with it.

    Notes are said, advice is not.
    """
    cluster, found = clusterfile.load(str(file))
    if cluster is None:
        raise Refused("\n".join(str(each) for each in found))
    for each in found:
        if not each.advice:
            click.echo(str(each), err=True)
    return cluster
