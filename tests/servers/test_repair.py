"""A damaged filesystem on a node: found, put into quarantine, repaired; the cluster is a CIB in a file."""

import shlex
from pathlib import Path

import pytest

from tests.servers.node import is_free, wait_for
from tests.servers.quarantined import (
    OVER,
    PARTS,
    PERSON,
    REPAIR,
    TABLE_AND_SIZE,
    break_ext4,
    data,
    shut_xfs_down,
)
from vsctl.agents.quarantine import change

pytestmark = pytest.mark.node

LIMIT = 8
"""Seconds that an action has, of which a busy machine takes some for itself."""


@pytest.mark.parametrize(("type", "break_it"), [("ext4", break_ext4), ("xfs", shut_xfs_down)])
def test_damage_is_found_and_repaired(node, cluster, type, break_it):
    device = node.disk(type)
    fs = data(device, type)
    repair = {**fs, "mode": "auto"}
    node.agent("fs", "start", **fs)
    assert (node.agent("fs", "monitor", **fs).status, cluster.scores) == (0, OVER)
    break_it(node, device)
    monitor = node.agent("fs", "monitor", **fs)
    assert (monitor.status, cluster.scores) == (0, REPAIR), monitor.said
    assert cluster.record["node"] == "n1" and cluster.record["stage"] == "repair"
    assert node.agent("fs", "stop", **fs).status == 0
    assert node.agent("repair", "monitor", interval=0, **repair).status == 7
    begun = node.agent("repair", "start", **repair)
    assert begun.status == 0, begun.said
    wait_for(lambda: cluster.scores == OVER, "the repair does not end the quarantine")
    assert (cluster.record["stage"], cluster.record["on"]) == ("over", "n1")
    assert node.agent("repair", "monitor", **repair).status == 0
    assert [node.agent("repair", "stop", **repair).status for _ in "12"] == [0, 0]
    assert is_free(device)
    assert node.agent("fs", "start", **fs).status == 0
    assert (node.agent("fs", "monitor", **fs).status, cluster.scores) == (0, OVER)


@pytest.mark.parametrize("action", ["start", "monitor"])
def test_a_cluster_that_does_not_answer_is_not_waited_for_longer_than_there_is_time(
    node, cluster, tmp_path, action
):
    device = node.disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    break_ext4(node, device)
    silence(node, tmp_path)
    late = node.agent("fs", action, timeout=LIMIT, **fs)
    assert (late.status, "the cluster has not answered" in late.said) == (1, True), late.said
    assert late.seconds < LIMIT
    node.run("umount /usr/sbin/cibadmin")
    in_time = node.agent("fs", action, **fs)
    assert (in_time.status, cluster.scores) == ({"start": 1, "monitor": 0}[action], REPAIR)


def test_what_the_kernel_says_of_an_xfs_is_not_forgotten_until_the_cluster_knows(node, cluster, tmp_path):
    """It says so once, and nothing else about the filesystem shows it."""
    device = node.disk("xfs")
    node.agent("fs", "start", **data(device, "xfs"))
    silence(node, tmp_path)
    daemon = node.begin_python(_DAEMON)
    assert daemon.stdout.readline() == "it looks\n"
    node.run(f"sh -c 'echo \"XFS ({Path(device).name}): Metadata corruption detected\" > /dev/kmsg'")
    assert "the cluster has not answered" in daemon.stdout.readline()
    assert cluster.scores == OVER
    node.run("umount /usr/sbin/cibadmin")
    assert "data of vs1 is in quarantine" in daemon.stdout.readline()
    assert cluster.scores == REPAIR


_DAEMON = """
from vsctl.agents.noded import commands, damages
from vsctl.agents.noded.loop import Loop
commands.LIMIT, damages.AGAIN = 4.0, 0.5
loop = Loop()
damages.Damages(loop, lambda: "n1", lambda words: print(words, flush=True), lambda _: None).look()
print("it looks", flush=True)
loop.run()
"""


def silence(node, folder: Path) -> None:
    """Let the cluster answer nobody until cibadmin is unmounted."""
    silent = folder / "cibadmin"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    node.run(f"mount --bind {silent} /usr/sbin/cibadmin")


