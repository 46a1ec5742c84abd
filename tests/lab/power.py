"""How is a machine switched on and off?

The same for a tester, the fencing device and the command line. A power cut
pulls the cables first, so that the dying machine's last words (FIN, RST, ARP)
reach nobody, and is over when its disks are free.
"""

from __future__ import annotations

from tests.lab.cluster import Cluster
from tests.lab.disk import Disks
from tests.lab.journal import Journal
from tests.lab.machine import Machine
from tests.lab.network import Network
from tests.lab.place import Place


class Power:
    """The power switches of one lab's machines."""

    def __init__(self, place: Place, network: Network, disks: Disks, cluster: Cluster) -> None:
        self.place = place
        self.network = network
        self.disks = disks
        self.cluster = cluster
        self.journal = Journal(place)

    def cut(self, machine: Machine, why: str) -> None:
        """Switch a machine off at once. One that is off stays off; the journal says so all the same."""
        with self.place.lock(machine.name):
            if machine.is_on:
                self.network.unplug(machine)
                self.journal.write("cut", machine.name, why)
                self.disks.cut_off(machine.name)
                machine.power_off()
            self.network.remove(machine)
            self.disks.let_go(machine.name)
            self.journal.write("off", machine.name, why)

    def restore(self, machine: Machine, why: str) -> None:
        """Switch a machine on; a node starts its cluster software, and rejoins by itself."""
        with self.place.lock(machine.name):
            if machine.is_on:
                return
            self.network.remove(machine)  # of a machine that ended by itself
            machine.power_on()
            self.network.plug(machine)
            self.journal.write("on", machine.name, why)
            if machine.spec.kind == "node":
                self.disks.attach(machine)
                if not machine.path("/etc/corosync/authkey").exists():
                    self.cluster.configure(machine)
                self.cluster.start(machine)
