"""Placement: even in the normal state and after any loss, and stable."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.stories import cast
from vsctl.policy.model import Cluster
from vsctl.policy.placement import Placement, place

NODES = ["n1", "n2", "n3", "n4"]


def cluster(nodes: int, servers: list[str]) -> Cluster:
    names = " ".join(f"n{number}" for number in range(1, nodes + 1))
    return cast.cluster([f"nodes: {names}", *(f"vs{at}: {words}" for at, words in enumerate(servers, 1))])


def counts(cluster: Cluster, placement: Placement, lost: tuple[str, ...] = ()) -> list[int]:
    """How many servers each node left has when every server is at its best node left."""
    found = Counter()  # type: Counter[str]
    for server in cluster.servers:
        left = [node for node in placement.ranks(server.name) if node not in lost]
        if left and (not server.pinned or left[0] == placement.first(server.name)):
            found[left[0]] += 1
    return [found[node.name] for node in cluster.nodes if node.name not in lost]


@given(nodes=st.integers(2, 16), servers=st.integers(0, 40))
@settings(deadline=None, max_examples=60)
def test_counts_differ_by_at_most_one_and_so_they_do_after_any_loss(nodes: int, servers: int) -> None:
    it = cluster(nodes, ["" for _ in range(servers)])
    placement = place(it, {})
    for lost in [(), *((node.name,) for node in it.nodes)]:
        left = counts(it, placement, lost)
        assert max(left) - min(left) <= 1


@given(st.lists(st.sets(st.sampled_from(NODES), min_size=1), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_nothing_is_more_even_where_nodes_are_restricted(allowed: list[set[str]]) -> None:
    it = cluster(4, [f"nodes={','.join(sorted(each))}" for each in allowed])
    mine = sum(count * count for count in counts(it, place(it, {})))
    best = min(
        sum(count * count for count in Counter(choice).values()) for choice in product(*map(sorted, allowed))
    )
    assert mine == best


@given(
    st.lists(st.sampled_from(["", "home=n1", "home=n2", "pinned home=n1", "nodes=n1,n2"]), max_size=12),
    st.integers(2, 5),
)
@settings(deadline=None, max_examples=60)
def test_a_second_look_changes_nothing(words: list[str], nodes: int) -> None:
    it = cluster(nodes, words)
    first = place(it, {})
    assert place(it, {each.name: first.first(each.name) for each in it.servers}) == first


@pytest.mark.slow
@given(nodes=st.integers(2, 8), servers=st.integers(1, 30))
@settings(deadline=None, max_examples=40)
def test_one_more_server_moves_nothing(nodes: int, servers: int) -> None:
    before = cluster(nodes, ["" for _ in range(servers)])
    known = {each.name: place(before, {}).first(each.name) for each in before.servers}
    after = place(cluster(nodes, ["" for _ in range(servers + 1)]), known)
    assert {name: after.first(name) for name in known} == known


def test_one_more_node_takes_no_more_than_its_share() -> None:
    before = cluster(3, [""] * 9)
    known = {each.name: place(before, {}).first(each.name) for each in before.servers}
    after = place(cluster(4, [""] * 9), known)
    assert sum(after.first(name) != node for name, node in known.items()) == 2


def test_homes_are_kept_and_the_others_make_up_for_them() -> None:
    it = cluster(3, ["home=n1", "home=n1", "", "", "", ""])
    assert counts(it, place(it, {})) == [2, 2, 2]


def test_servers_that_keep_apart_do() -> None:
    it = cluster(3, ["apart=vs2,vs3", "apart=vs3", ""])
    assert counts(it, place(it, {})) == [1, 1, 1]


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), max_size=6))
@settings(deadline=None, max_examples=40)
def test_no_pair_that_keeps_apart_shares_a_node_as_long_as_there_are_nodes(
    pairs: list[tuple[int, int]],
) -> None:
    apart: dict[int, set[str]] = {}
    for one, other in pairs:
        assume(one != other)
        apart.setdefault(one, set()).add(f"vs{other}")
    it = cluster(7, [f"apart={','.join(sorted(apart[at]))}" if at in apart else "" for at in range(1, 7)])
    placement = place(it, {})
    for server in it.servers:
        assert all(placement.first(server.name) != placement.first(other) for other in server.apart_from)


def test_a_server_has_a_rank_for_every_node_it_can_run_on_and_for_no_other() -> None:
    it = cluster(4, ["nodes=n1,n3,n4", "pinned home=n2", ""])
    placement = place(it, {})
    assert {each.name: set(placement.ranks(each.name)) for each in it.servers} == {
        each.name: set(it.candidates(each)) for each in it.servers
    }


def test_restricted_servers_leave_room_for_each_other_when_a_node_is_lost() -> None:
    it = cluster(3, ["nodes=n1,n2", "nodes=n1,n2", "", ""])
    placement = place(it, {})
    for lost in NODES[:3]:
        left = counts(it, placement, (lost,))
        assert max(left) - min(left) <= 1
