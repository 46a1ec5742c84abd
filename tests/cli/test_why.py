"""vsctl why and why-not: the rules' own reasons, and changes that the scheduler confirms."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.vsctl import CLUSTER_FILE, Said, after, vsctl
from tests.stories import cast
from tests.stories.test_properties import clusters
from vsctl.cli import configuration, faults, scheduler, weighing
from vsctl.policy import naming
from vsctl.policy.model import Cluster

NODES = ("n1", "n2", "n3")


def reported(cib: Path, node: str, **attributes: str) -> None:
    """Let a node report attributes; underscores stand for hyphens."""
    said = {name.replace("_", "-"): value for name, value in attributes.items()}
    cib.write_bytes(faults.with_attributes(cib.read_bytes(), node, said))


def test_why_says_what_speaks_for_each_node(cib: Path) -> None:
    for node in NODES:
        reported(cib, node, node_ok="1")
    done = vsctl("why", "vs1", "--cib", cib)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(
        "vs1 runs on n1\n"
        "n1: 562300\n"
        "    +2000: vs1 runs there, and moving costs its clients something\n"
        "    +300: n1 is the home of vs1\n"
        "n2: 560200\n"
    )


def test_why_says_what_is_not_possible_and_what_is_down(cib: Path) -> None:
    assert "n2: not possible\n    never: vs3 is allowed" in vsctl("why", "vs3", "--cib", cib).out
    cib.write_bytes(after(cib.read_bytes(), "--node-fail", "n2"))
    done = vsctl("why", "vs2", "--cib", cib)
    assert done.out.startswith("vs2 runs nowhere\n    vs2 is pinned to n2, which is down")
    assert "n2, which is down: " in done.out
    assert ", below 0: not taken\n    -660000: vs2 does not migrate" in done.out


def test_why_says_where_it_is_about_to_go(cib: Path) -> None:
    reported(cib, "n1", storage_san1="0")
    assert vsctl("why", "vs1", "--cib", cib).out.startswith(
        "vs1 runs on n1, and is about to leave it for n2\n"
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=3, derandomize=True)
@given(
    clusters,
    st.sampled_from(NODES),
    st.sampled_from(["storage-san1", "subnet-lan-a", "ports-good", "evacuate"]),
)
def test_the_sum_of_the_reasons_is_the_score_of_pacemaker(
    cluster: Cluster, node: str, attribute: str
) -> None:
    cib = scheduler.settle(configuration.fresh(cluster)).cib
    cib = faults.with_attributes(
        cib, node, {attribute: "1" if attribute == "evacuate" else "0", "node-ok": "1"}
    )
    assert_the_sums_are_pacemakers(cib, cluster)


@pytest.mark.parametrize("failback", ["auto", "00:00-12:00", "12:00-00:00"])
def test_what_calls_a_server_home_counts_when_pacemaker_counts_it(failback: str) -> None:
    """One of the windows is open now, and one is not; vs1 is held, vs2 is not."""
    cluster = cast.cluster(
        [
            "nodes: n1 n2 n3",
            f"policy: failback={failback}",
            "vs1: home=n1",
            "vs2: home=n1 on_subnet_loss=move",
        ]
    )
    cib = scheduler.settle(configuration.fresh(cluster)).cib
    assert_the_sums_are_pacemakers(faults.with_attributes(cib, "n1", {"node-ok": "1"}), cluster)


def assert_the_sums_are_pacemakers(cib: bytes, cluster: Cluster) -> None:
    decision = scheduler.decide(cib, scores=True)
    for server in cluster.servers:
        weighed = weighing.weigh(cib, server.name, decision.now, NODES)
        said = [
            each
            for each in decision.scores
            if each.resource == naming.net(server.name) and each.step.endswith("group_assign")
        ]
        assert {each.node: each.total for each in weighed} == {each.node: each.score for each in said}


def changes(cib: Path, server: str, node: str) -> list[str]:
    done = vsctl("why-not", server, node, "--cib", cib, "--json")
    assert (done.status, done.err) == (0, "")
    found: list[str] = done.json["changes"]
    return found


@pytest.mark.slow
def test_a_move_is_enough_where_nothing_stands_in_the_way(cib: Path) -> None:
    assert changes(cib, "vs1", "n2") == ["`vsctl move vs1 n2`"]
    assert changes(cib, "vs2", "n1") == ["`vsctl move vs2 n1`"], "a pinned one, too"
    assert changes(cib, "vs1", "n1") == []


@pytest.mark.slow
def test_a_drain_lost_storage_and_a_node_that_is_down_have_to_go_first(cib: Path) -> None:
    vsctl("drain", "n3", "--cib", cib)
    assert changes(cib, "vs1", "n3") == ["`vsctl undrain n3`", "`vsctl move vs1 n3`"]
    reported(cib, "n3", storage_san1="0")
    assert changes(cib, "vs1", "n3") == [
        "`vsctl undrain n3`",
        "let n3 reach san1 again",
        "`vsctl move vs1 n3`",
    ]
    cib.write_bytes(after(cib.read_bytes(), "--node-fail", "n3"))
    assert changes(cib, "vs1", "n3")[0] == "bring n3 back"


@pytest.mark.slow
def test_the_cluster_file_is_in_the_way(cib: Path, nas: Path) -> None:
    done = vsctl("why-not", "vs3", "n2", "--cib", cib)
    assert "by the cluster file vs3 cannot run on n2\n" in done.out
    assert changes(cib, "vs3", "n2") == [
        "in the cluster file, add n2 to `nodes` of vs3, and `vsctl apply` that",
        "`vsctl move vs3 n2`",
    ]
    nas.write_text(CLUSTER_FILE.replace("nodes: [n1, n3]", "nodes: [n1, n2, n3]"))
    assert vsctl("apply", nas, "--cib", cib).status == 0
    assert vsctl("move", "vs3", "n2", "--cib", cib).out == "vs3 moves n3 -> n2\n"


def test_failures_have_to_be_forgotten(cib: Path) -> None:
    failed = {"fail-count-vs1-net#start_0": "INFINITY"}
    cib.write_bytes(faults.with_attributes(cib.read_bytes(), "n2", failed))
    assert changes(cib, "vs1", "n2") == [
        "mend what failed there, then `vsctl cleanup vs1`",
        "`vsctl move vs1 n2`",
    ]


def do(cib: Path, change: str) -> None:
    """Do what `why-not` says."""
    command = re.search(r"`vsctl ((?:move|undrain) [^`]*)`", change)
    if command:
        done: Said = vsctl(*shlex.split(command[1]), "--cib", cib)
        assert done.status == 0, done
    elif change.startswith("bring "):
        cib.write_bytes(scheduler.decide(cib.read_bytes(), events=("--node-up", change.split()[1])).cib)
    else:
        node, unit = re.fullmatch(r"let (\S+) reach (\S+) again", change).groups()  # type: ignore[union-attr]
        cib.write_bytes(faults.with_attributes(cib.read_bytes(), node, {f"storage-{unit}": "1"}))


def check_that_the_scheduler_agrees(data: st.DataObject) -> None:
    """Make a random cluster, spoil it, and do what `why-not` names: the server goes where it was asked for."""
    cluster = data.draw(clusters)
    with TemporaryDirectory() as folder:
        cib = Path(folder, "cib.xml")
        cib.write_bytes(scheduler.settle(configuration.fresh(cluster)).cib)
        if data.draw(st.booleans()):
            vsctl("drain", data.draw(st.sampled_from(NODES)), "--cib", cib)
        if data.draw(st.booleans()):
            reported(cib, data.draw(st.sampled_from(NODES)), storage_san1="0", ports_good="0")
        events = ("--node-fail", data.draw(st.sampled_from(NODES))) if data.draw(st.booleans()) else ()
        cib.write_bytes(scheduler.settle(cib.read_bytes(), events=events).cib)
        server, node = data.draw(st.sampled_from(cluster.servers)).name, data.draw(st.sampled_from(NODES))
        for change in changes(cib, server, node):
            do(cib, change)
        assert scheduler.settle(cib.read_bytes()).after.node_of(naming.net(server)) == node


@pytest.mark.slow
@settings(deadline=None, max_examples=5, derandomize=True)
@given(st.data())
def test_what_why_not_names_brings_the_server_there(data: st.DataObject) -> None:
    check_that_the_scheduler_agrees(data)


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(deadline=None, max_examples=150)
@given(st.data())
def test_what_why_not_names_brings_any_server_anywhere(data: st.DataObject) -> None:
    check_that_the_scheduler_agrees(data)
