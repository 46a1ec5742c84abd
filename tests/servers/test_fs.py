"""Filesystems on a node: mounted where they belong, and really gone afterwards."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.node import is_free, wait_for

pytestmark = pytest.mark.lab

POINT = "/srv/vsctl/vs1/data"


def data(device: str, type: str = "ext4", **more: str) -> dict[str, str]:
    return {"server": "vs1", "filesystem": "data", "device": device, "type": type, **more}


@pytest.mark.parametrize("type", ["ext4", "xfs"])
def test_start_and_stop_are_idempotent_and_leave_the_device_free(node, type):
    device = node.disk(type)
    fs = data(device, type, options="noatime")
    assert node.agent("fs", "monitor", **fs).status == 7
    assert [node.agent("fs", "start", **fs).status for _ in "12"] == [0, 0]
    assert node.agent("fs", "monitor", **fs).status == 0
    assert "noatime" in node.run(f"findmnt -n -o OPTIONS {POINT}").said
    assert not is_free(device)
    assert [node.agent("fs", "stop", **fs).status for _ in "12"] == [0, 0]
    assert is_free(device)
    assert node.agent("fs", "monitor", **fs).status == 7


def test_nobody_writes_below_an_unmounted_mount_point(node):
    fs = data(node.disk("ext4"))
    node.agent("fs", "start", **fs)
    node.run(f"touch {POINT}/mounted")
    node.agent("fs", "stop", **fs)
    assert node.run(f"touch {POINT}/lost", ok=False).status != 0


def test_the_root_filesystem_keeps_the_servers_state_for_root_alone(node):
    fs = {**data(node.disk("ext4")), "filesystem": "root"}
    node.agent("fs", "start", **fs)
    state = "/srv/vsctl/vs1/root/.vsctl"
    modes = node.run(f"stat -c %a {state} {state}/nfs {state}/statd {state}/smb").said
    assert modes.split() == ["700"] * 4


def test_what_is_not_ours_is_refused_and_left_alone(node):
    device, other = node.disk("ext4"), node.disk("xfs")
    node.run(f"mount {device} /mnt")
    mounted = node.agent("fs", "start", **data(device))
    assert (mounted.status, "already mounted, on /mnt" in mounted.said) == (1, True)
    wrong = node.agent("fs", "start", **data(other))
    assert (wrong.status, "xfs is on it" in wrong.said) == (1, True)
    empty = node.agent("fs", "start", **data(node.disk("empty", "32M")))
    assert (empty.status, "no ext4 is on it" in empty.said) == (1, True)
    missing = node.agent("fs", "start", **data("/dev/none"))
    assert (missing.status, "No such file" in missing.said) == (1, True)
    node.run("umount /mnt")
    holder = node.begin(
        f"/usr/bin/python3 -c \"import os; os.open('{device}', os.O_EXCL); print('held', flush=True); input()\""
    )
    assert holder.stdout.readline() == "held\n"
    held = node.agent("fs", "start", **data(device))
    assert (held.status, "held by something else" in held.said) == (1, True)


def test_users_are_asked_to_leave_and_then_made_to(node):
    device = node.disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    for obeys in (True, False):
        node.agent("fs", "start", **fs)
        trap = "" if obeys else "trap '' TERM; "
        user = node.begin(f'sh -c "cd {POINT}; {trap}echo here; while :; do read line || :; done"')
        assert user.stdout.readline() == "here\n"
        stop = node.agent("fs", "stop", timeout=5, **fs)
        assert stop.status == 0, stop.said
        assert "sending SIGTERM to sh" in stop.said
        assert ("SIGKILL" in stop.said) is not obeys
        assert is_free(device)


def test_a_mapped_file_keeps_it_busy_too(node):
    device = node.disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    node.run(f"cp /usr/bin/sleep {POINT}/sleep")
    node.begin(f"{POINT}/sleep 1000")
    wait_for(lambda: "sleep 1000" in node.run("ps ax").said, "sleep has not begun")
    assert node.agent("fs", "stop", **fs).status == 0
    assert is_free(device)


def test_a_mount_namespace_that_nothing_reaches_does_not_keep_the_device(node):
    device = node.disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    other = node.begin('unshare --mount --propagation private sh -c "echo here; read line"')
    assert other.stdout.readline() == "here\n"
    stop = node.agent("fs", "stop", **fs)
    assert (stop.status, "mount namespace of sh" in stop.said) == (0, True)
    assert is_free(device)


def test_a_mount_that_another_one_hides_is_not_taken_for_unmounted(node):
    fs = data(node.disk("ext4"))
    node.agent("fs", "start", **fs)
    node.run("mount --bind /srv/vsctl /srv/vsctl")
    stop = node.agent("fs", "stop", timeout=5, **fs)
    assert (stop.status, "hidden below something" in stop.said) == (1, True), stop.said
    node.run("umount /srv/vsctl")
    assert node.agent("fs", "stop", **fs).status == 0


def test_servers_that_come_all_at_once_share_one_mount(node):
    node.python(_ALL_AT_ONCE)
    assert node.run("cat /proc/self/mountinfo").said.count(" /srv/vsctl ") == 1


_ALL_AT_ONCE = """
import os
from vsctl.agents import kernel, mounts, paths
wait, go = os.pipe()
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        os.close(go)
        os.read(wait, 1)
        mounts.share(paths.MOUNTS)
        os._exit(0)
    children.append(child)
