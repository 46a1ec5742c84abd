"""vsctl install: put the agents where this system's Pacemaker looks."""

from __future__ import annotations

from pathlib import Path

import click

from vsctl.cli import launchers, options, output

MANUAL = Path("usr/share/man")


@click.command()
@click.option(
    "--prefix",
    type=click.Path(path_type=Path),
    default=Path("/"),
    show_default=True,
    help="Install below this directory.",
)
@click.option("--remove", is_flag=True, help="Take agents and man pages away again.")
@options.as_json
def install(prefix: Path, remove: bool, as_json: bool) -> None:
    """Put the agents where this system's Pacemaker looks, and the man pages where man does.

    The agents run with the Python that runs vsctl, from a copy of their code,
    so that a new vsctl changes nothing until this is said again. What runs is
    not disturbed: an agent is replaced in one step, and used from the next
    action on. A second time there is nothing to do.
    """
    from vsctl.cli import manual

    place = prefix / launchers.LAUNCHERS
    changed = launchers.remove(prefix) if remove else launchers.install(prefix)
    with launchers.refusing(prefix):
        pages = manual.remove(prefix / MANUAL) if remove else manual.write(prefix / MANUAL)
    if as_json:
        agents = {"directory": str(place), "python": launchers.python(), "changed": list(changed)}
        output.document({**agents, "man_pages": list(pages)})
    elif not changed and not pages:
        output.say(f"nothing to do: {place} {'has no agents of vsctl' if remove else 'is up to date'}")
    else:
        verb = "removed from" if remove else "installed in"
        if changed:
            output.say(f"{verb} {place}: {', '.join(changed)}", indent="    ")
        if pages:
            output.say(f"{verb} {prefix / MANUAL}: {output.count(len(pages), 'man page')}")
        if changed and not remove:
            code = prefix / launchers.CODE
            output.say(
                f"the agents run with {launchers.python()} and with the code below {code}", indent="    "
            )
