"""What waits for what when a server starts and stops, by the scheduler's own graph."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lxml import etree

from tests.stories import cast
from tests.stories.scheduler import Scheduler
from vsctl.policy.hand import NO_HAND


def test_only_smb_holds_its_addresses_until_it_has_ended_and_nobody_waits_for_them_to_start(
    tmp_path: Path,
) -> None:
    """An SMB client has to see its server end; an NFS client sees nothing while the gate is closed."""
    cluster = cast.cluster(["nodes: n1 n2", "vs1: home=n1 smb=root"])
    world = Scheduler(tmp_path)
    world.apply(cluster, NO_HAND)
    world.settle()
    started = awaited(tmp_path)
    assert "vs1-fs-root_start_0" in started["vs1-smb_start_0"]
    assert "vs1-vip-lan-a_start_0" not in started["vs1-smb_start_0"] | started["vs1-nfs_start_0"]
    assert "vs1-vip-lan-a_start_0" in started["vs1-gate_start_0"]

    world.apply(cluster, NO_HAND.move("vs1", "n2"))
    world.settle()
    stopped = awaited(tmp_path)["vs1-vip-lan-a_stop_0"]
    assert {"vs1-gate_stop_0", "vs1-smb_stop_0"} <= stopped
    assert "vs1-nfs_stop_0" not in stopped


def awaited(folder: Path) -> dict[str, set[str]]:
    """Return what has ended before each action of the last transition begins, by their keys."""
    before: dict[str, set[str]] = {}
    keys: dict[str, str] = {}
    for synapse in etree.parse(folder / "graph.xml").getroot().iterfind("synapse"):
        inputs = {each.get("id", "") for each in synapse.iterfind("inputs/trigger/*")}
        for action in synapse.iterfind("action_set/*"):
            before[action.get("id", "")] = inputs
            keys[action.get("id", "")] = action.get("operation_key", "")

    @cache
    def all_before(action: str) -> set[str]:
        return before[action].union(*map(all_before, before[action]))

    return {keys[action]: {keys[each] for each in all_before(action)} for action in before}
