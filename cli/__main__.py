"""`python -m vsctl.cli` is `vsctl`."""

from vsctl.cli.main import main

main(prog_name="vsctl")
