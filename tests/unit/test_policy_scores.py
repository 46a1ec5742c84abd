"""The arithmetic of the score table."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network
from itertools import pairwise

import pytest

from tests.stories import cast
from vsctl.policy import failback, preferences, scores, subnet_loss
from vsctl.policy.constraints import INFINITY
from vsctl.policy.model import Cluster, Subnet

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


def weight(score: int) -> int:
    """What a row weighs at most, with everything lost that may be lost at once."""
    return abs(score) * (scores.SUBNETS if score in (scores.SUBNET_LOST, scores.ANNOUNCER) else 1)


@pytest.mark.parametrize("row", range(len(DESCENDING)))
def test_a_row_outweighs_all_below_it(row: int) -> None:
    assert abs(DESCENDING[row]) > sum(map(weight, DESCENDING[row + 1 :]))


SMALL = scores.PREFERENCE + abs(scores.UNREPORTED) + scores.SUBNETS * scores.ANNOUNCER


def test_a_server_that_is_held_is_routed_where_it_is_wherever_is_better() -> None:
    assert scores.HELD + scores.SUBNETS * scores.FEWER > SMALL


def on_subnets(many: int) -> Cluster:
    """Return a cluster with one server, which has an address on each of so many subnets."""
    found = cast.cluster(["nodes: n1 n2", "vs1: home=n1"])
    (server,) = found.servers
    return replace(
        found,
        subnets=tuple(Subnet(f"lan-{each}", (ip_network(f"2001:db8:{each}::/64"),)) for each in range(many)),
        servers=(
            replace(server, addresses=tuple(ip_interface(f"2001:db8:{each}::11/64") for each in range(many))),
        ),
    )


@pytest.mark.parametrize("many", range(1, 8))
def test_whoever_is_routed_stays_however_many_subnets_it_has_and_loses(many: int) -> None:
    cluster = on_subnets(many)
    always, _ = failback.stickiness(cluster, cluster.server("vs1"))
    lost = sum(each.score for each in subnet_loss.subnet_loss(cluster))
    assert int(dict(always)[failback.NAME]) + lost > SMALL


def test_without_a_port_it_goes_where_one_address_more_can_be_announced_and_only_there() -> None:
    here = scores.HELD + scores.CUT_OFF
    assert here + scores.FEWER + SMALL < 0
    assert here > SMALL


def test_being_asked_to_leave_outweighs_what_holds_a_server() -> None:
    assert abs(scores.EVICT) > scores.HELD + abs(scores.CUT_OFF) + scores.SUBNETS * abs(scores.FEWER) + SMALL


def test_the_base_carries_a_server_through_everything() -> None:
    assert sum(map(weight, DESCENDING)) < scores.BASE < INFINITY


def test_a_pinned_server_is_below_zero_elsewhere_whatever_speaks_for_it() -> None:
    best = scores.BASE + scores.MOVE + scores.HELD + scores.PREFERENCE
    assert best + scores.PINNED < 0


def test_stickiness_outweighs_the_distance_between_any_preferences() -> None:
    assert preferences.score(0) - preferences.score(31) < scores.STICKINESS


def test_no_rank_is_worth_more_than_one_before_it() -> None:
    worth = [preferences.score(rank) for rank in range(40)]
    assert worth[0] == scores.PREFERENCE
    assert all(high > low >= 0 for high, low in pairwise(worth))
