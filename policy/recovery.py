"""How often is something tried where it fails?

Three failures on a node send a resource elsewhere, one failed start at once;
ten minutes without another failure and the node is as good as new. `status`
says what is banned and why, `vsctl cleanup` forgets it sooner.

A stop that fails is tried nowhere else. What a stop may have to wait for storage
with is left blocked where it is: fencing would end every other server of the
node for one server's disk. The node daemon empties the node first, and has it
fenced then, where that helps. Where only the kernel can refuse (namespace,
addresses, gate) the node is broken, and Pacemaker fences it.
"""

from __future__ import annotations

from vsctl.policy.resources import Pairs

MIGRATION_THRESHOLD = 3
FAILURE_TIMEOUT = 600

STOPS_WITH_STORAGE = frozenset({"fs", "nfs", "smb", "exports", "shares"})
"""Agents whose stop may have to wait for a device: for the unmount, or for a process that reads or writes."""
STUCK: Pairs = (("stop", "block"),)

LIMITS: Pairs = (
    ("migration-threshold", str(MIGRATION_THRESHOLD)),
    ("failure-timeout", f"{FAILURE_TIMEOUT}s"),
)
