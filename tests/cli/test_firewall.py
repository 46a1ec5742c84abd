"""The warning of a firewall, asked of the real nft in a network namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RULES = """
table inet filter {
  chain input { type filter hook input priority 0; policy drop; }
  chain forward { type filter hook forward priority 0; policy drop; }
}
table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority 10; policy accept;
    ct state established accept
    counter reject with icmpx admin-prohibited
  }
}
table inet vsctl {
  chain forward { type filter hook forward priority 0; policy drop; }
}
table ip open {
  chain forward {
    type filter hook forward priority 0; policy accept;
    ip saddr 192.0.2.1 drop
  }
}
"""
ASK = "from vsctl.cli import firewall; print(*firewall.dropping(), sep='\\n')"


def said(rules: str) -> list[str]:
    """Return what is said of a node with these rules."""
    script = 'nft -f - && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, sys.executable, ASK],
        input=rules,
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_chains_that_drop_what_is_forwarded_are_named() -> None:
    first, second = said(RULES)
    assert "(chain forward of table inet filter)" in first
    assert "(chain filter_FORWARD of table inet firewalld)" in second
    assert said("") == [""]