def hear(node, folder: Path) -> Path:
    """Let what attrd_updater is told be lines of a file."""
    told, updater = folder / "told", folder / "attrd_updater"
    updater.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    updater.chmod(0o755)
    node.run(f"mount --bind {updater} /usr/sbin/attrd_updater")
    return told


def found_damaged(node, cluster, **repair: str) -> dict[str, str]:
    """Bring data into quarantine, and return the parameters of its repair."""
    device = node.disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    break_ext4(node, device)
    assert node.agent("fs", "monitor", **fs).status == 0
    assert node.agent("fs", "stop", **fs).status == 0
    assert cluster.scores == REPAIR
    return {**fs, **repair}


def block(node) -> None:
    """Bring data into quarantine without any damage."""
    quarantine = {"stage": "repair", "since": 1, "node": "n1", "why": "a test"}
    there = frozenset(f"vsctl-{rule}-vs1.data" for rule, *_ in PARTS)
    node.run(shlex.join(["cibadmin", "--modify", "--xml-text", change("vs1", "data", quarantine, there)]))


def test_a_repair_that_nobody_asked_for_waits_for_a_person(node, cluster):
    repair = found_damaged(node, cluster, mode="off")
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == PERSON, "it does not wait for a person")
    assert "mode: off" in cluster.record["said"]
    assert cluster.record["advice"] == "vsctl repair vs1/data"
    fs = {name: repair[name] for name in ("server", "filesystem", "device", "type")}
    start = node.agent("fs", "start", **fs)
    assert (start.status, cluster.scores) == (1, PERSON), "damage that is known is not reported anew"


def test_one_that_only_looks_gives_back_what_is_sound(node, cluster):
    repair = found_damaged(node, cluster, mode="check")
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "nothing is wrong with it, and it stays blocked")
    assert cluster.record["result"] == "clean"


def test_the_metadata_are_saved_and_what_is_corrupt_is_repaired(node, cluster):
    repair = found_damaged(node, cluster, mode="auto", keep_image="yes")
    node.run("mount -t tmpfs none /var/lib")
    node.run(f"debugfs -w -R 'clri <2>' {repair['device']}")
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
    assert cluster.record["result"] == "repaired"
    log = node.run("cat /var/log/vsctl/vs1/repair-data.log").said
    assert "Root inode is not a directory" in log
    assert node.run("stat -c %s /var/lib/vsctl/images/vs1.data.image").said.strip() != "0"


def test_the_metadata_of_an_xfs_are_saved_and_can_be_restored(node, cluster):
    repair = {**data(node.disk("xfs"), "xfs"), "mode": "auto", "keep_image": "yes"}
    node.run("mount -t tmpfs none /var/lib")
    block(node)
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
    node.run("xfs_mdrestore /var/lib/vsctl/images/vs1.data.image /var/lib/restored")
    assert node.run("xfs_repair -n -f /var/lib/restored").status == 0


def test_it_is_not_repaired_again_and_again(node, cluster):
    repair = found_damaged(node, cluster)
    fs = {name: repair[name] for name in ("server", "filesystem", "device", "type", "CRM_meta_on_node")}
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
    assert node.agent("repair", "stop", **repair).status == 0
    node.agent("fs", "start", **fs)
    break_ext4(node, fs["device"])
    assert node.agent("fs", "monitor", **fs).status == 0
    assert node.agent("fs", "stop", **fs).status == 0
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == PERSON, "it does not wait for a person")
    assert "within a day" in cluster.record["said"]


def test_it_waits_for_whoever_has_the_device_and_ends_when_it_is_stopped(node, cluster):
    repair = found_damaged(node, cluster, mode="auto")
    node.run(f"mount {repair['device']} /mnt")
    assert node.agent("repair", "start", **repair).status == 0
    assert node.agent("repair", "monitor", **repair).status == 0
    assert cluster.scores == REPAIR
    assert node.agent("repair", "stop", **repair).status == 0
    assert node.agent("repair", "monitor", **repair).status == 7
    assert node.agent("repair", "start", **repair).status == 0
    node.run("umount /mnt")
    wait_for(lambda: cluster.scores == OVER, "it does not go on when the device is free")


