"""What does a node daemon say of stuck nodes, its own and others? With programs in the place of the cluster's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vsctl.agents.noded import deputy, emptying, stuck
from vsctl.agents.noded.attributes import Attributes
from vsctl.agents.noded.emptying import Emptying, Scene
from vsctl.agents.noded.leaving import Guest
from vsctl.agents.noded.loop import Loop, now

LIMIT = 20.0
SOON = 0.4
NODES = ("n1", "n2", "n3")
GUESTS = {"vs1": Guest(("lan-a",), NODES, units=("san1",)), "vs2": Guest(("lan-a",), NODES, units=("san2",))}
STUCK = {"storage-san1": ("0", "1", "1"), "node-ok": ("1", "1", "1")}
FAILED = '<lrm_rsc_op id="a" operation_key="vs1-exp-root_stop_0" operation="stop" on_node="n1" rc-code="1"/>'
CLEANUP = "--cleanup --resource {} --node n1"
ROOT, DATA = CLEANUP.format("vs1-exp-root"), CLEANUP.format("vs2-exp-data")
OTHER = '<lrm_rsc_op id="b" operation_key="vs2-exp-data_stop_0" operation="stop" on_node="n1" rc-code="1"/>'
ATTRD = """#!/bin/sh
case "$*" in
    *--query*) cat {folder}/$2 2>/dev/null ;;
    *emptying*) touch {folder}/beats ;;
    *) echo "$*" >> {folder}/said ;;
