"""`vsctl rebalance` on a cluster that lives in a file: what it says, what it writes, and what comes of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.cli.living import Living, without_daemon
from tests.cli.test_ports import is_as_agreed
from tests.cli.vsctl import vsctl
from vsctl.cib_templates import stored
from vsctl.cli import amending, clusterfile, configuration, options, scheduler
from vsctl.cli.faults import with_attributes
from vsctl.cli.programs import Refused
from vsctl.policy import naming
from vsctl.policy.quarantine import Quarantine, Stage

NODES = ("n1", "n2", "n3")
SERVERS = tuple(f"vs{number}" for number in range(1, 10))
GIB = 2**30


def cluster_file(servers: Sequence[str] = SERVERS, **more: str) -> str:
    """Return nine servers, or others, on three nodes; `more` are words for some of them."""
    nodes = "\n".join(f"  {node}: {{ports: {{e0a: lan-a}}}}" for node in NODES)
    fences = "\n".join(
        f"  {node}: {{agent: fence_ipmilan, options: {{ip: 203.0.113.{11 + number}}}}}"
        for number, node in enumerate(NODES)
    )
    texts = "\n".join(
        f"  {name}: {{addresses: [192.0.2.{10 + number}/24], {more.get(name, '')} filesystems: "
        f"{{root: {{device: /dev/disk{number}, type: ext4, storage: san1, "
        "exports: [{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]}}}"
        for number, name in enumerate(servers, 1)
    )
    policy = more.get("policy", "balance: {max_moves: 2}")
    return (
        "name: nas1\nsubnets: {lan-a: {networks: [192.0.2.0/24]}}\nstorage: {san1: {}}\n"
        f"nodes:\n{nodes}\nfencing:\n{fences}\nvirtual_servers:\n{texts}\npolicy: {{{policy}}}\n"
    )


def loads(path: Path, cpu: Mapping[str, float], clients: Mapping[str, int] | None = None) -> Path:
    """Write down what servers need of nodes with ten processors each."""
    rest = {"memory": GIB, "network": 0, "disk": 0, "operations": 0, "locks": 0}
    document = {
        "nodes": [
            {"name": node, "capacity": {"cpu": 10, "memory": 64 * GIB, "network": 10**10}} for node in NODES
        ],
        "servers": [
            {
                "name": name,
                "load": {**rest, "cpu": cpu.get(name, 0.1), "clients": (clients or {}).get(name, 0)},
            }
            for name in SERVERS
        ],
    }
    path.write_text(json.dumps(document))
    return path


@cache
def settled(text: str) -> bytes:
    cluster, problems = clusterfile.read(text, "nas.yaml")
    assert cluster is not None, problems
    cib = configuration.fresh(cluster)
    for node in NODES:
        cib = with_attributes(cib, node, {"node-ok": "1"})
    return scheduler.settle(cib).cib


def started(text: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> Living:
    path.write_bytes(settled(text))
    living = Living(path)
    monkeypatch.setattr(options, "LiveCluster", lambda: living)
    return living


@pytest.fixture
def nine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Living:
    """vs1, vs4 and vs7 are on n1, the others in threes on n2 and n3."""
    return started(cluster_file(), tmp_path / "cib.xml", monkeypatch)


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    """What is on n1 needs nearly all of it."""
    return loads(tmp_path / "loads.json", {"vs1": 3.0, "vs4": 3.0, "vs7": 3.0})


def where(living: Living) -> dict[str, str | None]:
    placement = living.facts().placement
    return {name: placement.node_of(naming.net(name)) for name in SERVERS}


def run(*argv: str | Path) -> dict[str, Any]:
    done = vsctl("rebalance", *argv, "--json")
    assert (done.status, done.err) == (0, "")
    is_as_agreed("rebalance", done.json)
    found: dict[str, Any] = done.json
    return found


def nothing_left(living: Living) -> None:
    """Every server sticks to its node, and nothing says that one is moving."""
    tree = etree.fromstring(living.read())
    assert stored.load(tree).moving == ()
    loose = tree.xpath(
        "//primitive[@type='net']/meta_attributes/nvpair[@name='resource-stickiness'][@value='0']"
    )
    assert loose == []
    assert not [
        each.get("id")
        for each in tree.iterfind("configuration/constraints/*")
        if "cli-" in each.get("id", "")
    ]


def test_it_says_what_should_move_and_changes_nothing(nine: Living, hot: Path) -> None:
    before = nine.read()
    done = vsctl("rebalance", "--loads", hot)
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "n1    90% cpu" in done.out and "nothing is changed yet" in done.out
    assert nine.read() == before
    found = run("--loads", hot)
    assert Counter(each["to"] for each in found["moves"]) == {"n2": 1, "n3": 1}
    assert {each["from"] for each in found["moves"]} == {"n1"}
    assert not found["applied"]


def told(living: Living, cpu: Mapping[str, float]) -> None:
    """Let the daemons tell what servers need of nodes with ten processors."""
    cib = living.read()
    rest = "network=0 disk=0 operations=0 clients=0 locks=0"
    for node in NODES:
        here = {name: cpu.get(name, 0.1) for name, on in where(living).items() if on == node}
        said = [f"cpu={sum(here.values())}/10 memory={3 * GIB}/{64 * GIB} network=0/10000000000 {rest[10:]}"]
        said += [f"{name} cpu={load} memory={GIB} {rest}" for name, load in here.items()]
        cib = with_attributes(cib, node, {"load": ";".join(said)})
    living.change(living.read(), cib)


@pytest.mark.parametrize(("dead", "moves"), [((), 2), (("n1",), 0)])
def test_a_daemon_that_is_dead_is_not_believed_that_its_node_is_hot(
    nine: Living, dead: tuple[str, ...], moves: int
) -> None:
    told(nine, {"vs1": 3.0, "vs4": 3.0, "vs7": 3.0})
    for node in dead:
        nine.path.write_bytes(without_daemon(nine.read(), node))
    found = run()
    assert len(found["moves"]) == moves
    assert found["silent"] == list(dead)
    assert ("the daemon of n1 does not work" in " ".join(vsctl("rebalance").out.split())) == bool(dead)


@pytest.mark.slow
def test_a_server_that_is_added_later_goes_by_load_as_the_others_do(nine: Living, tmp_path: Path) -> None:
    told(nine, {"vs1": 9.0, "vs2": 2.0})
    run("--apply")
    assert Counter(where(nine).values()) == {"n1": 3, "n2": 3, "n3": 3}
    more = tmp_path / "more.yaml"
    more.write_text(cluster_file((*SERVERS, "vs10")))
    before = stored.preferences(etree.fromstring(nine.read()))
    done = vsctl("apply", more)
    assert (done.status, done.err) == (0, "")
    tree = etree.fromstring(nine.read())
    assert nine.facts().placement.node_of("vs10-net") == "n3", "by number it would be n1, the fullest"
    assert stored.preferences(tree)["vs10"] == ("n3", "n2", "n1"), (
        "and when n3 is lost it goes where there is room"
    )
    assert "vs10" in stored.load(tree).ranks, "what is applied later leaves it there"
    assert {each: stored.preferences(tree)[each] for each in before} == before, (
        "and for it nothing else changes"
    )
    assert "nothing to do" in vsctl("plan", more).out


@pytest.mark.slow
def test_the_same_of_a_cib_in_a_file(nine: Living, hot: Path, tmp_path: Path) -> None:
    found = run("--loads", hot, "--cib", nine.path)
    assert len(found["moves"]) == 2
    refused = vsctl("rebalance", "--loads", hot, "--cib", nine.path, "--apply")
    assert (refused.status, refused.out) == (1, "") and refused.err.startswith("--apply is for a running")


@pytest.mark.slow
def test_a_hot_node_sheds_servers_to_two_others_and_it_holds(nine: Living, hot: Path, tmp_path: Path) -> None:
    before = where(nine)
    found = run("--loads", hot, "--apply")
    assert found["applied"] and len(found["moves"]) == 2
    now = where(nine)
    assert {now[name] for name in ("vs1", "vs4", "vs7")} == set(NODES)
    assert [name for name in SERVERS if before[name] != now[name]] == sorted(
        each["server"] for each in found["moves"]
    )
    nothing_left(nine)
    nas = tmp_path / "nas.yaml"
    nas.write_text(cluster_file())
    assert vsctl("plan", nas).out.startswith("nothing to do")
    written = len(nine.written)
    assert run("--loads", hot, "--apply")["moves"] == []
    assert len(nine.written) == written, "the second run writes nothing"
    nine.happen()
    assert where(nine) == now


@pytest.mark.slow
def test_a_dead_nodes_load_is_shared_by_the_scores_alone(nine: Living, hot: Path, tmp_path: Path) -> None:
    """Six busy ones, two on each node after it: whichever dies, its two go to two nodes."""
    busy = loads(tmp_path / "busy.json", dict.fromkeys(("vs1", "vs4", "vs7", "vs2", "vs5", "vs3"), 3.0))
    run("--loads", busy, "--apply")
    nine.happen("--node-fail=n1")
    now = where(nine)
    used = Counter(now[name] for name in ("vs1", "vs4", "vs7", "vs2", "vs5", "vs3"))
    assert used == {"n2": 3, "n3": 3}


@pytest.mark.slow
def test_no_more_at_once_than_the_file_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living = started(cluster_file(policy="balance: {max_moves: 1}"), tmp_path / "cib.xml", monkeypatch)
    hot = loads(tmp_path / "loads.json", {"vs1": 3.0, "vs4": 3.0, "vs7": 3.0})
    done = vsctl("rebalance", "--loads", hot, "--apply")
    assert done.status == 0 and done.out.count("done: ") == 2
    moving = [stored.load(etree.fromstring(each)).moving for each in living.written]
    assert [len(each) for each in moving] == [1, 1, 0]


def test_pinned_homed_and_moved_servers_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = cluster_file(vs1="home: n1, migrate: false,", vs4="home: n1,", vs7="home: n1,")
    living = started(text, tmp_path / "cib.xml", monkeypatch)
    hot = loads(tmp_path / "loads.json", {"vs1": 3.0, "vs4": 3.0, "vs7": 3.0})
    found = run("--loads", hot)
    assert found["moves"] == []
    assert {each["server"]: each["why"] for each in found["stays"]} == {
        "vs1": "it is pinned",
        "vs4": "n1 is its home",
        "vs7": "n1 is its home",
    }
    assert "vs4 stays on n1: n1 is its home" in vsctl("rebalance", "--loads", hot).out
    assert where(living)["vs1"] == "n1"


def test_who_is_routed_stays_and_it_is_said_what_is_lost(nine: Living, hot: Path) -> None:
    nine.path.write_bytes(with_attributes(nine.read(), "n1", {"subnet-lan-a": "0"}))
    stays = run("--loads", hot)["stays"]
    assert {each["server"]: each["why"] for each in stays} == dict.fromkeys(
        ("vs1", "vs4", "vs7"), "Pacemaker has found no better node for it yet: lan-a is lost there"
    )


@pytest.mark.slow
def test_a_move_that_costs_more_than_it_gains_is_not_made(nine: Living, tmp_path: Path) -> None:
    slight = {"vs1": 0.8, "vs4": 0.8, "vs7": 0.8}
    many = dict.fromkeys(("vs1", "vs4", "vs7"), 400)
    assert len(run("--loads", loads(tmp_path / "few.json", slight))["moves"]) == 2
    assert run("--loads", loads(tmp_path / "many.json", slight, many))["moves"] == []


@pytest.mark.slow
def test_a_drained_node_gets_nothing(nine: Living, hot: Path) -> None:
    assert vsctl("drain", "n3").status == 0
    found = run("--loads", hot)
    assert {each["to"] for each in found["moves"]} == {"n2"}


class Killed(BaseException):
    """What ends the program without asking it."""


@pytest.mark.slow
def test_killed_in_a_wave_the_next_run_goes_on(
    nine: Living, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = nine.facts

    def die(*_: object) -> None:
        raise Killed

    def after_the_first(new: bytes) -> None:
        if nine.written:
            return
        monkeypatch.setattr(nine, "facts", die)

    nine.before_change = after_the_first
    with pytest.raises(Killed):
        vsctl("rebalance", "--loads", hot, "--apply")
    monkeypatch.setattr(nine, "facts", facts)
    assert stored.load(etree.fromstring(nine.read())).moving
    assert "somebody is moving" in vsctl("rebalance", "--loads", hot).out
    assert None not in where(nine).values()
    run("--loads", hot, "--apply")
    nothing_left(nine)
    assert {where(nine)[name] for name in ("vs1", "vs4", "vs7")} == set(NODES)


@pytest.mark.slow
@pytest.mark.parametrize("command", [["drain", "n3"], ["move", "vs2", "n3"], ["apply", "nas.yaml"]])
def test_whoever_writes_next_tidies_up(nine: Living, hot: Path, tmp_path: Path, command: list[str]) -> None:
    def die(_: bytes) -> None:
        if nine.written:
            raise Killed

    nine.before_change = die
    with pytest.raises(Killed):
        vsctl("rebalance", "--loads", hot, "--apply")
    nine.before_change = lambda _: None
    assert stored.load(etree.fromstring(nine.read())).moving
    (tmp_path / "nas.yaml").write_text(cluster_file())
    done = vsctl(*(str(tmp_path / each) if each.endswith("yaml") else each for each in command))
    assert done.status == 0, done.err
    nothing_left(nine)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_when_the_moves_under_way_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    living = started(cluster_file(policy="balance: {max_moves: 1}"), tmp_path / "cib.xml", monkeypatch)
    hot = loads(tmp_path / "loads.json", {"vs1": 3.0, "vs4": 3.0, "vs7": 3.0})
    before, handlers = where(living), (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    living.before_change = lambda _: os.kill(os.getpid(), number) if not living.written else None
    done = vsctl("rebalance", "--loads", hot, "--apply")
    assert done.status == 1 and "it was interrupted; 1 of 2 moves done" in " ".join(done.err.split())
    assert sum(before[name] != node for name, node in where(living).items()) == 1
    nothing_left(living)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert len(run("--loads", hot, "--apply")["moves"]) == 1, "the next run makes the rest"


@pytest.mark.slow
def test_a_node_that_dies_in_between_ends_it_and_nothing_is_left(nine: Living, hot: Path) -> None:
    change = nine.happen

    def with_a_death(*events: str) -> None:
        change(*events, *(["--node-fail=n3"] if len(nine.written) == 1 else []))

    nine.happen = with_a_death  # type: ignore[method-assign]
    done = vsctl("rebalance", "--loads", hot, "--apply")
    assert done.status == 1
    assert "n3 went down meanwhile" in done.err
    nine.happen = change  # type: ignore[method-assign]
    nothing_left(nine)
    assert None not in where(nine).values()


@pytest.mark.slow
def test_somebody_else_changes_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living = started(cluster_file(policy="balance: {max_moves: 1}"), tmp_path / "cib.xml", monkeypatch)
    hot = loads(tmp_path / "loads.json", {"vs1": 3.0, "vs4": 3.0, "vs7": 3.0})
    happen = living.happen

    def with_another(*events: str) -> None:
        happen(*events)
        if len(living.written) == 1:
            applied = configuration.read(living)
            living.path.write_bytes(configuration.with_hand(applied, applied.hand.drain("n3")).cib)
            happen()

    living.happen = with_another  # type: ignore[method-assign]
    done = vsctl("rebalance", "--loads", hot, "--apply")
    assert done.status == 1 and "somebody else has changed the configuration; 1 of 2 moves done" in " ".join(
        done.err.split()
    )
    living.happen = happen  # type: ignore[method-assign]
    nothing_left(living)
    assert configuration.read(living).hand.drained == ("n3",)


@pytest.mark.slow
def test_the_periodic_one_is_patient_and_moves_no_server_too_often(nine: Living, tmp_path: Path) -> None:
    a_little = loads(tmp_path / "little.json", dict.fromkeys(SERVERS, 1.0) | {"vs1": 1.45})
    assert run("--loads", a_little, "--periodic")["moves"] == []
    for _ in range(7):
        node = Counter(where(nine).values()).most_common(1)[0][0]
        here = [name for name in SERVERS if where(nine)[name] == node]
        path = loads(tmp_path / "much.json", dict.fromkeys(here[:3], 3.0))
        run("--loads", path, "--periodic", "--apply")
    load = stored.load(etree.fromstring(nine.read()))
    assert load.moved and max(len(times) for _, times in load.moved) <= 3


def test_without_news_nothing_is_evened_out(nine: Living) -> None:
    done = vsctl("rebalance")
    assert (done.status, done.out) == (75, "")
    assert done.err.startswith("nobody says what n1 and n2 and n3 could carry")


@pytest.mark.parametrize("silent", ["n1", "n2"])
@pytest.mark.parametrize("how", ["has just started", "is dead"])
def test_the_periodic_one_does_not_guess_what_a_node_carries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: str, how: str
) -> None:
    """Neither of the hot node nor of one that would take its servers, though the cluster file has their capacities."""
    text = cluster_file().replace(
        "{e0a: lan-a}}", "{e0a: lan-a}, capacity: {cpu: 10, memory: 64G, network: 10G}}"
    )
    living = started(text, tmp_path / "cib.xml", monkeypatch)
    told(living, {"vs1": 3.0, "vs4": 3.0, "vs7": 3.0})
    known = living.read()
    living.path.write_bytes(
        without_daemon(known, silent) if how == "is dead" else with_attributes(known, silent, {"load": ""})
    )
    before = where(living)
    done = vsctl("rebalance", "--periodic", "--apply")
    assert (done.status, done.out) == (75, "")
    assert done.err.startswith(f"nobody says what {silent} carries just now")
    assert where(living) == before
    living.path.write_bytes(known)
    assert len(run("--periodic", "--apply")["moves"]) == 2


def test_what_evening_out_writes_takes_nothing_away(
    nine: Living, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the cluster is told what is new alone, and does not look for it."""
    change, told = nine.change, list[bytes | None]()

    def tell(old: bytes, new: bytes) -> None:
        told.append(amending.amendment(old, new))
        change(old, new)

    monkeypatch.setattr(nine, "change", tell)
    run("--loads", hot, "--apply")
    again = loads(hot.with_name("again.json"), {"vs2": 3.0, "vs5": 3.0, "vs8": 3.0})
    run("--loads", again, "--apply")
    assert len(told) == 4 and all(told)


