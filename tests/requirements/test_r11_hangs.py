"""R11: storage hangs, so that its servers cannot even be stopped: the others leave the node, and then it is fenced."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.lab import history
from tests.lab.journal import Entry
from tests.lab.lab import Lab
from tests.lab.stage import Stage
from tests.requirements import storage
from tests.requirements.storage import LOST, OTHERS, await_unit, gaps, lose, of, working
from vsctl.agents.noded import deputy, emptying
from vsctl.policy import naming

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture
def four(bare: Stage) -> Iterator[Stage]:
    yield storage.prepare(bare)
    bare.lab.heal()
    bare.settle()


def test_the_others_leave_before_the_node_is_fenced_and_no_synced_write_is_lost(four: Stage) -> None:
    """The hang comes in the middle of writes: all clients write, and a large file is not yet on the disk."""
    lab = four.lab
    with working(four) as everyone:
        lab.node("n1").run(["dd", "if=/dev/zero", "of=/srv/vsctl/vs1/root/dirty", "bs=1M", "count=16"])
        hung = lose(lab, "hang", "n1")
        await_unit(lab, "n1", "0", 30)
        lab.wait_until_fenced("n1", 120)
        cut = lab.journal("cut", "n1")[-1]
        for each in of(everyone, LOST).values():
            each.wait_for_progress(since=cut.at, limit=90)
        four.settle()
        for each in everyone.values():
            each.wait_for_progress()
    waited = gaps(everyone, hung)
    for name, each in everyone.items():
        assert not each.report().errors, f"{name}: {each.report().errors}"
        assert each.missing() == [], name
    for name, each in of(everyone, ["vs2"]).items():
        assert [at for at in each.report().acks if hung < at < cut.at], (
            f"{name} went on before the node was fenced"
        )
    assert four.node_of("vs2") != "n1" and four.node_of("vs4") == "n2"
    assert has_left("vs2", lab, cut), "vs2 had left n1 when that was fenced"
    assert max(waited[name] for name in of(everyone, ["vs2"])) < 10, "vs2 moved, and did not crash"
    assert max(waited[name] for name in of(everyone, ["vs4"])) < 2
    assert max(waited.values()) < 90
    lab.check()


@pytest.mark.full
def test_another_node_acts_where_the_daemon_of_the_stuck_one_cannot(four: Stage) -> None:
    lab = four.lab
    manage_daemons(lab, "false")
    try:
        lose(lab, "hang", "n1")
        await_unit(lab, "n1", "0", 30)
        freeze_daemon(lab, "n1")
        limit = emptying.SELDOM + deputy.SILENCE + 2 * deputy.STEP + 60
        lab.wait_until_fenced("n1", limit + 30)
        cut = lab.journal("cut", "n1")[-1]
        assert has_left("vs2", lab, cut), "vs2 had left n1 when that was fenced"
        for name in LOST:
            lab.wait(lambda it=name: four.serving(it), f"{name} serves again", 90)
    finally:
        manage_daemons(lab, "true")
    told = json.loads(four.vsctl("events", "--json", node="n2").stdout)["events"]
    others = [
        each for each in told if each["kind"] == "node" and each["node"] != "n1" and each["about"] == "n1"
    ]
    assert {"empty", "fence"} <= {each["state"] for each in others}, "a deputy has said what it did"
    lab.check()


@pytest.mark.full
def test_nobody_is_fenced_for_nothing(four: Stage) -> None:
    """All nodes have lost the unit: the end of one would set nothing free, whoever is stuck on it."""
    lab, began = four.lab, time.monotonic()
    with working(four, OTHERS) as everyone:
        lost = lose(lab, "hang", "n1", "n2", "n3")
        for node in ("n1", "n2", "n3"):
            await_unit(lab, node, "0", 30)
        four.vsctl("move", "vs1", "n2", check=False)
        lab.wait(lambda: "did not stop" in four.vsctl("status", check=False).stdout, "vs1 is stuck", 90)
        looks = {emptying_of(lab)}
        lab.wait(lambda: looks.add(emptying_of(lab)) or len(looks) > 3, "n1 has looked again and again", 60)
        assert looks and all(each.startswith("nothing") for each in looks)
        assert not [each for each in lab.journal("cut") if each.at > began]
        for each in everyone.values():
            each.wait_for_progress()
    assert max(gaps(everyone, lost).values()) < 3, "the others do not pause"
    lab.disks.heal()
    for node in ("n1", "n2", "n3"):
        await_unit(lab, node, "1")
    for name in LOST:
        lab.wait(lambda it=name: four.serving(it), f"{name} serves again, without anybody's help", 90)
    four.vsctl("failback")


def has_left(server: str, lab: Lab, cut: Entry) -> bool:
    """Whether a server was started on another node while its former one still lived: it had stopped there before."""
    starts = history.begun(lab, "start", cut.wall - 60)
    return any(each.resource == f"{server}-net" and each.at < cut.wall for each in starts)


def manage_daemons(lab: Lab, how: str) -> None:
    """Let Pacemaker look after the node daemons, true, or leave them alone, false."""
    option = ["--set-parameter", "is-managed", "--parameter-value", how]
    lab.any_node().run(["crm_resource", "--resource", naming.DAEMONS, "--meta", *option])


def freeze_daemon(lab: Lab, node: str) -> None:
    script = "kill -STOP $(cut -d' ' -f1 /run/vsctl/_daemon/process)"
    lab.node(node).run(["sh", "-c", script])


def emptying_of(lab: Lab) -> str:
    """Return what the daemon of n1 says it does."""
    ask = ["attrd_updater", "--query", "--name", emptying.WATCH, "--node", "n1"]
    return lab.node("n1").run(ask, check=False).stdout.partition('value="')[2].partition('"')[0]
