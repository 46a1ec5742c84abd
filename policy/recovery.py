"""How often is something tried where it fails?

Three failures on a node send a resource elsewhere, one failed start at once;
ten minutes without another failure and the node is as good as new. `status`
says what is banned and why, `vsctl cleanup` forgets it sooner.
"""

from __future__ import annotations

from vsctl.policy.resources import Pairs

MIGRATION_THRESHOLD = 3
FAILURE_TIMEOUT = 600

LIMITS: Pairs = (
    ("migration-threshold", str(MIGRATION_THRESHOLD)),
    ("failure-timeout", f"{FAILURE_TIMEOUT}s"),
)
