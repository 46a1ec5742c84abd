"""vsctl completion: what a shell needs to complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from vsctl.cli.main import main

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options and names.

    The names of virtual servers and nodes come from the running cluster, or
    from the CIB that --cib names.

    bash: `vsctl completion bash > /etc/bash_completion.d/vsctl`

    zsh: `vsctl completion zsh > /usr/local/share/zsh/site-functions/_vsctl`

    fish: `vsctl completion fish > /etc/fish/completions/vsctl.fish`
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "vsctl", "_VSCTL_COMPLETE").source())
