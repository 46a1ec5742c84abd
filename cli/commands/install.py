"""vsctl install: put the agents where this system's Pacemaker looks."""

from __future__ import annotations

from pathlib import Path

import click

from vsctl.cli import launchers, options, output


@click.command()
@click.option(
    "--prefix",
    type=click.Path(path_type=Path),
    default=Path("/"),
    show_default=True,
    help="Install below this directory.",
)
@click.option("--remove", is_flag=True, help="Take the agents away again.")
@options.as_json
def install(prefix: Path, remove: bool, as_json: bool) -> None:
    """Put the agents where this system's Pacemaker looks.

    They run with the Python that runs vsctl, from a copy of their code, so
    that a new vsctl changes nothing until this is said again. What runs is not
    disturbed: an agent is replaced in one step, and used from the next action
    on. A second time there is nothing to do.
    """
    place = prefix / launchers.LAUNCHERS
    changed = launchers.remove(prefix) if remove else launchers.install(prefix)
    if as_json:
        output.document({"directory": str(place), "python": launchers.python(), "changed": list(changed)})
    elif not changed:
        output.say(f"nothing to do: {place} {'has no agents of vsctl' if remove else 'is up to date'}")
    else:
        output.say(f"{'removed from' if remove else 'installed in'} {place}: {', '.join(changed)}")
        if not remove:
            output.say(
                f"they run with {launchers.python()} and with the code below {prefix / launchers.CODE}"
            )