os.close(go)
for each in children:
    os.waitpid(each, 0)
"""


def test_what_was_detached_in_use_is_not_taken_for_stopped(node):
    device = node.disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    user = node.begin(f'sh -c "cd {POINT}; echo here; read line"')
    assert user.stdout.readline() == "here\n"
    node.run(f"umount --lazy {POINT}")
    monitor = node.agent("fs", "monitor", **fs)
    assert (monitor.status, "still in use" in monitor.said) == (1, True), monitor.said
    assert node.agent("fs", "stop", **fs).status == 0
    assert is_free(device)
    assert node.agent("fs", "monitor", **fs).status == 7


def test_a_device_whose_name_is_gone_is_unmounted_everywhere_too(node):
    """A path that is lost takes its name out of /dev, and brings the device back under a living filesystem."""
    device, name = node.disk("ext4"), "/run/by-id"
    node.run(f"ln -s {device} {name}")
    fs = data(name)
    node.agent("fs", "start", **fs)
    other = node.begin('unshare --mount --propagation private sh -c "echo here; read line"')
    assert other.stdout.readline() == "here\n"
    node.run(f"rm {name}")
    stop = node.agent("fs", "stop", **fs)
    assert (stop.status, "mount namespace of sh" in stop.said) == (0, True), stop.said
    assert is_free(device)
    assert node.agent("fs", "stop", **fs).status == 0


def test_a_check_of_the_device_is_not_disturbed_by_stop(node):
    device = node.disk("ext4")
    checker = node.begin(
        f"/usr/bin/python3 -c \"import os; os.open('{device}', os.O_EXCL); print('held', flush=True); input()\""
    )
    assert checker.stdout.readline() == "held\n"
    assert node.agent("fs", "stop", **data(device)).status == 0
    assert checker.poll() is None


def test_a_damaged_ext4_is_noticed(node):
    device = node.disk("ext4")
    fs = data(device, options="errors=remount-ro")
    node.agent("fs", "start", **fs)
    node.run(f"sh -c 'echo x > /sys/fs/ext4/{device[5:]}/trigger_fs_error'")
    monitor = node.agent("fs", "monitor", **fs)
    assert (monitor.status, "needs a repair" in monitor.said) == (1, True)
    assert node.agent("fs", "stop", **fs).status == 0


def test_an_xfs_that_has_shut_itself_down_is_noticed(node):
    fs = data(node.disk("xfs"), "xfs")
    node.agent("fs", "start", **fs)
    node.run(f"xfs_io -x -c shutdown {POINT}")
    monitor = node.agent("fs", "monitor", **fs)
    assert (monitor.status, "Input/output error" in monitor.said) == (1, True), monitor.said
    assert node.agent("fs", "stop", **fs).status == 0


def test_another_device_in_its_place_is_noticed(node):
    device, other = node.disk("ext4"), node.disk("ext4")
    node.agent("fs", "start", **data(device))
    monitor = node.agent("fs", "monitor", **data(other))
    assert (monitor.status, f"{device} is mounted" in monitor.said) == (1, True)


def test_ten_idle_filesystems_stop_at_once(node):
    several = [{**data(node.disk("ext4")), "filesystem": f"f{number}"} for number in range(10)]
    with ThreadPoolExecutor(10) as all_at_once:
        assert {
            done.status for done in all_at_once.map(lambda fs: node.agent("fs", "start", **fs), several)
        } == {0}
        stops = list(all_at_once.map(lambda fs: node.agent("fs", "stop", **fs), several))
    assert {done.status for done in stops} == {0}
    assert max(done.seconds for done in stops) < 2, "the target is 0.5 s on two idle cores"
