"""What does a real kernel NFS client see?

This kernel of ours may lack one, so the client runs in a virtual machine of its own, attached to a bridge.
"""

from tests.lab.guest.guest import Ended, Guest, Program
from tests.lab.guest.journal import Journal, Write

__all__ = ["Ended", "Guest", "Journal", "Program", "Write"]