esac
"""


class Cluster:
    """What the cluster answers, and what was said to it; the daemon is that of `node`."""

    def __init__(self, folder: Path, node: str) -> None:
        self.folder = folder
        self.loop = Loop()
        self.scene = Scene(node, NODES, GUESTS, (), ())
        self.told: list[tuple[str, str]] = []
        self.emptying = Emptying(
            self.loop,
            Attributes(self.loop, lambda _: None),
            lambda: self.scene,
            lambda node, verdict, _: self.told.append((node, verdict)),
            lambda: self.kept.append(list(self.remembered[1])),
        )
        self.kept: list[list[str]] = []

    @property
    def remembered(self) -> tuple[str, list[str]]:
        """What a daemon after this one is told."""
        return self.emptying.verdict, self.emptying.held

    def answer(self, attributes: dict[str, tuple[str, str, str]], failed: str = FAILED) -> None:
        """Let the cluster say this from now on, of n1, n2 and n3."""
        nodes = "".join(f'<node id="{number}" uname="{name}"/>' for number, name in enumerate(NODES, 1))
        pairs = "".join(
            f'<nvpair id="status-{number}-{name}" name="{name}" value="{value}"/>'
            for name, values in attributes.items()
            for number, value in enumerate(values, 1)
            if value
        )
        (self.folder / "new").write_text(nodes + failed + pairs)
        (self.folder / "new").rename(self.folder / "cib")

    def say_privately(self, name: str, node: str, value: str) -> None:
        (self.folder / name).write_text(f'name="{name}" host="{node}" value="{value}"\n')

    @property
    def heard(self) -> list[str]:
        said = self.folder / "said"
        return said.read_text().splitlines() if said.exists() else []

    def until(self, over: Callable[[], bool]) -> None:
        end = now() + LIMIT

        def look() -> None:
            assert now() < end, f"only {self.heard} was said, and {self.told} told"
            if over():
                self.loop.end()
            else:
                self.loop.after(0.01, look)

        self.loop.after(0.0, look)
        self.loop.run()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Cluster]:
    for name, text in {
        "attrd_updater": ATTRD.format(folder=tmp_path),
        "cibadmin": f"#!/bin/sh\ncat {tmp_path}/cib\n",
        "crm_resource": f'#!/bin/sh\necho "$*" >> {tmp_path}/said\n',
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for module, name in ((emptying, "SELDOM"), (emptying, "ELSEWHERE"), (emptying, "EVERY")):
        monkeypatch.setattr(module, name, 0.05)
    monkeypatch.setattr(emptying, "NEWS", 0.0)
    for name in ("SILENCE", "STEP", "PATIENCE"):
        monkeypatch.setattr(deputy, name, SOON)
    return lambda node: Cluster(tmp_path, node)


def test_a_stuck_node_empties_itself_and_asks_to_be_fenced_when_that_has_been_heard(make) -> None:
    n1 = make("n1")
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1",), ("san1",))
    n1.answer(STUCK)
    n1.emptying.begin()
    n1.until(lambda: len(n1.heard) == 1)
    assert n1.heard == ["--name evacuate --update 1"]
    n1.answer({**STUCK, "evacuate": ("1", "", "")})
    n1.until(lambda: len(n1.heard) == 2)
    assert n1.heard[1] == "--name terminate --update true"
    assert n1.told == [("n1", "empty"), ("n1", "fence")]
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1",), (), waiting=("san1",))
    n1.answer(STUCK)
    back = {"--name evacuate --delete", "--name terminate --delete"}
    n1.until(lambda: set(n1.heard[2:]) == back)  # storage is back
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1",), ())
    n1.until(lambda: ROOT in n1.heard)  # and nothing keeps the stop any more


def test_what_hangs_lets_the_others_go_before_a_stop_has_failed_and_nobody_is_fenced_for_it(make) -> None:
    n1 = make("n1")
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1", "vs2"), ("san1",), ("vs1",))
    n1.answer({**STUCK, "evacuate": ("1", "", "")}, failed="")
    n1.emptying.begin()
    n1.until(lambda: n1.told == [("n1", "empty")])
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1",), ("san1",), ())
    n1.until(lambda: n1.told[1:] == [("n1", "nothing")])
    assert not [each for each in n1.heard if "terminate --update" in each]


def test_the_others_get_their_time_also_when_a_stop_fails_long_after_a_unit_hangs(
    make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck, "PATIENCE", SOON)
    n1 = make("n1")
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1", "vs2"), ("san1",), ("vs1",))
    n1.answer({**STUCK, "evacuate": ("1", "", "")}, failed="")
    n1.emptying.begin()
    n1.until(lambda: n1.told == [("n1", "empty"), ("n1", "nothing")])
    n1.answer({**STUCK, "evacuate": ("1", "", "")})
    n1.until(lambda: len(n1.told) == 4)
    assert n1.told[2:] == [("n1", "empty"), ("n1", "fence")]


def test_deputies_hear_of_a_daemon_that_waits_for_its_unit_to_be_well_for_a_while(make) -> None:
    n1 = make("n1")
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1",), (), waiting=("san1",))
    n1.answer(STUCK)
    n1.emptying.begin()
    n1.until(lambda: (n1.folder / "beats").exists())
    assert n1.heard == []


LOST = {"lost": ("san1",)}
WAITING = {"lost": (), "waiting": ("san1",)}


@pytest.mark.parametrize("when", [LOST, WAITING], ids=["lost", "waiting"])
def test_a_stall_that_is_over_before_others_are_asked_to_leave_keeps_no_stop_failed(
    make, monkeypatch: pytest.MonkeyPatch, when: dict[str, tuple[str, ...]]
) -> None:
    """Also where the stop fails while storage has to work for a while, or that is first heard when it has."""
    monkeypatch.setattr(emptying, "NEWS", LIMIT)
    monkeypatch.setattr(emptying, "LATER", 3 * LIMIT)
    n1 = make("n1")
    scene = Scene("n1", NODES, GUESTS, ("vs1",), ("san1",))
    n1.scene = scene
    n1.answer(STUCK, failed="")
    n1.emptying.begin()
    n1.until(lambda: (n1.folder / "beats").exists())
    n1.scene = replace(scene, **when)
    n1.answer(STUCK)
    n1.scene = replace(scene, lost=())
    n1.until(lambda: n1.heard == [ROOT])


def test_a_unit_that_is_only_held_back_keeps_no_stop_failed_and_deputies_stand_back(make) -> None:
    n1 = make("n1")
    scene = Scene("n1", NODES, GUESTS, ("vs1",), (), waiting=("san1",))
    n1.scene = scene
    n1.answer(STUCK)
    n1.emptying.begin()
    n1.until(lambda: n1.kept == [["vs1-exp-root"]])
    n1.scene = replace(scene, waiting=(), held_back=("san1",))
    n1.until(lambda: n1.heard == [ROOT])
    (n1.folder / "beats").unlink()
    n1.until(lambda: (n1.folder / "beats").exists())


def test_what_a_daemon_before_this_one_has_seen_fail_is_tried_again_when_storage_is_back(make) -> None:
    n1 = make("n1")
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1",), (), waiting=("san1",))
    n1.answer(STUCK)
    n1.emptying.begin()
    n1.until(lambda: n1.kept == [["vs1-exp-root"]])
    later = make("n1")
    later.scene = Scene("n1", NODES, GUESTS, ("vs1",), ())
    later.emptying.remember(*n1.remembered)
    later.emptying.begin()
    later.until(lambda: later.heard == [ROOT])
    later.answer(STUCK, failed="")
    later.until(lambda: later.kept == [[]])


def test_a_stop_is_tried_again_until_it_is_not_failed_any_more(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "AGAIN", SOON)
    n1 = make("n1")
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1",), (), waiting=("san1",))
    n1.answer(STUCK)
    n1.emptying.begin()
    n1.until(lambda: (n1.folder / "beats").exists())
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1",), ())
    n1.until(lambda: n1.heard == [ROOT, ROOT])
    n1.answer(STUCK, failed="")
    begun = now()
    n1.until(lambda: now() - begun > 3 * SOON)
    assert n1.heard == [ROOT, ROOT]
    n1.answer(STUCK)
    n1.until(lambda: now() - begun > 6 * SOON)
    assert n1.heard == [ROOT, ROOT], "it fails by itself now"


def test_a_unit_that_is_lost_later_keeps_no_stop_of_others(make) -> None:
    n1 = make("n1")
    scene = Scene("n1", NODES, GUESTS, ("vs1", "vs2"), (), waiting=("san1",))
    n1.scene = scene
    n1.answer(STUCK, failed=FAILED + OTHER)
    n1.emptying.begin()
    n1.until(lambda: (n1.folder / "beats").exists())
    n1.scene = replace(scene, waiting=("san1", "san2"))
    n1.emptying.look()
    n1.scene = replace(scene, waiting=("san2",))
    n1.until(lambda: ROOT in n1.heard)
    assert DATA not in n1.heard
    n1.scene = replace(scene, waiting=())
    n1.until(lambda: DATA in n1.heard)


def test_what_everybody_loses_a_moment_later_moves_nobody(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "NEWS", 2 * SOON)
    n1 = make("n1")
    n1.scene = Scene("n1", NODES, GUESTS, ("vs1", "vs2"), ("san1",), ("vs1",))
    n1.answer(STUCK)
    n1.emptying.begin()
    n1.until(lambda: (n1.folder / "beats").exists())
    n1.answer({**STUCK, "storage-san1": ("0", "0", "0")})
    begun = now()
    n1.until(lambda: now() - begun > 4 * SOON)
    assert (n1.heard, n1.told) == ([], [])


def test_what_others_have_left_is_taken_back_at_the_beginning(make) -> None:
    n1 = make("n1")
    n1.answer({"node-ok": ("1", "1", "1")}, failed="")
    n1.say_privately("evacuate", "n1", "1")
    n1.say_privately("terminate", "n1", "true")
    n1.emptying.begin()
    n1.until(lambda: len(n1.heard) >= 2)
    assert n1.heard[:2] == ["--name evacuate --delete", "--name terminate --delete"]


def test_what_a_deputy_says_late_is_taken_back_also_when_all_is_well(make) -> None:
    n1 = make("n1")
    n1.answer({"node-ok": ("1", "1", "1")}, failed="")
    n1.emptying.begin()
    begun = now()
    n1.until(lambda: now() - begun > SOON)
    assert n1.heard == []
    n1.answer(
        {"node-ok": ("1", "1", "1"), "evacuate": ("1", "", ""), "terminate": ("true", "", "")}, failed=""
    )
    n1.until(lambda: {"--name evacuate --delete", "--name terminate --delete"} <= set(n1.heard))


def test_a_deputy_does_not_forget_what_it_has_said_while_nobody_can_tell(make) -> None:
    n2 = make("n2")
    n2.answer(STUCK)
    n2.emptying.begin()
    n2.until(lambda: bool(n2.heard))
    (n2.folder / "cib").write_text("")
    begun = now()
    n2.until(lambda: now() - begun > SOON)
    n2.answer({"node-ok": ("1", "1", "1"), "evacuate": ("1", "", "")}, failed="")
    n2.until(lambda: "--name evacuate --delete --node n1" in n2.heard)
    assert n2.told == [("n1", "empty"), ("n1", "nothing")]


def test_a_deputy_speaks_for_a_daemon_that_is_silent(make) -> None:
    n2 = make("n2")
    n2.answer(STUCK)
    n2.emptying.begin()
    n2.until(lambda: bool(n2.heard))
    assert n2.heard[0] == "--name evacuate --update 1 --node n1"
    n2.answer({**STUCK, "evacuate": ("1", "", "")})
    n2.until(lambda: "--name terminate --update true --node n1" in n2.heard)
    assert n2.told == [("n1", "empty"), ("n1", "fence")]
    n2.answer(
        {**STUCK, "storage-san1": ("1", "1", "1"), "evacuate": ("1", "", ""), "terminate": ("true", "", "")}
    )
    back = {"--name evacuate --delete --node n1", "--name terminate --delete --node n1"}
    n2.until(lambda: back <= set(n2.heard))  # storage is back, and still nobody there says so


def test_a_deputy_is_silent_while_the_daemon_speaks(make) -> None:
    n2 = make("n2")
    n2.answer(STUCK)
    n2.emptying.begin()
    begun, beats = now(), 0

    def alive() -> bool:
        nonlocal beats
        beats += 1
        n2.say_privately("emptying", "n1", f"nothing {beats}")
        return now() - begun > 4 * SOON

    n2.until(alive)
    assert (n2.heard, n2.told) == ([], [])
    n2.until(lambda: bool(n2.heard))
    assert n2.heard[0] == "--name evacuate --update 1 --node n1", "now it has fallen silent"
