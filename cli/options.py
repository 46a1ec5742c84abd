"""Which options do several commands share?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vsctl.cli.store import CibFile, LiveCluster, Store

Command = Callable[..., Any]

as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output instead of text."
)
yes = click.option("--yes", is_flag=True, help="Go on even if servers move that the change is not about.")
without_fencing = click.option(
    "--without-fencing",
    is_flag=True,
    help="Accept nodes that cannot be fenced, and the loss of data that may follow.",
)
cluster_file = click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
optional_cluster_file = click.argument(
    "file", type=click.Path(path_type=Path), metavar="[FILE]", required=False
)


def cib(command: Command) -> Command:
    """Add --cib, which the command gets as `store`: the running cluster, or a file."""
    return click.option(
        "--cib",
        "store",
        type=click.Path(path_type=Path),
        metavar="FILE",
        callback=_store,
        help="Work on a CIB in a file instead of the running cluster.",
    )(command)


def _store(ctx: click.Context, option: click.Parameter, path: Path | None) -> Store:
    return LiveCluster() if path is None else CibFile(path)


limit = click.option(
    "--limit",
    type=click.FloatRange(min=1),
    metavar="SECONDS",
    default=120.0,
    help="Wait at most so long; 120 if left out.",
)


def wait(command: Command) -> Command:
    return click.option("--wait", is_flag=True, help="Return only when it has happened.")(limit(command))
