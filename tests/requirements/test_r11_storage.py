"""R11: a node loses a storage unit: exactly the servers on that unit move to a node that reaches it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.lab.stage import Stage
from tests.requirements import storage
from tests.requirements.storage import FOUR, LOST, OTHERS, await_unit, gaps, lose, of, working

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

NODES = ("n1", "n2", "n3")
IN_THE_MEANTIME = ("NFS3ERR_IO", "NFS3ERR_ROFS")
"""What the disk answers before the node knows that it is lost reaches the clients; they go on when it is over."""


def test_errors_move_exactly_the_servers_of_the_unit_and_failback_decides_who_returns(bare: Stage) -> None:
    four, lab, began = storage.prepare(bare), bare.lab, time.monotonic()
    with working(four) as everyone:
        lost = lose(lab, "eio", "n1")
        await_unit(lab, "n1", "0", 20)
        known = time.monotonic()
        for name in LOST:
            lab.wait(lambda it=name: lab.where(f"{it}-gate") not in (None, "n1"), f"{name} has left n1", 60)
        for each in of(everyone, LOST).values():
            each.wait_for_progress(since=known)
        four.settle()
    waited = gaps(everyone, lost)
    assert {name: four.node_of(name) for name in OTHERS} == {"vs2": "n1", "vs4": "n2"}
    assert {four.node_of(name) for name in LOST} <= {"n2", "n3"}
    assert not [each for each in lab.journal("off") if each.at > began], "nobody was fenced for it"
    assert not [name for name in LOST for each in filesystems(four, name) if each["quarantine"]], "no damage"
    for name, each in everyone.items():
        said = {event.text.rpartition(" ")[2] for event in each.report().errors}
        assert said <= (set(IN_THE_MEANTIME) if name in of(everyone, LOST) else set()), name
        assert each.missing() == [], name
    assert max(waited[name] for name in of(everyone, OTHERS)) < 2, "the others do not pause"
    assert max(waited.values()) < 60

    lab.disks.heal()
    await_unit(lab, "n1", "1")
    four.settle()
    assert {four.node_of(name) for name in LOST} <= {"n2", "n3"}, "failback is manual"
    assert four.document
    four.apply({**four.document, "policy": {"failback": "auto"}}, "--yes")
    for name in LOST:
        lab.wait(lambda it=name: lab.where(f"{it}-gate") == "n1", f"failback is auto: {name} goes home", 90)


def filesystems(stage: Stage, server: str) -> list[dict[str, Any]]:
    """Return what status says of the filesystems of a server."""
    return list(stage.status()["servers"][server]["filesystems"])


@pytest.mark.full
def test_where_no_node_reaches_it_servers_stay_or_stop_as_the_file_says(bare: Stage) -> None:
    stays = "vs3:\n"
    assert stays in FOUR
    four = storage.prepare(bare, FOUR.replace(stays, f"{stays}  on_storage_loss: stop\n"))
    lab, began = four.lab, time.monotonic()
    with working(four, OTHERS) as everyone:
        lost = lose(lab, "eio", *NODES)
        for node in NODES:
            await_unit(lab, node, "0", 20)
        lab.wait(lambda: lab.where("vs3-net") is None, "vs3 stops: on_storage_loss is stop", 60)
        four.settle()
        said = " ".join(four.vsctl("status", check=False).stdout.split())
        for each in everyone.values():
            each.wait_for_progress()
    assert max(gaps(everyone, lost).values()) < 2, "the others do not pause"
    assert lab.where("vs1-net") is not None, "vs1 stays, which is the default"
    assert {name: four.node_of(name) for name in OTHERS} == {"vs2": "n1", "vs4": "n2"}
    assert not [each for each in lab.journal("off") if each.at > began], "nobody was fenced for it"
    assert "no node reaches storage san1" in said
    assert "vs3 waits for its storage, which no node reaches (on_storage_loss: stop)" in said
    lab.disks.heal()
    for node in NODES:
        await_unit(lab, node, "1")
    four.vsctl("cleanup")
    lab.wait(lambda: four.serving("vs1") and four.serving("vs3"), "vs1 and vs3 serve again", 90)


@pytest.mark.full
def test_a_slow_unit_is_said_to_be_slow_and_nobody_moves(bare: Stage) -> None:
    four, lab = storage.prepare(bare), bare.lab
    before = {name: four.node_of(name) for name in (*LOST, *OTHERS)}
    lose(lab, "slow 1.3", "n1")
    try:
        words = "storage san1 is slow: reads take more than a second on n1"
        lab.wait(lambda: words in " ".join(four.vsctl("status", check=False).stdout.split()), words, 30)
        assert "storage san1 is slow" in " ".join(four.vsctl("events").stdout.split())
        assert storage.unit(lab, "n1") == "1"
        assert {name: four.node_of(name) for name in before} == before
    finally:
        lab.disks.heal()
    lab.wait(
        lambda: words not in " ".join(four.vsctl("status", check=False).stdout.split()), "it is well", 60
    )
