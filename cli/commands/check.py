"""What is wrong with a cluster file?"""

from __future__ import annotations

import sys

import click

from vsctl.cli.main import DONE, REFUSED
from vsctl.cli.problems import Problem


def _print_schema(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from vsctl.cli.clusterfile import schema

        click.echo(schema.as_text(), nl=False)
        ctx.exit(DONE)


@click.command()
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@click.option(
    "--schema",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_schema,
    help="Print the JSON schema of cluster files, for editors, and check nothing.",
)
@click.pass_context
def check(ctx: click.Context, file: str, as_json: bool) -> None:
    """Say everything that is wrong with the cluster file FILE, - for standard input.

    Each problem is FILE:LINE and a sentence. Notes are worth knowing and
    stop nothing. Exit status: 0 no problems, 1 problems.
    """
    from vsctl.cli import clusterfile

    cluster, found = clusterfile.load(file)
    name = clusterfile.title(file)
    if as_json:
        from json import dumps

        click.echo(dumps({"file": name, "problems": [_as_json(each) for each in found]}, indent=2))
    else:
        for each in found:
            click.echo(_line(each))
        if cluster is not None:
            nodes = _count(len(cluster.nodes), "node")
            click.echo(f"{name}: {nodes}, {_count(len(cluster.servers), 'virtual server')}, no problems")
    ctx.exit(DONE if cluster is not None else REFUSED)


def _line(problem: Problem) -> str:
    """Return a problem as one line, for editors and grep, or folded and coloured for a terminal."""
    if not sys.stdout.isatty():
        return str(problem)
    from vsctl.cli.output import fold

    folded = fold(str(problem), indent="    ")
    bold = click.style(problem.place, bold=True)
    return folded.replace(problem.place, bold, 1) if folded.startswith(problem.place) else folded


def _as_json(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "severity": problem.severity.value, "sentence": problem.sentence}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
