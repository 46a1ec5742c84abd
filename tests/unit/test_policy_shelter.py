"""Where servers go when a node is lost: as even as can be, by load, with nothing left to decide."""

from __future__ import annotations

from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from vsctl.policy import shelter
from vsctl.policy.demands import Demand, Supply
from vsctl.policy.rooms import add

NODES = ("n1", "n2", "n3", "n4")
LIGHT = settings(deadline=None, max_examples=25)
Situation = tuple[tuple[Demand, ...], tuple[Supply, ...]]

amounts = st.tuples(st.integers(1, 40).map(float), st.integers(1, 40).map(float))


@st.composite
def situations(draw: st.DrawFn, apart: bool = False) -> Situation:
    nodes = NODES[: draw(st.integers(2, 4))]
    supplies = tuple(Supply(node, draw(st.tuples(*[st.sampled_from((40.0, 80.0))] * 2))) for node in nodes)
    names = [f"vs{at}" for at in range(1, draw(st.integers(1, 10)) + 1)]
    demands = []
    for name in names:
        allowed = tuple(sorted(draw(st.sets(st.sampled_from(nodes), min_size=1))))
        others = draw(st.sets(st.sampled_from(names), max_size=2)) if apart else set()
        demands.append(
            Demand(
                name,
                draw(amounts),
                allowed,
                draw(st.sampled_from(allowed)),
                pinned=draw(st.integers(0, 6)) == 0,
                apart_from=tuple(sorted(others - {name})),
            )
        )
    return tuple(demands), supplies


def fullest(where: dict[str, str], demands: tuple[Demand, ...], supplies: tuple[Supply, ...]) -> float:
    loads = shelter.counted(demands)
    fill = 0.0
    for supply in supplies:
        use = (0.0, 0.0)
        for server, node in where.items():
            if node == supply.node:
                use = add(use, loads[server])  # type: ignore[assignment]
        fill = max(fill, *(used / most for used, most in zip(use, supply.capacity, strict=True)))
    return fill


def after(demands: tuple[Demand, ...], ranks: shelter.Ranks, lost: tuple[str, ...]) -> dict[str, str]:
    """Return where everything is when every server is at its best node left; pinned ones wait."""
    found = {}
    for demand in demands:
        left = [node for node in ranks[demand.server] if node not in lost]
        if left and not (demand.pinned and demand.here in lost):
            found[demand.server] = left[0]
    return found


@LIGHT
@given(situations())
def test_no_way_of_spreading_a_dead_nodes_servers_is_better_by_more_than_a_hundredth(
    situation: Situation,
) -> None:
    demands, supplies = situation
    ranks = shelter.ranks(demands, supplies)
    for lost in supplies:
        survivors = tuple(each for each in supplies if each != lost)
        mine = fullest(after(demands, ranks, (lost.node,)), demands, survivors)
        staying = {each.server: each.here for each in demands if each.here != lost.node}
        going = [each for each in demands if each.here == lost.node and not each.pinned]
        ways = [[node for node in each.nodes if node != lost.node] or [""] for each in going]
        best = min(
            fullest(
                {**staying, **dict(zip([each.server for each in going], way, strict=True))},
                demands,
                survivors,
            )  # type: ignore[dict-item]
            for way in product(*ways)
        )
        assert mine <= shelter.EVEN * best + 1e-9


@LIGHT
@given(situations())
def test_after_two_losses_no_other_third_choice_of_one_server_relieves_an_overloaded_node(
    situation: Situation,
) -> None:
    demands, supplies = situation
    ranks = shelter.ranks(demands, supplies)
    for pair in combinations([each.node for each in supplies], 2):
        survivors = tuple(each for each in supplies if each.node not in pair)
        where = after(demands, ranks, pair)
        mine = fullest(where, demands, survivors)
        if mine <= 1.0 or not survivors:
            continue
        for demand in demands:
            if demand.server in where and set(ranks[demand.server][:2]) == set(pair):
                for node in set(demand.nodes) - set(pair):
                    assert fullest({**where, demand.server: node}, demands, survivors) >= mine - 1e-9


@LIGHT
@given(situations(apart=True))
def test_everybody_has_somewhere_to_go_who_may(situation: Situation) -> None:
    demands, supplies = situation
    ranks = shelter.ranks(demands, supplies)
    for demand in demands:
        order = ranks[demand.server]
        assert order[0] == demand.here and len(set(order)) == len(order)
        assert set(order[1:]) <= set(demand.nodes)
        assert demand.pinned or len(order) == min(3, len({demand.here, *demand.nodes}))


@LIGHT
@given(situations(apart=True))
def test_a_second_look_changes_nothing(situation: Situation) -> None:
    demands, supplies = situation
    ranks = shelter.ranks(demands, supplies)
    assert shelter.ranks(demands, supplies, ranks) == ranks


def demand(name: str, load: float, here: str, **more: object) -> Demand:
    return Demand(name, (load,), NODES[:3], here, **more)  # type: ignore[arg-type]


def test_apart_is_kept_where_there_is_another_node() -> None:
    demands = (
        demand("vs1", 4.0, "n1"),
        demand("vs2", 1.0, "n2", apart_from=("vs1",)),
        demand("vs3", 9.0, "n3"),
    )
    supplies = tuple(Supply(node, (10.0,)) for node in NODES[:3])
    assert shelter.ranks(demands, supplies)["vs1"][1] == "n3"


def test_what_is_known_is_kept_while_it_is_nearly_as_good() -> None:
    supplies = tuple(Supply(node, (10.0,)) for node in NODES[:3])
    demands = (demand("vs1", 1.0, "n1"), demand("vs2", 5.0, "n2"), demand("vs3", 5.1, "n3"))
    known = {"vs1": ("n1", "n3", "n2"), "vs2": ("n2", "n1", "n3"), "vs3": ("n3", "n1", "n2")}
    assert shelter.ranks(demands, supplies)["vs1"] == ("n1", "n2", "n3")
    assert shelter.ranks(demands, supplies, known) == known
    heavier = (demands[0], demands[1], demand("vs3", 8.0, "n3"))
    assert shelter.ranks(heavier, supplies, known)["vs1"] == ("n1", "n2", "n3")


def test_idle_servers_do_not_all_go_to_one_node() -> None:
    idle = tuple(demand(f"vs{at}", 0.0, "n1") for at in range(4))
    busy = (demand("vs8", 5.0, "n2"), demand("vs9", 5.0, "n3"))
    ranks = shelter.ranks((*idle, *busy), tuple(Supply(node, (10.0,)) for node in NODES[:3]))
    assert sorted(ranks[each.server][1] for each in idle) == ["n2", "n2", "n3", "n3"]


def test_what_is_best_is_found_where_the_largest_first_is_not() -> None:
    """Three and three, and two and two and two: the largest first would put seven on one node."""
    demands = tuple(demand(f"vs{at}", load, "n1") for at, load in enumerate((3.0, 3.0, 2.0, 2.0, 2.0)))
    supplies = tuple(Supply(node, (10.0,)) for node in NODES[:3])
    ranks = shelter.ranks(demands, supplies)
    (loss,) = (each for each in shelter.losses(demands, supplies, ranks) if each.lost == "n1")
    assert loss.fill == loss.best == 0.6