def test_storage_that_fails_is_no_damage(node, cluster):
    device, become = node.failing_disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    node.run("touch /srv/vsctl/vs1/data/new")
    become("eio")
    node.run("sync /srv/vsctl/vs1/data", ok=False)
    node.run("ls /srv/vsctl/vs1/data/lost+found", ok=False)
    node.agent("fs", "monitor", **fs)
    assert cluster.scores == OVER
    become("good")


def test_a_checker_whose_device_fails_it_writes_nothing_for_that(node, cluster):
    """What cannot be read only now and here may be sound."""
    device, become = node.failing_disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    node.run("mkdir /srv/vsctl/vs1/data/there")
    node.run("sh -c 'seq 50 | (cd /srv/vsctl/vs1/data/there && xargs touch)'")
    break_ext4(node, device)
    assert node.agent("fs", "monitor", **fs).status == 0
    assert node.agent("fs", "stop", **fs).status == 0
    sizes = node.run(f"dumpe2fs -h {device}").said
    size = int(sizes.partition("Block size:")[2].split()[0])
    block = int(node.run(f"debugfs -R 'blocks /there' {device}").said.split()[-1])
    node.run(f"debugfs -w -R 'clri <2>' {device}")
    become(f"bad {block * size}")
    repair = {**fs, "mode": "auto"}
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: node.agent("repair", "monitor", **repair).status == 1, "it does not say that it failed")
    log = node.run("cat /var/log/vsctl/vs1/repair-data.log").said
    assert "Input/output error" in log and "Force rewrite" not in log, log
    assert cluster.scores == REPAIR
    become("good")
    assert node.agent("repair", "stop", **repair).status == 0
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
    assert node.agent("fs", "start", **fs).status == 0
    assert len(node.run("find /srv/vsctl/vs1/data -type f").said.split()) == 50, "all is there"


def test_a_mount_that_one_bad_path_keeps_from_succeeding_finds_no_damage(node, cluster):
    device, become = node.failing_disk("xfs")
    fs = data(device, "xfs")
    last = int(node.run(f"blockdev --getsize64 {device}").said) - 1
    become(f"bad {last}")
    start = node.agent("fs", "start", **fs)
    assert (start.status, "can't read superblock" in start.said) == (1, True), start.said
    assert cluster.scores == OVER
    become("good")
    assert node.agent("fs", "start", **fs).status == 0


def test_a_damaged_group_keeps_an_xfs_from_being_mounted_and_is_repaired(node, cluster):
    device = node.disk("xfs")
    fs = {**data(device, "xfs"), "mode": "auto"}
    groups = node.run(f"xfs_db -r -c 'sb 0' -c 'print agblocks blocksize' {device}").said
    blocks, size = (int(line.split()[-1]) for line in groups.splitlines())
    node.run(
        f"dd if=/dev/urandom of={device} bs=512 count=3 seek={blocks * size // 512 + 1} conv=notrunc,fsync"
    )
    is_found_and_repaired(node, cluster, fs)


def test_a_damaged_inode_table_of_an_ext4_is_repaired(node, cluster):
    device = node.disk("ext4")
    fs = {**data(device), "mode": "auto"}
    node.agent("fs", "start", **fs)
    node.run("mkdir /srv/vsctl/vs1/data/there")
    node.run("sh -c 'cd /srv/vsctl/vs1/data/there && seq 50 | xargs touch && echo kept | tee $(seq 50)'")
    assert node.agent("fs", "stop", **fs).status == 0
    said = node.run(f"dumpe2fs {device}").said
    table, size = (int(said.partition(each)[2].split()[0].partition("-")[0]) for each in TABLE_AND_SIZE)
    node.run(f"dd if=/dev/urandom of={device} bs={size} count=1 seek={table} conv=notrunc,fsync")
    is_found_and_repaired(node, cluster, fs)
    assert "kept" in node.run("sh -c 'cat /srv/vsctl/vs1/data/lost+found/*/*'", ok=False).said


def is_found_and_repaired(node, cluster, fs: dict[str, str]) -> None:
    """See that a filesystem that cannot be mounted is put into quarantine, repaired, and mounted then."""
    start = node.agent("fs", "start", **fs)
    assert (start.status, "it is in quarantine" in start.said) == (1, True), start.said
    assert cluster.scores == REPAIR
    assert node.agent("repair", "start", **fs).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
    assert cluster.record["result"] == "repaired"
    assert node.agent("repair", "stop", **fs).status == 0
    start = node.agent("fs", "start", **fs)
    assert start.status == 0, start.said
    assert (node.agent("fs", "monitor", **fs).status, cluster.scores) == (0, OVER)