def test_where_nothing_runs_nothing_is_uneven(nine: Living, tmp_path: Path) -> None:
    """No load is known of servers that are all stopped, and none is missed."""
    tree = etree.fromstring(nine.read())
    for history in tree.iter("lrm_resources"):
        history.clear()
    nine.path.write_bytes(etree.tostring(tree))
    document = json.loads(loads(tmp_path / "loads.json", {}).read_text()) | {"servers": []}
    (tmp_path / "idle.json").write_text(json.dumps(document))
    assert run("--loads", tmp_path / "idle.json")["moves"] == []


@pytest.fixture
def one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Living:
    """The same nine, of which one moves at a time."""
    return started(cluster_file(policy="balance: {max_moves: 1}"), tmp_path / "cib.xml", monkeypatch)


def after_the_first_wave(living: Living, monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Let something happen when the first wave has been written and has arrived."""
    happen = living.happen

    def and_then(*events: str) -> None:
        happen(*events)
        if len(living.written) == 1:
            monkeypatch.setattr(living, "happen", happen)
            then()

    monkeypatch.setattr(living, "happen", and_then)


def moving(living: Living) -> list[int]:
    return [len(stored.load(etree.fromstring(each)).moving) for each in living.written]


@pytest.mark.slow
def test_a_wave_does_not_begin_when_its_nodes_have_lost_the_storage(
    one_by_one: Living, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living, (first, second) = one_by_one, run("--loads", hot)["moves"]

    def lose() -> None:
        living.path.write_bytes(with_attributes(living.read(), second["to"], {"storage-san1": "0"}))

    after_the_first_wave(living, monkeypatch, lose)
    done = vsctl("rebalance", "--loads", hot, "--apply", "--limit", "3")
    said = " ".join(done.err.split())
    assert done.status == 1 and f"{second['server']} cannot go to {second['to']} any more; 1 of 2" in said
    assert moving(living) == [1, 0], "the second wave was never written"
    nothing_left(living)
    assert where(living)[first["server"]] == first["to"]


@pytest.mark.slow
def test_a_wave_does_not_begin_when_a_filesystem_is_found_damaged(
    one_by_one: Living, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living, (_, second) = one_by_one, run("--loads", hot)["moves"]

    def damage() -> None:
        applied = configuration.read(living)
        found = Quarantine(second["server"], "root", Stage.PERSON, '{"stage": "person"}')
        assert applied.cluster is not None
        load = stored.load(etree.fromstring(applied.cib))
        wanted = configuration.with_(applied, applied.cluster, applied.hand, {}, (found,), load)
        living.path.write_bytes(wanted.cib)

    after_the_first_wave(living, monkeypatch, damage)
    done = vsctl("rebalance", "--loads", hot, "--apply", "--limit", "3")
    assert done.status == 1 and "somebody else has changed the configuration; 1 of 2" in " ".join(
        done.err.split()
    )
    assert moving(living) == [1, 0], "the second wave was never written"
    nothing_left(living)


@pytest.mark.slow
def test_what_ends_the_second_wave_leaves_the_first_one_where_it_is(
    one_by_one: Living, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preferences decide where it goes when failback is automatic."""
    living, (first, second) = one_by_one, run("--loads", hot)["moves"]
    change = living.change

    def refuse(old: bytes, new: bytes) -> None:
        """Take the second wave, and let nothing come of it."""
        if len(living.written) != 1:
            return change(old, new)
        living.written.append(new)
        living.path.write_bytes(new)
        raise Refused("the cluster did not answer")

    monkeypatch.setattr(living, "change", refuse)
    done = vsctl("rebalance", "--loads", hot, "--apply")
    assert done.status == 1 and "1 of 2 moves done" in " ".join(done.err.split())
    monkeypatch.setattr(living, "change", change)
    assert moving(living) == [1, 1, 0]
    nothing_left(living)
    tree = etree.fromstring(living.read())
    assert stored.preferences(tree)[first["server"]][0] == first["to"]
    assert stored.preferences(tree)[second["server"]][0] == second["from"]
    assert stored.load(tree).ranks == stored.preferences(tree)
    living.happen()
    assert where(living)[second["server"]] == second["from"]


@pytest.mark.slow
def test_one_that_is_overtaken_leaves_the_others_marks(
    one_by_one: Living, hot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = one_by_one

    def overtake() -> None:
        """Another one sends a server somewhere."""
        applied = configuration.read(living)
        load = stored.load(etree.fromstring(applied.cib))
        theirs = replace(load.noted(["vs2"], 2e9), moving=(("vs2", "n3"),))
        living.path.write_bytes(configuration.with_load(applied, theirs).cib)

    after_the_first_wave(living, monkeypatch, overtake)
    done = vsctl("rebalance", "--loads", hot, "--apply")
    assert done.status == 1 and "somebody else has changed the configuration" in " ".join(done.err.split())
    assert stored.load(etree.fromstring(living.read())).moving == (("vs2", "n3"),)


@pytest.mark.slow
@pytest.mark.parametrize(("ago", "left"), [(1000, ()), (10, (("vs1", "n1"),))])
def test_what_a_killed_one_left_sticks_again_though_nobody_knows_the_load(
    nine: Living, ago: int, left: tuple[tuple[str, str], ...]
) -> None:
    """Who does not move servers leaves alone what somebody may be waiting for."""
    applied = configuration.read(nine)
    load = stored.load(etree.fromstring(applied.cib)).noted(["vs1"], time.time() - ago)
    ranked = tuple(stored.preferences(etree.fromstring(applied.cib)).items())
    marked = replace(load, moving=(("vs1", "n1"),), ranked=ranked)
    nine.path.write_bytes(configuration.with_load(applied, marked).cib)
    done = vsctl("rebalance", "--periodic")
    assert done.status == 75 and done.err.startswith("nobody says what")
    assert stored.load(etree.fromstring(nine.read())).moving == left
    vsctl("rebalance")
    assert stored.load(etree.fromstring(nine.read())).moving == left, "who only asks changes nothing"
    vsctl("rebalance", "--apply")
    nothing_left(nine)
