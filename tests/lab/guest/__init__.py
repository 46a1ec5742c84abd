"""What does a real kernel NFS client see?

This machine's kernel may have none, so the client is a virtual machine on a switch of the lab:

    with Guest.on(lab, "lan-a", "k1", host=250) as guest:
        guest.mount("192.0.2.11:/data/projects", "vers=4.1")
        with Holder(guest, "/mnt/held") as holder:
            holder.wait_for_progress()
            lab.kill("n1")
            holder.wait_for_progress()
        assert not holder.report().errors
"""

from tests.lab.guest.guest import Ended, Guest, Program
from tests.lab.guest.holder import Holder

__all__ = ["Ended", "Guest", "Holder", "Program"]
