"""vsctl render: the CIB of a cluster file, or the commands that build it."""

from __future__ import annotations

from pathlib import Path

import click
from lxml import etree

from vsctl.cli import configuration, options
from vsctl.cli.reading import cluster_of
from vsctl.policy.hand import NO_HAND


@click.command()
@options.cluster_file
@click.option(
    "--format",
    "form",
    type=click.Choice(["cib", "pcs", "crm"]),
    default="cib",
    show_default=True,
    help="What to print.",
)
def render(file: Path, form: str) -> None:
    """Print what Pacemaker would get for FILE.

    As a whole CIB for cibadmin, or as a script of pcs or crm commands for an
    empty one. Nothing is read from a cluster and nothing is changed.
    """
    cluster = cluster_of(file)
    cib = etree.fromstring(configuration.with_(configuration.empty(), cluster, NO_HAND).cib)
    if form == "cib":
        etree.indent(cib)
        click.echo(etree.tostring(cib, encoding="unicode"))
    elif form == "pcs":
        from vsctl.cib_templates import script_pcs

        click.echo(script_pcs.script(cib), nl=False)
    else:
        from vsctl.cib_templates import script_crm

        click.echo(script_crm.script(cib), nl=False)
