"""On which TCP and UDP ports does a virtual server answer?

All fixed, so that the gate can hold them and site firewalls can name them.
Every virtual server has a network namespace of its own and uses the same ones.
"""

from __future__ import annotations

NFS = 2049
PORTMAPPER = 111
MOUNTD = 20048
NLOCKMGR = 32803
STATD = 662
RQUOTA = 875

SMB = 445

OF_NFS = (NFS, PORTMAPPER, MOUNTD, NLOCKMGR, STATD, RQUOTA)
"""What the gate holds while it is closed, by TCP and UDP."""

OF_SERVER = (*OF_NFS, SMB)
"""Whose TCP connections are recorded, so that another node can end them after a crash."""

PATIENCE = 8.0
"""Seconds for a server to answer a monitor: on a loaded machine it is slow, but not hung."""

IMPATIENCE = 2.0
"""Seconds for it to answer where it is asked again."""