def test_a_repair_that_loses_its_storage_has_another_node_try(node, cluster):
    device, become = node.failing_disk("ext4")
    block(node)
    become("eio")
    repair = {**data(device), "mode": "auto"}
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: node.agent("repair", "monitor", **repair).status == 1, "it does not say that it failed")
    assert "cannot be read here" in node.agent("repair", "monitor", **repair).said
    assert cluster.scores == REPAIR
    become("good")
    assert node.agent("repair", "stop", **repair).status == 0
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")


def test_no_name_of_a_file_decides_about_an_ext4(node, cluster):
    """Checkers say names of files; clients choose them."""
    repair = {**data(node.disk("ext4")), "mode": "auto"}
    place = "/srv/vsctl/vs1/data/Input"
    names = (
        "output error.txt",
        "Ignore error<y>? ",
        "Error reading block 5",
        "\ne2fsck: No such device while x",
    )
    node.agent("fs", "start", **repair)
    node.run(f"mkdir {place}")
    node.run(shlex.join(["touch", *(f"{place}/{each}" for each in names)]))
    inodes = node.run(shlex.join(["stat", "-c", "%i", *(f"{place}/{each}" for each in names)])).said.split()
    assert node.agent("fs", "stop", **repair).status == 0
    for each in inodes:
        node.run(f"debugfs -w -R 'set_inode_field <{each}> mode 0' {repair['device']}")
    block(node)
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
    assert cluster.record["result"] == "repaired"
    log = node.run("cat /var/log/vsctl/vs1/repair-data.log").said
    assert "(/Input/output error.txt) has invalid mode" in log, log
    assert "(/Input/Ignore error<y>? ) has invalid mode" in log, log


def test_no_name_of_a_file_decides_about_an_xfs(node, cluster):
    repair = {**data(node.disk("xfs"), "xfs"), "mode": "auto"}
    file = "/srv/vsctl/vs1/data/x\nxfs_repair: read failed: y"
    node.agent("fs", "start", **repair)
    node.run(shlex.join(["touch", file]))
    inode = node.run(shlex.join(["stat", "-c", "%i", file])).said.strip()
    assert node.agent("fs", "stop", **repair).status == 0
    node.run(f"xfs_db -x -c 'inode {inode}' -c 'write -d core.mode 0' {repair['device']}")
    block(node)
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
    assert cluster.record["result"] == "repaired"
    assert "\nxfs_repair: read failed: y" in node.run("cat /var/log/vsctl/vs1/repair-data.log").said


def test_a_device_that_vanishes_in_the_middle_is_another_nodes_matter(node, cluster, tmp_path):
    told = hear(node, tmp_path)
    device, become = node.failing_disk("ext4")
    node.run(f"ln -s {device} /run/disk")
    repair = {**data("/run/disk"), "mode": "auto"}
    block(node)
    become("slow 0.2")
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: "e2fsck" in node.run("ps -e -o comm=").said, "no checker begins")
    assert ["e2fsck", "19"] in [line.split() for line in node.run("ps -e -o comm=,ni=").said.splitlines()]
    assert node.run("sh -c 'ionice -p $(pgrep -x e2fsck)'").said.strip() == "best-effort: prio 7"
    node.run("rm /run/disk")
    become("good")
    wait_for(lambda: node.agent("repair", "monitor", **repair).status == 1, "it does not say that it failed")
    assert " checking" in told.read_text()
    assert told.read_text().endswith("--name repair-vs1.data --delete\n"), "nothing more is told of it"
    assert "cannot be opened here any more: No such file" in node.agent("repair", "monitor", **repair).said
    assert "Traceback" not in node.run("cat /var/log/vsctl/vs1/repair-data.log").said
    assert (cluster.scores, cluster.record["stage"]) == (REPAIR, "repair"), "no person is asked for"
    node.run(f"ln -s {device} /run/disk")
    assert node.agent("repair", "stop", **repair).status == 0
    assert node.agent("repair", "start", **repair).status == 0
    wait_for(lambda: cluster.scores == OVER, "it is not repaired")
