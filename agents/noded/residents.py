"""Which virtual servers does this node know, and which are on it?"""

from __future__ import annotations

import os

from vsctl.agents import paths


def servers() -> list[str]:
    """Return the servers that have anything here."""
    try:
        return sorted(each for each in os.listdir(paths.RUN) if not each.startswith("_"))
    except FileNotFoundError:
        return []


def here() -> list[str]:
    """Return the servers that are on this node; others are only announced here."""
    return [each for each in servers() if os.path.exists(paths.namespace(each))]
