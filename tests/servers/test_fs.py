"""Filesystems on a node: mounted where they belong, and really gone afterwards."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.node import is_free, wait_for

pytestmark = pytest.mark.node

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


def test_what_is_mounted_by_hand_is_not_taken_for_stopped_and_not_touched(node):
    device = node.disk("ext4")
    fs = data(device)
    node.run(f"mount {device} /mnt")
    probe = node.agent("fs", "monitor", interval=0, **fs)
    assert (probe.status, "mounted on /mnt" in probe.said) == (1, True), probe.said
    user = node.begin('sh -c "cd /mnt; echo here; read line"')
    assert user.stdout.readline() == "here\n"
    stop = node.agent("fs", "stop", **fs)
    assert (stop.status, "also mounted on /mnt" in stop.said) == (1, True), stop.said
    assert user.poll() is None
    user.communicate("\n")
    node.run("umount /mnt")
    assert node.agent("fs", "monitor", interval=0, **fs).status == 7
    assert node.agent("fs", "stop", **fs).status == 0


def test_mount_points_may_be_behind_a_link(node):
    node.run("mkdir '/run/my data'")
    node.run("ln -s '/run/my data' /srv/vsctl")
    fs = {**data(node.disk("ext4")), "filesystem": "root"}
    assert [node.agent("fs", action, **fs).status for action in ("start", "monitor")] == [0, 0]
    node.run("mkdir /srv/vsctl/vs1/root/inside")
    node.run("mount --bind /srv/vsctl/vs1 /srv/vsctl/vs1/root/inside")
    assert [node.agent("fs", action, **fs).status for action in ("stop", "monitor")] == [0, 7]


@pytest.mark.parametrize("place", [".vsctl", ".vsctl/smb"])
def test_a_link_in_the_place_of_the_state_is_not_followed(node, place):
    fs = {**data(node.disk("ext4")), "filesystem": "root"}
    root = "/srv/vsctl/vs1/root"
    node.agent("fs", "start", **fs)
    node.run(f"rm -r {root}/{place}")
    node.run(f"ln -s /run/netns {root}/{place}")
    start = node.agent("fs", "start", **fs)
    assert (start.status, f"link or a file named {place.split('/')[-1]}" in start.said) == (1, True), (
        start.said
    )
    assert node.run("ls /run/netns").said == ""


def test_the_state_is_taken_back_from_whoever_owns_it(node):
    fs = {**data(node.disk("ext4")), "filesystem": "root"}
    state = "/srv/vsctl/vs1/root/.vsctl"
    node.agent("fs", "start", **fs)
    node.run(f"chown 1000:1000 {state} {state}/nfs")
    node.run(f"chmod 777 {state}")
    assert node.agent("fs", "start", **fs).status == 0
    assert node.run(f"stat -c %u:%g:%a {state} {state}/nfs").said.split() == ["0:0:700"] * 2


def test_storage_that_hangs_makes_stop_say_so_in_time(node):
    device, disk = node.failing_disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    node.run(f"cp /usr/bin/sleep {POINT}")
    disk("hang")
    stop = node.agent("fs", "stop", timeout=4, **fs)
    assert (stop.status, "is being unmounted for" in stop.said) == (1, True), stop.said
    assert stop.seconds < 4
    # The unmount goes on in the kernel, where nobody sees a mount any more.
    probe = node.agent("fs", "monitor", interval=0, **fs)
    assert (probe.status, "still in use" in probe.said) == (1, True), probe.said
    again = node.agent("fs", "stop", timeout=4, **fs)
    assert (again.status, "its storage does not answer" in again.said) == (1, True), again.said
    disk("good")
    assert node.agent("fs", "stop", **fs).status == 0
    assert is_free(device)
    assert node.agent("fs", "monitor", interval=0, **fs).status == 7


def test_who_waits_for_storage_that_hangs_is_named(node):
    device, disk = node.failing_disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    node.run(f"cp /usr/bin/sleep {POINT}")
    node.run("sync")
    disk("hang")
    node.begin(f"dd iflag=direct if={POINT}/sleep of=/dev/null")
    wait_for(lambda: "D" in node.run("ps -C dd -o stat=", ok=False).said, "dd does not wait for the disk")
    stop = node.agent("fs", "stop", timeout=4, **fs)
    assert stop.status == 1
    assert "still busy after SIGKILL: dd" in stop.said
    assert "its storage does not answer" in stop.said
    disk("good")
    assert node.agent("fs", "stop", **fs).status == 0


def test_storage_that_hangs_makes_start_say_so_in_time(node):
    device, disk = node.failing_disk("ext4")
    fs = data(device)
    disk("hang")
    start = node.agent("fs", "start", timeout=4, **fs)
    assert (start.status, "has not answered" in start.said) == (1, True), start.said
    assert start.seconds < 4
    disk("good")
    wait_for(lambda: is_free(device), f"{device} is still in use")
    assert node.agent("fs", "start", **fs).status == 0


def test_a_mount_that_takes_too_long_is_given_up(node):
    device, disk = node.failing_disk("ext4")
    fs = data(device)
    disk("slow 0.4")
    start = node.agent("fs", "start", timeout=3, **fs)
    assert (start.status, "is being mounted on" in start.said) == (1, True), start.said
    assert start.seconds < 3
    disk("good")
    assert node.agent("fs", "stop", **fs).status == 0
    assert is_free(device)
    assert node.agent("fs", "monitor", interval=0, **fs).status == 7


def test_a_mount_that_storage_holds_up_is_no_absence(node):
    device, disk = node.failing_disk("ext4")
    fs = data(device)
    node.run(f"mkdir -p {POINT}")
    disk("hang")
    node.begin(f"mount -t ext4 {device} {POINT}")
    wait_for(lambda: not is_free(device), "nobody is mounting the device")
    node.run("pkill -KILL -x mount")
    probe = node.agent("fs", "monitor", interval=0, **fs)
    assert (probe.status, "still in use" in probe.said) == (1, True), probe.said
    disk("good")
    wait_for(lambda: is_free(device), f"{device} is still in use")
    assert node.agent("fs", "stop", **fs).status == 0
    assert node.agent("fs", "monitor", interval=0, **fs).status == 7


def test_users_are_found_past_somebody_elses_dead_storage(node):
    """A look at a file of dead storage does not return: it must not keep anybody from being found."""
    device = node.disk("ext4")
    fs = data(device)
    node.agent("fs", "start", **fs)
    with node.dead_file() as file:
        first = node.begin('sh -c "echo here; read line"', files=[file])
        assert first.stdout.readline() == "here\n"
        second = node.begin(f'sh -c "cd {POINT}; echo here; read line"')
        assert second.stdout.readline() == "here\n"
        stop = node.agent("fs", "stop", **fs)
        assert (stop.status, "sending SIGTERM to sh" in stop.said) == (0, True), stop.said
        assert second.wait(10)
        assert first.poll() is None


POINTS = 12


@pytest.mark.parametrize("points", [POINTS, pytest.param(20 * POINTS, marks=pytest.mark.full)])
@pytest.mark.parametrize("action", ["start", "stop"])
@pytest.mark.parametrize("type", ["ext4", "xfs"])
def test_killed_at_any_point_it_finds_its_way(node, type, action, points):
    """Pacemaker kills an action that takes too long; whatever is left, nobody may take it for stopped."""
    device = node.disk(type)
    fs = data(device, type)
    whole = {each: node.agent("fs", each, **fs).seconds for each in ("start", "stop")}
    after, kills = 0.0, 0
    while node.cut_short("fs", action, after, **fs):
        kills += 1
        probe = node.agent("fs", "monitor", interval=0, **fs)
        assert probe.status in (0, 1, 7), probe.said
        assert probe.status != 7 or is_free(device)
        # Whatever comes next, by turns: the same action again, or the other one.
        for each in ("start", "stop", "start") if kills % 2 else ("stop", "start", "stop"):
            done = node.agent("fs", each, **fs)
            assert done.status == 0, f"{each} after {action} was killed after {after:.3f} s: {done.said}"
            monitor = node.agent("fs", "monitor", **fs)
            assert monitor.status == {"start": 0, "stop": 7}[each], monitor.said
            assert is_free(device) == (each == "stop")
        node.agent("fs", "stop" if action == "start" else "start", **fs)
        after += whole[action] / points
    assert kills > 2, "nearly every action had ended before it was killed"


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
