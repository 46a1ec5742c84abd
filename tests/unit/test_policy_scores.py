"""The arithmetic of the score table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_interface, ip_network
from itertools import pairwise, product

import pytest

from tests.stories import cast
from vsctl.policy import failback, naming, preferences, scores
from vsctl.policy.constraints import INFINITY, NODE_NAME, Condition, Location, Operation
from vsctl.policy.model import Cluster, FailbackMode, Subnet
from vsctl.policy.resources import Group
from vsctl.policy.rules import configuration

DESCENDING = (
    scores.STORAGE_LOST,
    scores.EVACUATE,
    scores.MOVE,
    scores.APART,
    scores.EVICT,
    scores.NO_PORT,
    scores.SUBNET_LOST,
    scores.STICKINESS,
    scores.PREFERENCE,
    scores.UNREPORTED,
    scores.ANNOUNCER,
)
HELD_BELOW = DESCENDING.index(scores.EVICT)
"""The last row above those that are others for a server that is held."""

MANY = range(1, scores.SUBNETS + 1)
"""The numbers of subnets that a server may be on and be held."""


def weight(score: int) -> int:
    """What a row weighs at most, with everything lost that may be lost at once."""
    return abs(score) * (scores.SUBNETS if score in (scores.SUBNET_LOST, scores.ANNOUNCER) else 1)


@pytest.mark.parametrize("row", range(len(DESCENDING)))
def test_a_row_outweighs_all_below_it(row: int) -> None:
    assert abs(DESCENDING[row]) > sum(map(weight, DESCENDING[row + 1 :]))


def small(many: int) -> int:
    """What preference and all below it weigh together for a server on so many subnets."""
    return scores.PREFERENCE + abs(scores.UNREPORTED) + many * scores.ANNOUNCER


def of_held(many: int) -> int:
    """What all rows weigh together that only a server has that is held, and all below them."""
    rows = (scores.homeward(many), scores.held(many), scores.cut_off(many), many * scores.FEWER)
    return sum(map(abs, rows)) + small(many)


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("row", range(HELD_BELOW + 1))
def test_a_row_outweighs_all_below_it_for_a_server_that_is_held(row: int, many: int) -> None:
    assert abs(DESCENDING[row]) > sum(map(weight, DESCENDING[row + 1 : HELD_BELOW + 1])) + of_held(many)


def on_subnets(many: int, mode: FailbackMode = FailbackMode.MANUAL) -> Cluster:
    """Return a cluster with one server, at home on n1, which has an address on each of so many subnets."""
    found = cast.cluster(["nodes: n1 n2 n3", "vs1: home=n1"])
    (server,) = found.servers
    subnets = tuple(Subnet(f"lan-{each}", (ip_network(f"2001:db8:{each}::/64"),)) for each in range(many))
    return replace(
        found,
        subnets=subnets,
        nodes=tuple(
            replace(
                node,
                ports=tuple(
                    replace(node.ports[0], interface=f"e{at}a", subnet=each.name)
                    for at, each in enumerate(subnets)
                ),
            )
            for node in found.nodes
        ),
        servers=(
            replace(server, addresses=tuple(ip_interface(f"2001:db8:{each}::11/64") for each in range(many))),
        ),
        policy=replace(found.policy, failback=replace(found.policy.failback, mode=mode)),
    )


@dataclass(frozen=True)
class Sight:
    """What a node says: how many of a server's subnets it has lost, and whether any of its ports is good."""

    node: str
    lost: int
    port: bool = True

    def says(self, condition: Condition) -> bool:
        if condition.attribute == NODE_NAME:
            value = self.node
        elif condition.attribute.startswith("subnet-lan-"):
            value = "0" if int(condition.attribute.rpartition("-")[2]) < self.lost else "2"
        else:
            value = {"ports-good": str(int(self.port)), "node-ok": "1"}.get(condition.attribute, "")
        return (value == condition.value) is (condition.operation is Operation.EQUAL)


def sights(node: str, many: int) -> Iterator[Sight]:
    """Yield all that a node may say; without a good port it has lost every subnet."""
    yield from (Sight(node, lost) for lost in range(many + 1))
    yield Sight(node, many, port=False)


def sticks(cluster: Cluster) -> int:
    (group,) = (each for each in configuration(cluster).resources if each.id == naming.group("vs1"))
    assert isinstance(group, Group)
    return int(dict(group.members[0].meta)[failback.NAME])


def counts(cluster: Cluster, sight: Sight) -> int:
    """Return what the rules say of a node that differs by what it says; a window is taken to be open."""
    return sum(
        each.score
        for each in configuration(cluster).constraints
        if isinstance(each, Location)
        and each.resource == naming.group("vs1")
        and each.rule in ("home", "ports", "subnet")
        and all(map(sight.says, each.when))
    )


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize(("here", "there"), [("n1", "n2"), ("n2", "n1"), ("n2", "n3")])
@pytest.mark.parametrize("mode", FailbackMode)
def test_who_is_held_leaves_for_a_home_without_a_fault_or_from_a_node_without_a_port_to_more_addresses(
    mode: FailbackMode, here: str, there: str, many: int
) -> None:
    """Whatever it likes better, whoever has not reported, and wherever an announcer has failed."""
    cluster = on_subnets(many, mode)
    held = sticks(cluster)
    weighed = {sight: counts(cluster, sight) for node in (here, there) for sight in sights(node, many)}
    for one, other in product(sights(here, many), sights(there, many)):
        homewards = mode is not FailbackMode.MANUAL and other.node == "n1" and not other.lost
        goes = homewards or (not one.port and other.lost < one.lost)
        gains = weighed[other] - weighed[one] - held
        assert gains > small(many) if goes else gains < -small(many), (one, other)


@pytest.mark.parametrize("many", range(1, 8))
def test_whoever_is_routed_stays_however_many_subnets_it_has_and_loses(many: int) -> None:
    cluster = on_subnets(many)
    assert sticks(cluster) + counts(cluster, Sight("n1", many)) > small(many)


def test_the_table_ends_where_preference_and_what_is_below_it_would_fill_half_of_a_subnet() -> None:
    assert small(scores.SUBNETS) < scores.MARGIN <= small(scores.SUBNETS + 1)


def test_the_base_carries_a_server_through_everything() -> None:
    above = sum(map(abs, DESCENDING[: HELD_BELOW + 1]))
    assert sum(map(weight, DESCENDING)) < scores.BASE < INFINITY
    assert above + of_held(scores.SUBNETS) < scores.BASE


def test_an_operators_word_outweighs_several_servers_to_keep_apart_from() -> None:
    rest = of_held(scores.SUBNETS)
    assert 2 * abs(scores.APART) + rest < scores.MOVE
    assert abs(scores.EVACUATE) > 4 * abs(scores.APART) + rest


def test_a_pinned_server_is_below_zero_elsewhere_whatever_speaks_for_it() -> None:
    best = scores.BASE + scores.MOVE + scores.STICKINESS + scores.PREFERENCE
    assert best + scores.PINNED < 0


def test_stickiness_outweighs_the_distance_between_any_preferences() -> None:
    assert preferences.score(0) - preferences.score(31) < scores.STICKINESS


def test_no_rank_is_worth_more_than_one_before_it() -> None:
    worth = [preferences.score(rank) for rank in range(40)]
    assert worth[0] == scores.PREFERENCE
    assert all(high > low >= 0 for high, low in pairwise(worth))
