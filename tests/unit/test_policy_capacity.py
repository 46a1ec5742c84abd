"""What does not fit on a node, in Pacemaker's whole numbers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.stories import cast
from vsctl.policy import capacity
from vsctl.policy.model import Capacity, Cluster, Load

amounts = st.one_of(st.none(), st.integers(1, 2**42))
cpus = st.one_of(st.none(), st.decimals("0.01", 4096, places=2).map(float))
loads = st.builds(Load, cpu=cpus, memory=amounts, network=amounts)
capacities = st.builds(Capacity, cpu=cpus, memory=amounts, network=amounts, hard=st.booleans())


def of(capacities: list[Capacity], loads: list[Load]) -> Cluster:
    names = " ".join(f"n{at}" for at in range(1, len(capacities) + 1))
    made = cast.cluster([f"nodes: {names}", *(f"vs{at}: " for at in range(1, len(loads) + 1))])
    return replace(
        made,
        nodes=tuple(replace(node, capacity=each) for node, each in zip(made.nodes, capacities, strict=True)),
        servers=tuple(replace(server, load=each) for server, each in zip(made.servers, loads, strict=True)),
    )


@given(st.lists(capacities, min_size=1, max_size=3), st.lists(loads, min_size=1, max_size=3))
def test_what_pacemaker_counts_never_lets_in_too_much(given_: list[Capacity], needed: list[Load]) -> None:
    cluster = of(given_, needed)
    for node, limits in zip(cluster.nodes, capacity.limits(cluster), strict=False):
        has = {kind: int(value) for kind, value in limits.has}
        needs = [dict(capacity.needs(cluster, server)) for server in cluster.servers]
        first, *rest = cluster.servers
        short = capacity.short_of(cluster, first, node.name, rest)
        for kind in capacity.UNITS:
            name, most = capacity.name(kind), getattr(node.capacity, kind) if node.capacity.hard else None
            fits = sum(int(each.get(name, 0)) for each in needs) <= has.get(name, capacity.PLENTY)
            if fits and most is not None:
                assert sum(Fraction(str(getattr(each, kind) or 0)) for each in needed) <= Fraction(str(most))
            assert (kind in short) == (not fits and name in needs[0])
        assert all(0 <= each < 2**31 for each in has.values())


def test_without_a_hard_limit_nothing_is_counted() -> None:
    cluster = of([Capacity(cpu=1), Capacity(cpu=1, hard=False)], [Load(cpu=8)])
    assert capacity.limits(cluster) == ()
    assert capacity.needs(cluster, cluster.servers[0]) == ()
