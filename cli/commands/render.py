"""vsctl render: the CIB of a cluster file, or the commands that build it."""

from __future__ import annotations

from pathlib import Path

import click
from lxml import etree

from vsctl.cli import configuration, options, output, planning
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
    cluster, bare = cluster_of(file), configuration.empty()
    whole = configuration.with_(bare, cluster, NO_HAND)
    ours = configuration.rendered(cluster, NO_HAND, etree.fromstring(bare.cib))
    if form == "cib":
        for sentence in planning.left_out(whole):
            output.remark(f"note: {sentence}")
        cib = etree.fromstring(whole.cib)
        etree.indent(cib)
        click.echo(etree.tostring(cib, encoding="unicode"))
    elif form == "pcs":
        from vsctl.cib_templates import script_pcs

        click.echo(script_pcs.script(ours), nl=False)
    else:
        from vsctl.cib_templates import script_crm

        click.echo(script_crm.script(ours), nl=False)
