"""R5: a server that cannot start holds back no lower one for long. The order itself is in the crash."""

from __future__ import annotations

import pytest

from tests.lab import stage
from tests.lab.stage import Stage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

LOWER = ("vs2", "vs5", "vs6")
"""Who leaves n1 after vs1, in order."""
LAUNCHER, KEPT = "/usr/lib/ocf/resource.d/vsctl/net", "/usr/lib/vsctl/kept-launcher-of-net"


def test_a_mount_that_hangs_holds_back_nobody(six: Stage) -> None:
    """The mount of vs1, the first in order, hangs on every node; the others start meanwhile.

    `mount` finds a helper for the type, /sbin/mount.ext4, and runs that: here
    one which waits for as long as a certain file exists.
    """
    lab = six.lab
    for node in lab.nodes:
        node.write("/sbin/mount.ext4", HANGING_MOUNT, 0o755)
        node.write("/run/mount-hangs", "")
    begin = stage.now()
    try:
        lab.kill("n1")
        lab.wait_until_fenced("n1", 60)
        lab.wait(lambda: _begun(six, begin, "vs1-fs-root"), "the mount of vs1 begins", 60)
        for name in LOWER:
            lab.wait(lambda: six.serving(name), f"{name} serves", 120)  # noqa: B023 - called at once
        ends = [
            each.at
            for each in six.acts_since(begin)
            if each.resource == "vs1-fs-root" and each.operation == "start" and each.result is not None
        ]
        last = max(_begun(six, begin, f"{name}-net") for name in LOWER)
        assert not ends or last < min(ends), "the lower ones start while the mount of vs1 hangs"
        assert six.status()["servers"]["vs1"]["state"] != "serving"
    finally:
        for node in lab.nodes_on:
            node.run(["rm", "-f", "/run/mount-hangs"])
        lab.heal()
        for node in lab.nodes:
            node.run(["rm", "-f", "/sbin/mount.ext4", "/run/mount-hangs"])
        six.settle()
        six.vsctl("cleanup")
    lab.wait(lambda: six.serving("vs1"), "vs1 serves once its mount does not hang any more", 120)


@pytest.mark.full
def test_a_namespace_that_hangs_everywhere_is_tried_once_on_each_node_and_then_holds_back_nobody(
    six: Stage,
) -> None:
    """The order rests on the first resource of vs1: docs/decisions/0047-a-start-that-hangs-everywhere.md."""
    lab = six.lab
    for node in lab.nodes:
        node.run(["cp", "--archive", LAUNCHER, KEPT])
        node.write(f"{LAUNCHER}.new", HANGING_START, 0o755)
        node.run(["mv", f"{LAUNCHER}.new", LAUNCHER])  # at no moment is there none
        node.write("/run/start-hangs", "")
    begin = stage.now()
    try:
        lab.kill("n1")
        lab.wait_until_fenced("n1", 60)
        for name in LOWER:
            lab.wait(lambda: six.serving(name), f"{name} serves", 180)  # noqa: B023 - called at once
        assert six.status()["servers"]["vs1"]["state"] != "serving"
        begun = {name: _begun(six, begin, f"{name}-net") for name in ("vs1", *LOWER)}
        assert list(begun) == sorted(begun, key=lambda name: begun[name] or 0.0), begun
        starts = [
            each
            for each in six.acts_since(begin)
            if (each.resource, each.operation) == ("vs1-net", "start") and each.result is None
        ]
        assert sorted(each.node for each in starts) == ["n2", "n3"], starts
    finally:
        for node in lab.nodes_on:
            node.run(["rm", "-f", "/run/start-hangs"])
        lab.heal()
        for node in lab.nodes:
            node.run(["vsctl", "install"])
            node.run(["rm", "-f", KEPT])
        six.settle()
        six.vsctl("cleanup")
    lab.wait(lambda: six.serving("vs1"), "vs1 serves once its start does not hang any more", 120)


def _begun(on: Stage, since: float, resource: str) -> float | None:
    acts = on.acts_since(since)
    return next((each.at for each in acts if each.resource == resource and each.operation == "start"), None)


HANGING_MOUNT = """#!/bin/sh
# mount.ext4 DEVICE POINT [-o OPTIONS]
if [ "$2" = /srv/vsctl/vs1/root ]; then
    while [ -e /run/mount-hangs ]; do sleep 0.1; done
fi
exec mount --internal-only -t ext4 "$@"
"""

HANGING_START = f"""#!/bin/sh
if [ "$1 $OCF_RESKEY_server" = "start vs1" ]; then
    while [ -e /run/start-hangs ]; do sleep 0.1; done
fi
exec {KEPT} "$@"
"""
