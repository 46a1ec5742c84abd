"""vsctl smb-user: the SMB accounts of a virtual server."""

from __future__ import annotations

import os
import sys

import click

from vsctl.agents import accounts
from vsctl.cli import configuration, hand, options, output
from vsctl.cli.programs import Refused
from vsctl.cli.store import Store
from vsctl.policy import naming


@click.command()
@click.argument("server", metavar="VS", shell_complete=hand.name_of_server)
@click.argument("action", type=click.Choice(["add", "remove", "list"]))
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--group", "groups", multiple=True, metavar="GROUP", help="A group NAME belongs to; may be repeated."
)
@options.cib
@options.as_json
def smb_user(
    server: str, action: str, name: str | None, groups: tuple[str, ...], store: Store, as_json: bool
) -> None:
    """Add, remove or list the SMB accounts of the virtual server VS.

    The password is asked for, or read from standard input if that is no
    terminal. Accounts belong to the server and move with it, so this is done
    on the node where it runs. `add` for a name that is there changes its
    password and its groups.
    """
    if (action == "list") == bool(name):
        raise click.UsageError("list takes no NAME" if name else f"{action} needs a NAME")
    if groups and action != "add":
        raise click.UsageError(f"{action} takes no --group")
    _, cluster = configuration.needed(store)
    configuration.server(cluster, server)
    if not cluster.server(server).serves_smb:
        raise Refused(f"{server} has no SMB share: add one to the cluster file first")
    _refuse_elsewhere(server, store)
    try:
        if action == "add":
            accounts.add(server, name or "", groups, _password(name or ""))
        elif action == "remove":
            accounts.remove(server, name or "")
        found = accounts.list_(server)
    except (accounts.Refused, OSError) as problem:
        raise Refused(str(problem)) from None
    if as_json:
        output.document([{"name": each.name, "groups": list(each.groups)} for each in found])
    elif action == "list":
        output.say(output.table(("NAME", "GROUPS"), [(each.name, " ".join(each.groups)) for each in found]))
    else:
        output.say(f"{name} {'can use' if action == 'add' else 'is no longer an account of'} {server}")


def _refuse_elsewhere(server: str, store: Store) -> None:
    node = store.facts().placement.node_of(naming.smb(server))
    if node is None:
        raise Refused(f"the SMB server of {server} does not run: see `vsctl status`")
    if node != os.uname().nodename:
        raise Refused(f"{server} runs on {node}: do this on {node}, where its accounts are")


def _password(name: str) -> str:
    if sys.stdin.isatty():
        while True:
            password, again = (
                str(click.prompt(each, hide_input=True, err=True))
                for each in (f"password of {name}", "once more")
            )
            if password == again:
                return password
            click.echo("these are two different ones: write the same one twice", err=True)
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise Refused(f"standard input has no password for {name}: write it on one line")
    return password
