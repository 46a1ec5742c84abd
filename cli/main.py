"""What can be typed after `vsctl`?

A command is a module of `commands` that is imported when it is asked for:
the command line answers before most of it has been read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

DONE, REFUSED, USAGE = 0, 1, 2
INTERRUPTED = 130

COMMANDS = {
    "check": "Say everything that is wrong with a cluster file.",
    "plan": "Say what applying a cluster file would change and move.",
    "apply": "Make the cluster what a cluster file says.",
    "status": "Show every virtual server: where it is, and what is not right.",
    "top": "Show what every node and every virtual server needs.",
    "simulate": "Say what a failure would do.",
    "prove": "Rehearse every failure, and say what would mend each loss.",
    "why": "Say why a virtual server is where it is.",
    "why-not": "Say why a virtual server is not on a node, and what would change that.",
    "move": "Send a virtual server to a node.",
    "failback": "Let virtual servers go where they belong.",
    "drain": "Empty a node before maintenance.",
    "undrain": "Let virtual servers run on a node again.",
    "events": "Show what happened on ports, subnets and addresses.",
    "release": "Use a port again that is held back.",
    "rebalance": "Even out the load of the nodes, or of the ports of each node.",
    "repair": "Check and repair a filesystem, or show how far that is.",
    "cleanup": "Forget failures and try again.",
    "smb-user": "Manage the SMB accounts of a virtual server.",
    "render": "Print the CIB of a cluster file, or pcs or crm commands for it.",
    "install": "Put the agents where this system's Pacemaker looks.",
    "completion": "Print what makes a shell complete commands and names.",
}
"""Each command and what `vsctl --help` says of it; `why-not` is `why_not` in the module `why_not`."""


class Commands(click.Group):
    """A group that finds its commands by name, one module each.

    A command ends by returning, by `ctx.exit`, or by raising Refused with the
    sentence that says why not (status 1).
    """

    def main(self, args: Sequence[str] | None = None, *more: Any, **settings: Any) -> NoReturn:
        """Run the command line and exit, with what stands in the way in one sentence on standard error."""
        try:
            status = super().main(args, *more, **{**settings, "standalone_mode": False})
        except click.UsageError as unclear:
            path = unclear.ctx.command_path if unclear.ctx else "vsctl"
            click.echo(f"{path}: {unclear.format_message()} (see {path} --help)", err=True)
            status = USAGE
        except click.ClickException as refusal:
            click.echo(refusal.format_message(), err=True)
            status = refusal.exit_code
        except click.Abort:
            click.echo(
                "interrupted: what the cluster was told before goes on; the same command again goes on, too",
                err=True,
            )
            status = INTERRUPTED
        sys.exit(status if isinstance(status, int) else DONE)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"vsctl.cli.commands.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from vsctl.cli.nearest import nearest

            near = nearest(args[0], COMMANDS)
            advice = f"did you mean {near}?" if near else f"the commands are {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command {args[0]}: {advice}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"vsctl {version('vsctl')}")
        ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Exit status: 0 done, 1 refused or problems found, 2 not understood. "
    "`man vsctl` and `man vsctl-cluster-file` say more.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Say which vsctl this is.",
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Movable virtual file servers on Pacemaker.

    FILE is the cluster file, - standard input, VS a virtual server, NODE a node of the cluster.
    Commands without FILE, and those that change a cluster, work on the cluster
    this machine is a node of; with --cib on a CIB in a file.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)
