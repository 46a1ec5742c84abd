"""Is the lab what it says it is? A test on a broken lab proves nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.lab.lab import Lab
from tests.lab.problem import LabProblem

pytestmark = pytest.mark.lab

CONFIGURATION = """
property stonith-enabled=true
primitive fencing stonith:fence_lab op monitor interval=60 timeout=20
primitive work ocf:pacemaker:Dummy op monitor interval=10 timeout=20 op start timeout=20 op stop timeout=20
location work-likes-n1 work 100: n1
"""


@pytest.fixture(scope="module")
def working(lab: Lab) -> Lab:
    """The lab with a resource that prefers n1, and fencing."""
    lab.node("n1").run(["crm", "configure", "load", "update", "-"], input=CONFIGURATION)
    lab.wait(lambda: lab.where("work") == "n1", "the resource runs on n1")
    lab.wait(lambda: lab.where("fencing"), "the fencing device runs")
    return lab


def test_a_killed_node_is_fenced_before_its_resource_starts_elsewhere(working: Lab) -> None:
    lab = working
    lab.node("n1").run(["sh", "-c", "echo kept >/etc/kept"])
    lab.kill("n1")
    lab.wait(lambda: lab.where("work") in ("n2", "n3"), "the resource runs on another node")
    survivor = lab.node(str(lab.where("work")))
    started = survivor.path("/run/Dummy-work.state").stat().st_mtime
    fenced = lab.journal("off", "n1")[-1]
    assert fenced.why.startswith("reboot asked for by n")
    assert fenced.wall < started

    lab.boot("n1")
    lab.wait_for_nodes()
    lab.wait(lambda: lab.where("work") == "n1", "the resource is back on n1")
    assert lab.node("n1").path("/etc/kept").read_text() == "kept\n"


def test_fencing_cuts_the_power_of_a_living_node(working: Lab) -> None:
    lab = working
    lab.node("n2").run(["stonith_admin", "--fence", "n3"])
    assert not lab.node("n3").is_on
    assert [each.event for each in lab.journal(machine="n3")][-2:] == ["cut", "off"]
    lab.boot("n3")
    lab.wait_for_nodes()


def test_a_pulled_cable_has_no_carrier_and_a_silent_switch_has(lab: Lab) -> None:
    assert _carrier(lab, "e0a") and _reaches(lab, "192.0.2.101")
    lab.cut("n1/e0a")
    lab.wait(lambda: not _carrier(lab, "e0a"), "n1 sees that the cable of e0a is pulled")
    assert _carrier(lab, "e0b")
    lab.mend("n1/e0a")
    lab.wait(lambda: _carrier(lab, "e0a") and _reaches(lab, "192.0.2.101"), "n1's e0a is back")

    lab.mute("n1/lan-a")
    assert _carrier(lab, "e0a") and _carrier(lab, "e0b")
    assert not _reaches(lab, "192.0.2.101")
    assert _reaches(lab, "192.0.2.102")
    lab.unmute("n1/lan-a")
    lab.wait(lambda: _reaches(lab, "192.0.2.101"), "n1 is heard again")


def test_a_muted_port_stays_mute_when_its_node_boots(working: Lab) -> None:
    lab = working
    lab.mute("n2/e0a")
    lab.kill("n2")
    lab.wait_until_fenced("n2")
    lab.boot("n2")
    assert not _reaches(lab, "192.0.2.102")
    lab.unmute("n2/e0a")
    lab.wait(lambda: _reaches(lab, "192.0.2.102"), "n2 is heard again")
    lab.wait_for_nodes()


def test_clients_reach_both_subnets_and_never_the_heartbeat(lab: Lab) -> None:
    for address in ("192.0.2.101", "198.51.100.101", "2001:db8:a::101", "2001:db8:b::101"):
        assert _reaches(lab, address, "c1") and _reaches(lab, address, "c2"), address
    assert not _reaches(lab, "10.77.0.1")


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_disk_is_shared_and_a_double_mount_is_seen(lab: Lab, kind: str) -> None:
    disk = lab.disk(f"shared-{kind}", kind)
    for node in ("n1", "n2"):
        lab.node(node).run(["mount", disk.device, "/mnt"])
        lab.node(node).run(["sh", "-c", f"cat /mnt/* ; echo {node} >/mnt/{node}"], check=False)
        assert lab.mounted()[disk.name] == {node}
        lab.node(node).run(["umount", "/mnt"])
    seen = lab.node("n3").run(["sh", "-ec", f"mount {disk.device} /mnt; cat /mnt/n?; umount /mnt"])
    assert seen.stdout == "n1\nn2\n"
    lab.check()


def test_a_power_cut_is_over_when_the_disks_are_free(working: Lab) -> None:
    lab = working
    disk = lab.disk("held")
    lab.node("n3").run(["mount", disk.device, "/mnt"])
    lab.kill("n3")
    lab.wait_until_fenced("n3")
    assert lab.mounted()[disk.name] == frozenset()
    lab.boot("n3")
    lab.wait_for_nodes()


def test_the_host_sees_nothing_of_it(lab: Lab) -> None:
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    assert not any(port.cable in links for port in lab.topology.ports)
    assert "vsctl-lab" not in Path("/proc/self/mountinfo").read_text()


def test_a_lab_in_use_is_not_taken_from_its_owner(lab: Lab) -> None:
    with pytest.raises(LabProblem, match="is in use by process"):
        Lab(name=lab.place.name).up(owner=os.getpid())


def test_a_second_lab_tells_of_a_double_mount_and_leaves_nothing(lab: Lab) -> None:
    with Lab(nodes=2, name=f"{lab.place.name}-other", boots=True) as other:
        other.node("n1").run(["fence_lab"], input="action=reboot\nplug=n2\n")
        other.wait(lambda: len(other.journal("on", "n2")) == 2, "n2, once fenced, boots by itself")
        other.wait_for_nodes()
        disk = other.disk("twice")
        other.check()
        for node in other.nodes:
            node.run(["mount", disk.device, "/mnt"])
        other.wait(lambda: other.journal("mounted-twice"), "the guard tells of the double mount")
        with pytest.raises(LabProblem, match="disk twice is mounted on n1 and on n2"):
            other.check()
    assert other.place.remains() == []


def test_what_a_crash_leaves_is_cleared(lab: Lab) -> None:
    other = Lab(nodes=1, name=f"{lab.place.name}-other")
    other.up()
    other.disk("left")
    for what in ("helper", "n1", "holder"):
        other.place.kill(what)
    other.down()
    assert other.place.remains() == []


def _carrier(lab: Lab, interface: str) -> bool:
    return lab.node("n1").path(f"/sys/class/net/{interface}/carrier").read_text() == "1\n"


def _reaches(lab: Lab, address: str, client: str = "c1") -> bool:
    return lab.client(client).run(["ping", "-c1", "-W1", address], check=False).returncode == 0
